//! Everything unsafe of the host's side: bytes of plain structures, the clone, raw calls.

mod child;
mod clone;
mod domain;
mod idmap;
mod plain;
mod signals;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::raw;

pub(crate) use clone::{CHILD_STEPS, Child, Cloned, Loan, clone_helper, clones_into_groups};
pub(crate) use domain::{Domain, before_exec};
pub(crate) use idmap::{try_idmap, user_namespace};
pub(crate) use plain::{
    bytes_of_call, bytes_of_header, bytes_of_request, failure_of, report_of, sockets_of,
};
pub(crate) use signals::ignores_broken_pipes;

/// A system call of the child, which must not touch the C library's `errno`.
fn call(number: libc::c_long, arguments: [u64; 6]) -> i64 {
    // SAFETY: the child's calls act on its own descriptors and credentials alone, and their
    // pointers are to constants, to its stack, or to what the waiting parent keeps.
    unsafe { raw::syscall(number as u32, arguments) }
}

/// Waits for the process behind a descriptor and takes its zombie away.
pub(crate) fn reap(pidfd: &OwnedFd) {
    while wait(pidfd, 0).is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
}

/// Takes the zombie of the process behind a descriptor away, if it has ended; whether it is gone.
pub(crate) fn is_reaped(pidfd: &OwnedFd) -> bool {
    // One that is no child any more was taken away by somebody else.
    wait(pidfd, libc::WNOHANG).unwrap_or(true)
}

/// Whether the process had ended, and is taken away.
fn wait(pidfd: &OwnedFd, flags: libc::c_int) -> io::Result<bool> {
    const WALL: libc::c_int = 0x4000_0000;
    let flags = flags | libc::WEXITED | WALL;
    // SAFETY: a plain structure, filled by the call.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = pidfd.as_raw_fd() as libc::id_t;
        match libc::waitid(libc::P_PIDFD, id, &raw mut info, flags) {
            0 => Ok(info.si_pid() != 0),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Asks the kernel for its Landlock ABI; 0 means none.
pub(crate) fn landlock_abi() -> u32 {
    // SAFETY: asks for a version, touches nothing.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    u32::try_from(abi).unwrap_or(0)
}

/// An executable, sealed memory file.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn sealed_file(name: &CStr, content: &[u8], executable: bool) -> io::Result<OwnedFd> {
    const MFD_NOEXEC_SEAL: u32 = 8;
    const MFD_EXEC: u32 = 16;
    let base = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let wanted = base | if executable { MFD_EXEC } else { MFD_NOEXEC_SEAL };
    // SAFETY: a new descriptor; kernels before 6.3 do not know the second flag.
    let made = unsafe {
        match libc::memfd_create(name.as_ptr(), wanted) {
            -1 => libc::memfd_create(name.as_ptr(), base),
            made => made,
        }
    };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let file = unsafe { OwnedFd::from_raw_fd(made) };
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = &rest[written..];
    }
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK;
    // SAFETY: seals a file of ours.
    if unsafe { libc::fcntl(made, libc::F_ADD_SEALS, seals) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// Sends a signal to the process behind a descriptor.
///
/// # Errors
/// What the kernel answers; ESRCH when it has ended.
pub(crate) fn signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor names a child of ours, whatever its number was given to since.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Watches a descriptor for readiness on the current runtime.
///
/// # Errors
/// The runtime's refusal.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the result, so it stays open as long as it is watched.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(descriptor) }?)
}
