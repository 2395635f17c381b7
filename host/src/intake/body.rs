//! The body of a request: read and inflated, both within the limit; or drained, where the request is refused anyway.
//!
//! A server that closes a connection while the client is still sending resets it, and the client, which often reads only
//! once it has sent all, never sees the answer. So a body that is refused is read to its end and thrown away, if that
//! end is near; nothing of it is kept.

use super::body_room::{BodyPlace, Claim};
use super::postponed::Postponed;
use axum::body::{Bytes, HttpBody};
use axum::http::header::{CONTENT_ENCODING, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::future::poll_fn;
use std::io::Read;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// The encodings that are known, as a header lists them.
pub(super) const ENCODINGS: &str = "gzip, deflate, zstd, identity";

/// How much of a body is drained.
const DRAINED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long it is drained.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
}

/// Why a body was not taken. The text of each is what its sender reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the content encoding is not known; there are gzip, deflate, zstd and identity")]
    UnknownEncoding,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body broke off")]
    BrokenOff,
    #[error("the body is not what its content encoding says")]
    BrokenEncoding,
    #[error("the body took too long to arrive")]
    Slow,
    #[error(transparent)]
    Postponed(#[from] Postponed),
}

impl BodyError {
    /// One of each.
    pub(super) fn all(limit: usize) -> [Self; 5] {
        [Self::UnknownEncoding, Self::TooLarge { limit }, Self::BrokenOff, Self::BrokenEncoding, Self::Slow]
    }

    /// Stable, for scripts and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::UnknownEncoding => "unknown_encoding",
            Self::TooLarge { .. } => "body_too_large",
            Self::BrokenOff => "body_broken_off",
            Self::BrokenEncoding => "broken_encoding",
            Self::Slow => "body_too_slow",
            Self::Postponed(postponed) => postponed.code(),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BrokenOff | Self::BrokenEncoding => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Postponed(postponed) => postponed.status(),
        }
    }
}

/// A body as it is meant, and as it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) body: Bytes,
    /// Before it was inflated.
    pub(super) received_bytes: usize,
}

/// A body as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    encoding: Encoding,
}

/// What a body of at most `bytes_max` takes. One that is announced to be longer takes nothing: it is refused.
pub(super) fn claim(body: &impl HttpBody, bytes_max: usize) -> Claim {
    let (announced, bytes_max) = (body.size_hint(), bytes_max as u64);
    if announced.lower() > bytes_max {
        return Claim { at_least: 0, at_most: 0 };
    }
    Claim { at_least: announced.lower(), at_most: announced.upper().unwrap_or(bytes_max).min(bytes_max) }
}

/// Reads a body of at most `bytes_max`, which is not inflated yet, into the place that was taken for it. One that is
/// refused for what it is, is drained.
pub(super) async fn receive(
    head: &Parts,
    mut body: impl HttpBody<Data = Bytes> + Unpin,
    bytes_max: usize,
    timeout: Duration,
    place: &mut BodyPlace,
) -> Result<Received, BodyError> {
    let received = arrive(&head.headers, &mut body, bytes_max, timeout).await;
    place.shrink_to(received.as_ref().map_or(0, |received| received.bytes.len() as u64));
    // Whoever was too slow is not waited for any longer.
    if let Err(BodyError::UnknownEncoding | BodyError::TooLarge { .. }) = received {
        drain(head, body).await;
    }
    received
}

impl Received {
    /// What was meant, of at most `bytes_max`, in the place of what came. The limit keeps the work short enough to be done
    /// right here.
    pub(super) fn inflate(self, bytes_max: usize, place: &mut BodyPlace) -> Result<Arrived, BodyError> {
        let Self { bytes, encoding } = self;
        let received_bytes = bytes.len();
        let inflation = Inflation { received_bytes, bytes_max, place };
        let body = match encoding {
            Encoding::Identity => return Ok(Arrived { body: bytes, received_bytes }),
            Encoding::Gzip => inflation.of(MultiGzDecoder::new(bytes.as_ref()))?,
            // What HTTP calls deflate has zlib's header, but some senders leave it out.
            Encoding::Deflate if has_zlib_header(&bytes) => inflation.of(ZlibDecoder::new(bytes.as_ref()))?,
            Encoding::Deflate => inflation.of(DeflateDecoder::new(bytes.as_ref()))?,
            Encoding::Zstd => inflation.of(zstd_decoder(bytes.as_ref())?)?,
        };
        drop(bytes);
        place.shrink_to(body.len() as u64);
        Ok(Arrived { body, received_bytes })
    }
}

/// Reads what is left of a body and throws it away, so that its sender comes to read the answer. Not so if the sender
/// waits to be told to go on, or has announced more than would be read. HTTP/2 can be told to stop, and goes on with its
/// other requests (RFC 9113, section 8.1).
pub(super) async fn drain(head: &Parts, mut body: impl HttpBody<Data = Bytes> + Unpin) {
    let is_told_to_stop = head.version == Version::HTTP_2 || head.headers.contains_key(EXPECT);
    if is_told_to_stop || body.size_hint().lower() > DRAINED_BYTES_MAX {
        return;
    }
    let rest = async {
        let mut room = DRAINED_BYTES_MAX;
        while let Ok(Some(data)) = next_data(&mut body).await {
            let Some(left) = room.checked_sub(data.len() as u64) else { return };
            room = left;
        }
    };
    // What comes of it does not matter: the answer is given in any case.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
}

