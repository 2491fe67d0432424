//! The three standard descriptors, read and written as they are: no buffer, no change of mode.
//!
//! Their descriptions are shared with the caller and its other children, so `O_NONBLOCK` is never
//! set on them. Where somebody else has set it, reads and writes wait here.

use std::io::{self, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use crate::streams::Stream;

/// How often a job in the background looks whether it came to the foreground.
const FOREGROUND_CHECK: Duration = Duration::from_millis(200);

/// Whether standard input holds nothing: it is `/dev/null`, or was closed.
pub(crate) fn stdin_is_empty() -> bool {
    let null = |found: rustix::fs::Stat| {
        FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
            && rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == found.st_rdev)
    };
    fstat(stdin()).map_or(true, null)
}

/// Reads from standard input; 0 is the end. Only for a thread of its own.
pub(crate) fn read(buffer: &mut [u8]) -> io::Result<usize> {
    let stdin = stdin();
    loop {
        wait_for_turn(stdin.as_fd())?;
        match rustix::io::read(&stdin, &mut *buffer) {
            Err(Errno::AGAIN) => wait(stdin.as_fd(), PollFlags::IN)?,
            Err(Errno::INTR) => {}
            answer => return Ok(answer?),
        }
    }
}

/// Writes all of `bytes`. Only for a thread of its own.
pub(crate) fn write_all(stream: Stream, mut bytes: &[u8]) -> io::Result<()> {
    let (stdout, stderr) = (stdout(), stderr());
    let fd = match stream {
        Stream::Stdout => stdout.as_fd(),
        Stream::Stderr => stderr.as_fd(),
    };
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::AGAIN) => wait(fd, PollFlags::OUT)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A job in the background that reads its terminal is stopped, although the command may never ask
/// for input. So a terminal is read only when there is input and this job is in the foreground.
fn wait_for_turn(fd: BorrowedFd<'_>) -> io::Result<()> {
    if !rustix::termios::isatty(fd) {
        return Ok(());
    }
    loop {
        wait(fd, PollFlags::IN)?;
        // Not our controlling terminal: nobody stops us for reading it.
        if tcgetpgrp(fd).map_or(true, |foreground| foreground == getpgrp()) {
            return Ok(());
        }
        std::thread::sleep(FOREGROUND_CHECK);
    }
}

fn wait(fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
