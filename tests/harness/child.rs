//! A process whose output is read line by line while it runs, and which does not outlive its owner.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for. Generous: it is reached only when something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Child {
    name: &'static str,
    process: Process,
    lines: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Lines {
    written: Mutex<Written>,
    grown: Condvar,
}

/// What the process has written, both streams as they came.
#[derive(Default)]
struct Written {
    lines: Vec<String>,
    /// Where each line stands.
    streams: Vec<Stream>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Child {
    /// Starts it, with all three streams piped.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Lines::default());
        let readers = vec![
            collect(Stream::Stdout, process.stdout.take().expect("it is piped"), &lines),
            collect(Stream::Stderr, process.stderr.take().expect("it is piped"), &lines),
        ];
        Self { name, process, lines, readers }
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.written().lines.clone()
    }

    /// The lines of one stream so far.
    pub(crate) fn lines_of(&self, stream: Stream) -> Vec<String> {
        let written = self.lines.written();
        let lines = written.lines.iter().zip(&written.streams);
        lines.filter(|(_, of)| **of == stream).map(|(line, _)| line.clone()).collect()
    }

    /// Waits until `find` finds what it looks for in all lines so far.
    pub(crate) fn wait_for<T>(&mut self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let has_ended = self.process.try_wait().is_ok_and(|status| status.is_some());
            if has_ended {
                self.read_to_the_end();
            }
            let written = self.lines.written();
            if let Some(found) = find(&written.lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // Let go of before it fails, or nobody could say what was written.
            if left.is_zero() || has_ended {
                let so_far = written.lines.join("\n");
                drop(written);
                panic!("no {what} from {}:\n{so_far}", self.name);
            }
            // Woken now and then for a process that ended without a word.
            let _grown = self.lines.grown.wait_timeout(written, left.min(Duration::from_millis(100)));
        }
    }

    pub(crate) fn stdin(&mut self) -> &mut ChildStdin {
        self.process.stdin.as_mut().expect("it is piped")
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn close_stdin(&mut self) {
        self.process.stdin.take();
    }

    /// Asks it to end, as a service manager does, and waits.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => {
                    self.read_to_the_end();
                    return status;
                }
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                _ => panic!("{} does not end:\n{}", self.name, self.lines().join("\n")),
            }
        }
    }

    /// Of a process that has ended, what is still in the pipes.
    fn read_to_the_end(&mut self) {
        self.readers.drain(..).for_each(|reader| reader.join().expect("reading does not panic"));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has an id"), signal).expect("it is our child");
    }
}

impl Lines {
    /// A test that failed while it looked at them still shows them.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _killed = self.process.kill();
        let _ended = self.process.wait();
        if thread::panicking() {
            eprintln!("--- what {} wrote\n{}", self.name, self.lines().join("\n"));
        }
    }
}

fn collect(stream: Stream, pipe: impl Read + Send + 'static, lines: &Arc<Lines>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut written = lines.written();
            written.lines.push(String::from_utf8_lossy(&line).into_owned());
            written.streams.push(stream);
            drop(written);
            lines.grown.notify_all();
        }
    })
}