async fn arrive(
    headers: &HeaderMap,
    body: impl HttpBody<Data = Bytes> + Unpin,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Received, BodyError> {
    let encoding = Encoding::of(headers)?;
    let mut collected = pin!(collected(body, bytes_max));
    let bytes = match promptly(collected.as_mut()).await {
        Some(bytes) => bytes?,
        None => tokio::time::timeout(timeout, collected).await.map_err(|_| BodyError::Slow)??,
    };
    Ok(Received { bytes, encoding })
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
        let encoding = encodings.next().unwrap_or_default().trim_ascii();
        let is = |name: &str| encoding.eq_ignore_ascii_case(name.as_bytes());
        match encodings.next() {
            None if encoding.is_empty() || is("identity") => Ok(Self::Identity),
            None if is("gzip") || is("x-gzip") => Ok(Self::Gzip),
            None if is("deflate") => Ok(Self::Deflate),
            None if is("zstd") => Ok(Self::Zstd),
            _ => Err(BodyError::UnknownEncoding),
        }
    }
}

/// What comes of the future if it need not wait, so that no clock is set for it. It is asked twice: a body only begins
/// to be read when it is first asked for, and then is mostly there already.
async fn promptly<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut is_second = false;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if is_second => Poll::Ready(None),
        Poll::Pending => {
            is_second = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

async fn collected(mut body: impl HttpBody<Data = Bytes> + Unpin, bytes_max: usize) -> Result<Bytes, BodyError> {
    // What a sender announces need not be waited for.
    let too_large = || BodyError::TooLarge { limit: bytes_max };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(too_large());
    }
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(too_large());
    }
    // Most bodies come in one piece. It lies in what its connection is read into, which is some times as large, and
    // would be kept with it for as long as the record waits.
    let Some(second) = next_data(&mut body).await? else { return Ok(Bytes::copy_from_slice(&first)) };
    let mut collected = Vec::with_capacity(announced);
    append(&mut collected, &first, bytes_max)?;
    append(&mut collected, &second, bytes_max)?;
    while let Some(data) = next_data(&mut body).await? {
        append(&mut collected, &data, bytes_max)?;
    }
    Ok(collected.into())
}

fn append(collected: &mut Vec<u8>, data: &[u8], bytes_max: usize) -> Result<(), BodyError> {
    let length = collected.len().saturating_add(data.len());
    if length > bytes_max {
        return Err(BodyError::TooLarge { limit: bytes_max });
    }
    if length > collected.capacity() {
        // Twice as much each time, but never more than there may be.
        let capacity = collected.capacity().saturating_mul(2).clamp(length, bytes_max);
        collected.reserve_exact(capacity - collected.len());
    }
    collected.extend_from_slice(data);
    Ok(())
}

async fn next_data(body: &mut (impl HttpBody<Data = Bytes> + Unpin)) -> Result<Option<Bytes>, BodyError> {
    while !body.is_end_stream() {
        let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await else { break };
        // Trailers say nothing about a body.
        if let Ok(data) = frame.map_err(|_| BodyError::BrokenOff)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// What may look back no further than 8 MiB, which is as much memory as it takes (RFC 8878, section 3.1.1.1.2).
fn zstd_decoder(bytes: &[u8]) -> Result<impl Read, BodyError> {
    const WINDOW_LOG_MAX: u32 = 23;
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).and_then(|mut decoder| {
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(decoder)
    });
    decoder.map_err(|_| BodyError::BrokenEncoding)
}

/// A body that grows within its place, beside what came of it.
struct Inflation<'a> {
    received_bytes: usize,
    bytes_max: usize,
    place: &'a mut BodyPlace,
}

/// As much as most bodies are inflated to, and what the smallest begins with.
const USUAL_INFLATION: usize = 8;
const INFLATED_BYTES_MIN: usize = 4 * 1024;

impl Inflation<'_> {
    fn of(self, mut decoder: impl Read) -> Result<Bytes, BodyError> {
        // One more than may be tells that it is too much.
        let most = self.bytes_max.saturating_add(1);
        let mut body = Vec::new();
        let mut capacity = self.received_bytes.saturating_mul(USUAL_INFLATION).max(INFLATED_BYTES_MIN).min(most);
        loop {
            self.place.grow_to(self.received_bytes.saturating_add(capacity) as u64)?;
            body.reserve_exact(capacity - body.len());
            let left = (capacity - body.len()) as u64;
            let read = decoder.by_ref().take(left).read_to_end(&mut body).map_err(|_| BodyError::BrokenEncoding)?;
            if body.len() > self.bytes_max {
                return Err(BodyError::TooLarge { limit: self.bytes_max });
            }
            if (read as u64) < left {
                return Ok(body.into());
            }
            capacity = capacity.saturating_mul(2).min(most);
        }
    }
}

/// RFC 1950, section 2.2: the method is 8, and the two bytes as one number are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    /// One piece lies in what the connection is read into, and would keep it from being used again.
    #[tokio::test]
    async fn a_body_holds_on_to_nothing_but_itself() {
        let read_into = Bytes::from(vec![b'x'; 8192]);
        let body = collected(Body::from(read_into.slice(8000..)), 192).await.expect("just so much");
        assert_eq!(body.len(), 192);
        assert!(!read_into.as_ptr_range().contains(&body.as_ptr()));
        assert!(collected(Body::from(read_into.slice(8000..)), 191).await.is_err(), "one too many");
    }

    #[test]
    fn what_comes_in_pieces_never_has_more_memory_than_it_may_come_to() {
        let mut collected = Vec::new();
        for _ in 0..10 {
            append(&mut collected, &[0; 10], 100).expect("within the limit");
            assert!(collected.capacity() <= 100, "{}", collected.capacity());
        }
        assert_eq!(append(&mut collected, &[0], 100), Err(BodyError::TooLarge { limit: 100 }));
    }
}
