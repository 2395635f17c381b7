//! A file instead of a backend: each request is a line of OTLP/JSON at its end, as the OpenTelemetry Collector's
//! `otlpjsonfile` receiver reads them.
//!
//! A line is accepted once it is on the disk. What a write that failed has left is taken away again, or, where somebody
//! else has written behind it, ended by a line break, so that it costs no other line. The same is done about a torn
//! line that an earlier run has left. A file that was moved away, as logrotate does, gets no further line: there is a
//! new one under its name.

use super::outcome::Answer;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What is written tells of people.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

pub(super) struct File {
    path: PathBuf,
    /// Opened with the first line, and again when the name stands for another file.
    open: Mutex<Option<Open>>,
}

struct Open {
    file: fs::File,
    /// Whether it can be cut off, and read: not a pipe, not a terminal.
    is_regular: bool,
    /// Its last line has no line break.
    is_torn: bool,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::default() }
    }

    /// Appends a line, its line break included. It blocks until the line is on the disk.
    pub(super) fn append(&self, line: &[u8]) -> Answer {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = open.take().filter(|open| open.is_named(&self.path));
        let appended = file.map_or_else(|| Open::new(&self.path), Ok).and_then(|mut file| {
            let appended = file.append(line);
            *open = Some(file);
            appended
        });
        match appended {
            Ok(()) => Answer::Accepted,
            // A person may make room, or give leave.
            Err(error) => {
                Answer::Retry { after: None, reason: format!("{} cannot be written to: {error}", self.path.display()) }
            }
        }
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        // A pipe that nobody reads is an error then, instead of waiting for a reader.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).custom_flags(flags).open(path)?;
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        let metadata = file.metadata()?;
        let is_regular = metadata.is_file();
        if is_regular && metadata.len() == 0 {
            // The name of a new file is to survive a power cut as well as its lines.
            // A folder that may not be read cannot be asked for that.
            if let Ok(folder) = fs::File::open(folder) {
                ignoring_unsupported(folder.sync_all())?;
            }
        }
        let is_torn = is_regular && metadata.len() > 0 && !ends_with_line_break(path);
        Ok(Self { file, is_regular, is_torn })
    }

    /// Whether the name still stands for this file.
    fn is_named(&self, path: &Path) -> bool {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        match (fs::metadata(path).map(identity), self.file.metadata().map(identity)) {
            (Ok(named), Ok(open)) => named == open,
            _ => false,
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let mended;
        let bytes = if self.is_torn {
            mended = [b"\n", line].concat();
            &mended
        } else {
            line
        };
        let mut written = 0;
        let result =
            write_all(&self.file, bytes, &mut written).and_then(|()| ignoring_unsupported(self.file.sync_data()));
        match result {
            Ok(()) => self.is_torn = false,
            Err(_) if written > 0 && self.is_regular => self.take_back(length, written as u64),
            Err(_) => {}
        }
        result
    }

    /// Cuts off what was written, unless somebody else has written too.
    fn take_back(&mut self, length: u64, written: u64) {
        let is_last = self.file.metadata().is_ok_and(|metadata| metadata.len() == length + written);
        if !(is_last && self.file.set_len(length).is_ok()) {
            self.is_torn = true;
        }
    }
}

