//! A file's content and attributes, copied.
//!
//! Where the file system can share blocks, they are shared. Otherwise the kernel copies, and where
//! it cannot, we do. Holes stay holes: a payload can make a file of any size that takes up nothing.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    SeekFrom, XattrFlags, copy_file_range, fgetxattr, fgetxattr_query, flistxattr,
    flistxattr_query, fsetxattr, ftruncate, ioctl_ficlone, seek,
};
use rustix::io::{Errno, pread, pwrite};

use crate::layers::entry::Entry;
use crate::layers::marks;

const CHUNK: usize = 128 << 10;

/// Copies what a file holds to a new one.
///
/// # Errors
/// What the kernel answers.
pub(super) fn content(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    if ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let size = Entry::opened(from)?.size;
    let mut done = 0;
    while done < size {
        let start = match seek(from, SeekFrom::Data(done)) {
            // There is nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            found => found.unwrap_or(done),
        };
        let end = seek(from, SeekFrom::Hole(start)).map_or(size, |end| end.clamp(start, size));
        done = range(from, to, start, end)?;
        if done < end {
            break;
        }
    }
    Ok(ftruncate(to, size)?)
}

/// Copies the bytes between two places; returns how far it came before the file ended.
fn range(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> io::Result<u64> {
    let (mut read, mut written) = (start, start);
    while read < end {
        let length = usize::try_from(end - read).unwrap_or(usize::MAX).min(1 << 30);
        match copy_file_range(from, Some(&mut read), to, Some(&mut written), length) {
            Ok(0) | Err(_) => return by_hand(from, to, read, end),
            Ok(_) => {}
        }
    }
    Ok(read)
}

/// The same, where the kernel does not do it, or to learn why.
fn by_hand(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut done = start;
    while done < end {
        let length = usize::try_from(end - done).map_or(CHUNK, |rest| rest.min(CHUNK));
        let length = match pread(from, &mut buffer[..length], done)? {
            0 => break,
            length => length,
        };
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written = pwrite(to, rest, done)?;
            rest = &rest[written..];
            done += written as u64;
        }
    }
    Ok(done)
}

/// Copies the attributes that belong to users.
///
/// # Errors
/// What the kernel answers, unless the other file system has no attributes.
pub(super) fn attributes(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let mut names = vec![0; flistxattr_query(from).unwrap_or(0)];
    if names.is_empty() {
        return Ok(());
    }
    let length = flistxattr(from, &mut names[..])?;
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if !is_copied(name.to_bytes()) {
            continue;
        }
        let mut value = vec![0; fgetxattr_query(from, name)?];
        let length = if value.is_empty() { 0 } else { fgetxattr(from, name, &mut value[..])? };
        match fsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return Ok(()),
            set => set?,
        }
    }
    Ok(())
}

fn is_copied(name: &[u8]) -> bool {
    name.starts_with(b"user.") && !name.starts_with(marks::PREFIX)
}
