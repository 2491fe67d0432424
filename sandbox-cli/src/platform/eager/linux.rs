//! A write that never waits, without `O_NONBLOCK`: the flag belongs to this one call.

use std::io::{IoSlice, stderr, stdout};
use std::os::fd::AsFd;

use rustix::io::{ReadWriteFlags, pwritev2};

use crate::streams::Stream;

/// Stands for the current position, which is the only one that a pipe has.
const HERE: u64 = u64::MAX;

/// Writes what can be written at once, and tells how much that was. Zero also where the kernel or
/// the file cannot do this (pipes before Linux 6.4, terminals) and where the write fails: the
/// write that waits meets the same error and reports it.
pub(crate) fn write_now(stream: Stream, bytes: &[u8]) -> usize {
    let (stdout, stderr) = (stdout(), stderr());
    let fd = match stream {
        Stream::Stdout => stdout.as_fd(),
        Stream::Stderr => stderr.as_fd(),
    };
    pwritev2(fd, &[IoSlice::new(bytes)], HERE, ReadWriteFlags::NOWAIT).unwrap_or_default()
}
