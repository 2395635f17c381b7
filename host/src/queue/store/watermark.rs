//! A witness of what was synced, apart from the store: a store that lost the end of its log, by a flipped bit in a
//! journal for example, does not know it.
//!
//! The file holds the id after the last record whose sync succeeded, and the same number with all bits turned around, 16
//! bytes in all, written over after every sync and before anybody is answered. It is not synced itself, so after a power
//! cut it may be old, or empty: then it says less, never too much.

use crate::queue::OpenError;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

#[derive(Debug)]
pub(in crate::queue) struct Watermark {
    file: File,
    value: u64,
}

const BYTES: usize = 16;

impl Watermark {
    /// The one of this folder.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub(in crate::queue) fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join("WATERMARK");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = options.map_err(OpenError::io("open", &path))?;
        let value = read(&file).map_err(OpenError::io("read", &path))?;
        Ok(Watermark { file, value })
    }

    /// The id after the last record that is known to have been synced; 0 when nothing is known.
    pub(in crate::queue) fn value(&self) -> u64 {
        self.value
    }

    /// Everything before this record is synced. That it cannot be written is no reason not to go on.
    pub(in crate::queue) fn raise(&mut self, next_id: u64) {
        if next_id > self.value && self.write(next_id).is_ok() {
            self.value = next_id;
        }
    }

    fn write(&self, value: u64) -> io::Result<()> {
        let mut bytes = [0; BYTES];
        let (number, check) = bytes.split_at_mut(BYTES / 2);
        number.copy_from_slice(&value.to_be_bytes());
        check.copy_from_slice(&(!value).to_be_bytes());
        self.file.write_all_at(&bytes, 0)
    }
}

fn read(file: &File) -> io::Result<u64> {
    let mut bytes = [0; BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
        Err(error) => return Err(error),
    }
    let half = |half: &[u8]| half.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let (number, check) = bytes.split_at(BYTES / 2);
    let value = half(number);
    Ok(if half(check) == !value { value } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_remembers_and_only_rises() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Watermark::open(folder.path()).expect("a file of ours");
        let mut watermark = open();
        assert_eq!(watermark.value(), 0);
        watermark.raise(7);
        watermark.raise(5);
        assert_eq!(open().value(), 7);
    }

    #[test]
    fn what_is_torn_or_damaged_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("WATERMARK");
        Watermark::open(folder.path()).expect("a file of ours").raise(7);
        let bytes = fs::read(&path).expect("it is there");
        for length in 0..BYTES {
            fs::write(&path, bytes.get(..length).expect("a part")).expect("it can be written");
            assert_eq!(Watermark::open(folder.path()).expect("it opens").value(), 0, "{length}");
        }
        for place in 0..BYTES {
            let mut damaged = bytes.clone();
            *damaged.get_mut(place).expect("a byte") ^= 1;
            fs::write(&path, damaged).expect("it can be written");
            assert_eq!(Watermark::open(folder.path()).expect("it opens").value(), 0, "{place}");
        }
    }
}
