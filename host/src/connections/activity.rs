//! What happens on a connection, and when that is to be enough.

use super::later;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What has happened on a connection. Times are nanoseconds since it was opened.
pub(super) struct Activity {
    opened: Instant,
    requests_in_flight: AtomicUsize,
    /// When the last request was answered.
    touched_after: AtomicU64,
    /// When the first byte came since then; 0 when none did.
    heard_after: AtomicU64,
    /// Whether there was a request before.
    was_asked: AtomicBool,
    /// HTTP/2 says things between requests, too.
    is_multiplexed: AtomicBool,
}

/// A request that is being answered.
pub(super) struct InFlight(Arc<Activity>);

/// A stream whose bytes are heard.
pub(super) struct Heard<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            requests_in_flight: AtomicUsize::new(0),
            touched_after: AtomicU64::new(0),
            heard_after: AtomicU64::new(0),
            was_asked: AtomicBool::new(false),
            is_multiplexed: AtomicBool::new(false),
        }
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed.load(Ordering::Acquire)
    }

    pub(super) fn touch(&self, now: Instant) {
        self.touched_after.store(self.nanos(now), Ordering::Release);
        self.heard_after.store(0, Ordering::Release);
    }

    /// Until when nothing has to come. While there is a request to answer, that is always later.
    pub(super) fn patient_until(&self, now: Instant, idle_timeout: Duration, header_timeout: Duration) -> Instant {
        if self.requests_in_flight.load(Ordering::Acquire) > 0 {
            return later(now, idle_timeout);
        }
        let idle_since = later(self.opened, Duration::from_nanos(self.touched_after.load(Ordering::Acquire)));
        let until = later(idle_since, idle_timeout);
        match self.head_begun() {
            Some(begun) => until.min(later(begun, header_timeout)),
            None => until,
        }
    }

    /// Since when the head of a request has been on its way: of the first one since the connection was opened.
    fn head_begun(&self) -> Option<Instant> {
        if !self.was_asked.load(Ordering::Acquire) {
            return Some(self.opened);
        }
        let heard_after = self.heard_after.load(Ordering::Acquire);
        let is_head = heard_after > 0 && !self.is_multiplexed();
        is_head.then(|| later(self.opened, Duration::from_nanos(heard_after)))
    }

    /// A byte came.
    fn hear(&self, now: impl FnOnce() -> Instant) {
        if self.heard_after.load(Ordering::Relaxed) == 0 {
            self.heard_after.store(self.nanos(now()).max(1), Ordering::Release);
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.opened).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl InFlight {
    pub(super) fn begin(activity: &Arc<Activity>, is_multiplexed: bool) -> Self {
        activity.requests_in_flight.fetch_add(1, Ordering::AcqRel);
        activity.was_asked.store(true, Ordering::Release);
        activity.is_multiplexed.store(is_multiplexed, Ordering::Release);
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.touch(Instant::now());
        self.0.requests_in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.hear(Instant::now);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const HEAD: Duration = Duration::from_secs(10);

    /// How long is waited, so many seconds after the connection was opened.
    fn patience(activity: &Activity, seconds: u64) -> u64 {
        let now = at(activity, seconds);
        activity.patient_until(now, IDLE, HEAD).saturating_duration_since(now).as_secs()
    }

    fn at(activity: &Activity, seconds: u64) -> Instant {
        activity.opened + Duration::from_secs(seconds)
    }

    #[test]
    fn a_head_has_less_time_than_idleness() {
        let activity = Arc::new(Activity::new());
        assert_eq!(patience(&activity, 1), 9, "nothing was asked yet");
        let in_flight = InFlight::begin(&activity, false);
        assert_eq!(patience(&activity, 100), 60, "a request is being answered");
        drop(in_flight);
        activity.touch(at(&activity, 100));
        assert_eq!(patience(&activity, 101), 59, "nothing is said");
        activity.hear(|| at(&activity, 101));
        activity.hear(|| at(&activity, 104));
        assert_eq!(patience(&activity, 104), 7, "the first byte counts");
    }

    #[test]
    fn what_http_2_says_between_requests_is_no_head() {
        let activity = Arc::new(Activity::new());
        drop(InFlight::begin(&activity, true));
        activity.touch(at(&activity, 1));
        activity.hear(|| at(&activity, 1));
        assert_eq!(patience(&activity, 1), 60);
    }
}
