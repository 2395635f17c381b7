//! Copies of bytes of files that leave holes as holes: a journal of 64 MiB that holds two records is quickly copied.

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// How much is copied at once, and the size from which it pays to look for holes.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Makes the length and the content of one file those of another.
pub fn copy(from: &File, to: &File) -> io::Result<()> {
    to.set_len(0)?;
    let length = from.metadata()?.len();
    copy_range(from, to, 0..length)?;
    to.set_len(length)
}

/// Copies a range of bytes to the same place, as far as there are any. Neither file's position is that of another user.
pub fn copy_range(from: &File, to: &File, range: Range<u64>) -> io::Result<()> {
    if range.end - range.start < CHUNK_BYTES {
        return copy_bytes(from, to, range);
    }
    let mut position = range.start;
    while position < range.end {
        let data = match seek(from, SeekFrom::Data(position)) {
            Ok(data) => data.min(range.end),
            Err(Errno::NXIO) => range.end,
            Err(error) => return Err(error.into()),
        };
        clear(to, position..data)?;
        if data == range.end {
            break;
        }
        let hole = match seek(from, SeekFrom::Hole(data)) {
            Ok(hole) => hole.min(range.end),
            // It was made shorter in the meantime.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        copy_bytes(from, to, data..hole)?;
        position = hole;
    }
    Ok(())
}

fn copy_bytes(from: &File, to: &File, mut range: Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from((range.end - range.start).min(CHUNK_BYTES)).unwrap_or_default()];
    while range.start < range.end {
        let wanted = usize::try_from(range.end - range.start).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(part) = buffer.get_mut(..wanted) else { break };
        let got = from.read_at(part, range.start)?;
        let Some(part) = part.get(..got).filter(|part| !part.is_empty()) else { break };
        to.write_all_at(part, range.start)?;
        range.start += got as u64;
    }
    Ok(())
}

/// Makes bytes zero without making the file longer.
fn clear(file: &File, range: Range<u64>) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, flags, range.start, range.end - range.start)?)
}
