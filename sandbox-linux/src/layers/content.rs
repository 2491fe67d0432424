//! Whether two files hold the same.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, read};

/// Two of these fit into a processor's nearer cache.
const CHUNK: usize = 64 << 10;

/// Compares so many bytes of two files from where they stand, chunk by chunk, to the first
/// difference.
///
/// # Errors
/// What the kernel answers.
pub(super) fn same(one: &OwnedFd, other: &OwnedFd, size: u64) -> io::Result<bool> {
    if size > CHUNK as u64 {
        // Advice only: without it the files are read as well.
        let _ = fadvise(one, 0, None, Advice::Sequential);
        let _ = fadvise(other, 0, None, Advice::Sequential);
    }
    let chunk = |left: u64| usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
    let (mut first, mut second) = (vec![0; chunk(size)], vec![0; chunk(size)]);
    let mut left = size;
    while left > 0 {
        let length = chunk(left);
        let ends = fill(one, &mut first[..length])? < length;
        if fill(other, &mut second[..length])? < length || ends {
            // One of them has become shorter.
            return Ok(false);
        }
        if first[..length] != second[..length] {
            return Ok(false);
        }
        left -= length as u64;
    }
    Ok(true)
}

/// Reads until a buffer is full or the file ends.
fn fill(file: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(file, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}
