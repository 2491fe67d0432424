//! Calls of a payload that this process answers, by the listener of a filter (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    id: u64,
    /// What the registers held. What lies behind a pointer may change; a number does not.
    pub(crate) arguments: [u64; 6],
}

/// Takes the next call. Blocks until there is one; where the listener is readable, there is.
///
/// # Errors
/// ENOENT when the caller is gone, and what else the kernel answers.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> io::Result<Asked> {
    // SAFETY: plain numbers, which the kernel wants to be zero; it fills in what the structure holds.
    let asked = unsafe {
        let mut asked: libc::seccomp_notif = std::mem::zeroed();
        control(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked)?;
        asked
    };
    Ok(Asked { id: asked.id, arguments: asked.data.args })
}

/// Answers a call with a descriptor, which the caller gets as the lowest that it has free.
///
/// # Errors
/// ENOENT when the caller is gone, EMFILE when it has no room; the call still waits then.
pub(crate) fn give(
    listener: BorrowedFd<'_>,
    asked: Asked,
    descriptor: BorrowedFd<'_>,
    flags: u32,
) -> io::Result<()> {
    const ADDFD_FLAG_SEND: u32 = 1 << 1;
    let mut answer = libc::seccomp_notif_addfd {
        id: asked.id,
        flags: ADDFD_FLAG_SEND,
        srcfd: descriptor.as_raw_fd().unsigned_abs(),
        newfd: 0,
        newfd_flags: flags,
    };
    // SAFETY: reads a value of this stack.
    unsafe { control(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut answer) }
}

/// Answers a call with an error.
///
/// # Errors
/// ENOENT when the caller is gone.
pub(crate) fn refuse(listener: BorrowedFd<'_>, asked: Asked, error: i32) -> io::Result<()> {
    let mut answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error: -error, flags: 0 };
    // SAFETY: reads a value of this stack.
    unsafe { control(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) }
}

/// # Safety
/// `argument` is what the request takes.
unsafe fn control<T>(
    listener: BorrowedFd<'_>,
    request: libc::Ioctl,
    argument: *mut T,
) -> io::Result<()> {
    // SAFETY: the caller's promise.
    match unsafe { libc::ioctl(listener.as_raw_fd(), request, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
