//! Reads records from the standard input: NDJSON, an array or documents, also gzipped, until it ends.
//!
//! What was read cannot be read again: what is not settled when the service stops is lost, and its index is logged.

use super::Append;
use super::split::{Found, Records, open};
use super::under_way::{BYTES_MAX, RECORDS_MAX, UnderWay, Verdict};
use crate::record::Record;
use crate::telemetry::Component;
use crate::telemetry::metric::{ERRORS, RECEIVING};
use std::io::{self, Read};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep_until;

/// How much is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest record that is taken.
    pub record_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { record_bytes_max: 1024 * 1024 }
    }
}

/// Not everything that the input holds is delivered.
#[derive(Debug, thiserror::Error)]
pub enum StdinError {
    /// The input cannot be read to its end. What came before is settled.
    #[error("read the standard input: {0}")]
    Input(#[from] io::Error),
    /// The service stopped first. They cannot be read again; the log has their indices.
    #[error("deliver {records} records of the standard input before the service stopped")]
    Undelivered { records: u64 },
}

/// Records that are read ahead.
const AHEAD_RECORDS_MAX: usize = 4;

/// Where a record was found.
#[derive(Clone, Copy, Debug)]
struct Mark {
    index: u64,
    line: u64,
    bytes: usize,
}

/// Reads records until the input ends, and returns when all are settled; or until `shutdown` is ready, and returns when
/// those under way are.
///
/// # Errors
/// When the input cannot be read, or there cannot be a thread to read it.
pub async fn run<Q: Append>(
    settings: Settings,
    queue: Arc<Q>,
    component: Component,
    shutdown: impl Future<Output = ()> + Send,
    input: impl Read + Send + 'static,
) -> Result<(), StdinError> {
    let mut shutdown = pin!(shutdown);
    let too_large =
        component.counter(ERRORS, &[("error_code", "record_too_large"), ("error_type", "condition_failed"), RECEIVING]);
    let mut under_way = UnderWay::new(queue, &component);
    let mut found = start_reading(input, settings.record_bytes_max)?;
    let mut waiting: Option<(Mark, Record)> = None;
    let (mut bytes, mut next_index, mut result, mut has_ended) = (0, 0, Ok(()), false);
    loop {
        if let Some((mark, record)) = &waiting
            && under_way.append(*mark, record).is_ok()
        {
            bytes += mark.bytes;
            next_index = mark.index + 1;
            waiting = None;
        }
        let full_until = under_way.full_until();
        let is_done = has_ended && waiting.is_none() && under_way.len() == 0;
        let has_room = waiting.is_none() && under_way.len() < RECORDS_MAX && bytes < BYTES_MAX;
        tokio::select! {
            () = &mut shutdown => break,
            () = std::future::ready(()), if is_done => return result,
            Some((mark, verdict)) = under_way.settled() => {
                bytes -= mark.bytes;
                note(mark, &verdict);
            }
            next = found.recv(), if has_room && !has_ended => match next {
                None => has_ended = true,
                Some(Err(error)) => (result, has_ended) = (Err(StdinError::Input(error)), true),
                Some(Ok(Found { index, line, body: Some(body), .. })) => {
                    let mark = Mark { index, line, bytes: body.len() };
                    waiting = Some((mark, Record { body, metadata: Vec::new() }));
                }
                Some(Ok(Found { index, line, body: None, .. })) => {
                    too_large.add(1);
                    tracing::warn!(index, line, class = "policy", code = "body_too_large", "record refused");
                }
            },
            () = sleep_until(full_until), if waiting.is_some() => {}
        }
    }
    // The thread may wait for a person at a terminal, and is left to its wait.
    drop(found);
    if !has_ended || waiting.is_some() {
        tracing::warn!(
            index = next_index,
            "stopped before the input has ended, nothing from this index on was taken in"
        );
    }
    under_way.stop();
    // What waits for room was read too.
    let mut records = u64::from(waiting.is_some());
    while let Some((mark, verdict)) = under_way.settled().await {
        note(mark, &verdict);
        records += u64::from(matches!(verdict, Verdict::Unsettled));
    }
    if records > 0 { Err(StdinError::Undelivered { records }) } else { result }
}

fn note(Mark { index, line, .. }: Mark, verdict: &Verdict) {
    match verdict {
        Verdict::Acknowledged => {}
        Verdict::Rejected(rejection) => {
            tracing::warn!(index, line, class = rejection.class, code = rejection.code, "record refused");
        }
        Verdict::Unsettled => tracing::error!(index, line, "record was not delivered before the service stopped"),
    }
}

/// Reads on a thread of its own, which ends with the input, or when nobody receives any more.
fn start_reading(
    input: impl Read + Send + 'static,
    record_bytes_max: usize,
) -> io::Result<Receiver<io::Result<Found>>> {
    let (sender, receiver) = channel(AHEAD_RECORDS_MAX);
    thread::Builder::new().name("stdin".to_owned()).spawn(move || read(input, record_bytes_max, &sender))?;
    Ok(receiver)
}

fn read(input: impl Read, record_bytes_max: usize, sender: &Sender<io::Result<Found>>) {
    let records = match open(input) {
        Ok(input) => Records::new(input, record_bytes_max),
        // The error is not heard only where nobody receives any more.
        Err(error) => return drop(sender.blocking_send(Err(error))),
    };
    for found in records {
        if sender.blocking_send(found).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::stage::{Cue, Stage};
    use std::future::pending;
    use std::io::Cursor;
    use std::time::Duration;
    use tokio::sync::oneshot;

    async fn read_all(stage: &Arc<Stage>, input: &'static [u8]) -> Result<(), StdinError> {
        let settings = Settings { record_bytes_max: 20 };
        run(settings, Arc::new(Arc::clone(stage)), Component::default(), pending(), Cursor::new(input)).await
    }

    #[tokio::test]
    async fn it_ends_when_the_input_has_ended_and_all_is_settled() {
        let stage = Stage::new([Cue::Full, Cue::Retry, Cue::Reject]);
        read_all(&stage, b"{\"a\":1}\n{\"a\":2}\n{\"a\":\"far too long a record\"}\n{\"a\":3}").await.expect("read");
        let mut seen = stage.appended();
        seen.sort();
        // One of them twice, for it was to be retried.
        seen.dedup();
        assert_eq!(seen, ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
        assert_eq!((stage.appended().len(), stage.settled()), (4, 3));
    }

    #[tokio::test]
    async fn an_input_that_breaks_off_is_told_after_what_came_before() {
        let stage = Stage::new([]);
        let gzip_without_its_end = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let input = Vec::leak(gzip_without_its_end.to_vec());
        let error = read_all(&stage, input).await.expect_err("it breaks off");
        assert!(error.to_string().starts_with("read the standard input: "), "{error}");
    }

    /// Never gives anything, like a terminal at which nobody sits.
    struct Terminal(std::sync::mpsc::Receiver<()>);

    impl Read for Terminal {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.recv().map_or(Ok(0), |()| Ok(0))
        }
    }

    #[tokio::test]
    async fn a_terminal_at_which_nobody_sits_does_not_hold_up_the_shutdown() {
        let stage = Stage::new([]);
        let (_keyboard, input) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let running =
            tokio::spawn(run(Settings::default(), Arc::new(stage), Component::default(), shutdown, Terminal(input)));
        drop(stop);
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await.expect("it ends");
        assert!(ended.expect("no panic").is_ok());
    }

    /// It was taken out of a pipe, which does not give it again: whoever fed the pipe has to know.
    #[tokio::test]
    async fn what_was_read_and_not_delivered_at_the_shutdown_is_a_failure() {
        let stage = Stage::new(vec![Cue::Retry; 100_000]);
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let input = Cursor::new(b"{\"a\":1}\n");
        let settings = Settings::default();
        let running = tokio::spawn(run(settings, Arc::new(Arc::clone(&stage)), Component::default(), shutdown, input));
        stage.has_appended(1).await;
        drop(stop);
        let ended = running.await.expect("no panic");
        assert!(matches!(ended, Err(StdinError::Undelivered { records: 1 })), "{ended:?}");
    }
}
