//! The compression of requests over HTTP; gRPC's is in its library.

use super::endpoint::Compression;
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use std::io::{self, Write as _};

/// Traces repeat their keys, and the fastest level finds what repeats: it leaves 6 % of a request of 64 calls in 0.2 ms,
/// where the usual level 6 leaves 5 % in 0.8 ms.
const GZIP_LEVEL: Level = Level::new(1);
/// What is compressed without leaving the thread, in less than a millisecond.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// Much is compressed on a thread for blocking work: it takes milliseconds.
pub(super) async fn compressed(request: Bytes, compression: Compression) -> io::Result<Bytes> {
    let compress = match compression {
        Compression::None => return Ok(request),
        Compression::Gzip => gzip,
        Compression::Zstd => zstd,
    };
    if request.len() <= INLINE_BYTES_MAX {
        return compress(&request);
    }
    tokio::task::spawn_blocking(move || compress(&request)).await.map_err(io::Error::other)?
}

/// What an HTTP header says of it.
pub(super) fn content_encoding(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
    }
}

fn gzip(request: &Bytes) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(request.len() / 4), GZIP_LEVEL);
    encoder.write_all(request)?;
    encoder.finish().map(Bytes::from)
}

/// At the level that the library of gRPC has, too.
fn zstd(request: &Bytes) -> io::Result<Bytes> {
    zstd::bulk::compress(request, zstd::DEFAULT_COMPRESSION_LEVEL).map(Bytes::from)
}