/// One write, unless the system takes less than all: a pipe may, a full disk does before it says so.
fn write_all(mut file: &fs::File, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Pipes and terminals have nothing to bring to a disk, and say so with EINVAL.
fn ignoring_unsupported(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// A file that may be written but not read is taken for whole.
fn ends_with_line_break(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0; 1];
        file.read_exact(&mut last)?;
        Ok(u8::from_le_bytes(last))
    };
    last().is_ok_and(|last| last == b'\n') || fs::File::open(path).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{answered_call, scope};
    use crate::export::{Exporter, json, request};
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    fn folder() -> TempDir {
        TempDir::new().expect("a folder")
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("the file is there")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    fn reason(answer: Answer) -> String {
        match answer {
            Answer::Retry { reason, .. } => reason,
            answer => panic!("{answer:?} is no retry"),
        }
    }

    #[tokio::test]
    async fn each_request_is_a_line_of_otlp_json() {
        let folder = folder();
        let path = folder.path().join("new/traces.jsonl");
        let exporter = Exporter::file(path.clone());
        for traces in [vec![answered_call(1), answered_call(2)], vec![answered_call(3)]] {
            assert_eq!(exporter.send(&mut exporter.prepare(traces, &scope())).await, Some(Answer::Accepted));
        }
        let line = |traces| json(&request(traces, &scope())).expect("text can be written");
        let expected =
            format!("{}\n{}\n", line(vec![answered_call(1), answered_call(2)]), line(vec![answered_call(3)]));
        assert_eq!(read(&path), expected);
        assert_eq!((mode(&path), mode(&folder.path().join("new"))), (FILE_MODE, FOLDER_MODE));
    }

    #[test]
    fn a_file_that_was_moved_away_gets_no_further_line() {
        let folder = folder();
        let [path, moved] = ["traces", "traces.1"].map(|name| folder.path().join(name));
        let file = File::new(path.clone());
        assert_eq!(file.append(b"one\n"), Answer::Accepted);
        fs::rename(&path, &moved).expect("it can be moved");
        assert_eq!(file.append(b"two\n"), Answer::Accepted);
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\n", "two\n"));
    }

    #[test]
    fn a_torn_line_is_ended_first() {
        let folder = folder();
        let path = folder.path().join("traces");
        fs::write(&path, "one\ntor").expect("it can be written");
        let file = File::new(path.clone());
        assert_eq!(file.append(b"two\n"), Answer::Accepted);
        assert_eq!(file.append(b"three\n"), Answer::Accepted);
        assert_eq!(read(&path), "one\ntor\ntwo\nthree\n");
    }

    #[test]
    fn what_a_failed_write_has_left_is_taken_back_or_ended() {
        let folder = folder();
        let path = folder.path().join("traces");
        fs::write(&path, "one\ntw").expect("it can be written");
        let mut open = Open { is_torn: false, ..Open::new(&path).expect("it can be opened") };
        open.take_back(4, 2);
        assert_eq!((read(&path).as_str(), open.is_torn), ("one\n", false));
        fs::write(&path, "one\ntwanother\n").expect("it can be written");
        open.take_back(4, 2);
        assert_eq!((read(&path).as_str(), open.is_torn), ("one\ntwanother\n", true));
    }

    #[test]
    fn a_full_disk_is_to_be_retried() {
        let reason = reason(File::new("/dev/full".into()).append(b"one\n"));
        assert!(reason.starts_with("/dev/full cannot be written to: No space left"), "{reason}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_to_be_retried() {
        let folder = folder();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").expect("it can be written");
        let path = in_the_way.join("traces");
        let file = File::new(path.clone());
        assert!(reason(file.append(b"one\n")).contains("file/traces"));
        fs::remove_file(&in_the_way).expect("it can be removed");
        assert_eq!(file.append(b"one\n"), Answer::Accepted);
    }

    #[test]
    fn a_pipe_takes_lines_once_somebody_reads() {
        let folder = folder();
        let path = folder.path().join("pipe");
        mkfifoat(CWD, &path, Mode::from_raw_mode(FILE_MODE)).expect("a pipe can be made");
        let file = File::new(path.clone());
        assert!(reason(file.append(b"one\n")).contains("pipe"));
        // Opened for both, it does not wait for a writer.
        let mut reader = OpenOptions::new().read(true).write(true).open(&path).expect("it can be opened");
        assert_eq!(file.append(b"two\n"), Answer::Accepted);
        let mut line = [0; 4];
        reader.read_exact(&mut line).expect("a line");
        assert_eq!(&line, b"two\n");
    }
}
