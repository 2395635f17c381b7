//! The body of a request: read and inflated, both within the limit.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, HeaderValue};
use bytes::BytesMut;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;
use std::time::Duration;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

/// Why a body was not taken. The text of each is what its sender reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the content encoding is not known; there are gzip, deflate and identity")]
    UnknownEncoding,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body broke off")]
    BrokenOff,
    #[error("the body is not what its content encoding says")]
    BrokenEncoding,
    #[error("the body took too long to arrive")]
    Slow,
}

/// Reads a body of at most `bytes_max`, before and after it is inflated.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    let encoding = Encoding::of(headers)?;
    let body = tokio::time::timeout(timeout, collected(body, bytes_max)).await.map_err(|_| BodyError::Slow)??;
    // The limit keeps the work short enough to be done right here.
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => inflated(MultiGzDecoder::new(body.as_ref()), bytes_max),
        // What HTTP calls deflate has zlib's header, but some senders leave it out.
        Encoding::Deflate if has_zlib_header(&body) => inflated(ZlibDecoder::new(body.as_ref()), bytes_max),
        Encoding::Deflate => inflated(DeflateDecoder::new(body.as_ref()), bytes_max),
    }
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
        let encoding = encodings.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        match (encoding.as_slice(), encodings.next()) {
            (b"" | b"identity", None) => Ok(Self::Identity),
            (b"gzip" | b"x-gzip", None) => Ok(Self::Gzip),
            (b"deflate", None) => Ok(Self::Deflate),
            _ => Err(BodyError::UnknownEncoding),
        }
    }
}

async fn collected(mut body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { limit: bytes_max };
    // What a sender announces need not be waited for.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large);
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| BodyError::BrokenOff)?.into_data() else {
            continue;
        };
        if data.len() > bytes_max - collected.len() {
            return Err(too_large);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

fn inflated(decoder: impl Read, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut body = Vec::new();
    let one_too_many = (bytes_max as u64).saturating_add(1);
    decoder.take(one_too_many).read_to_end(&mut body).map_err(|_| BodyError::BrokenEncoding)?;
    if body.len() > bytes_max {
        return Err(BodyError::TooLarge { limit: bytes_max });
    }
    Ok(body.into())
}

/// RFC 1950, section 2.2: the method is 8, and the two bytes as one number are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => false,
    }
}
