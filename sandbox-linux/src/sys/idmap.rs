//! User namespaces for mounts that show one owner's files as another's.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::clone::{CLONE_CLEAR_SIGHAND, CloneArgs, clone, error};
use super::signals::{block_signals, restore_signals};
use super::{call, reap};

/// Of a child that makes three kinds of calls.
const STACK: usize = 16 << 10;

/// Makes a user namespace with these maps. Only a caller with the right to map others can.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn user_namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    let mut stack = vec![0u64; STACK / 8];
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_NEWUSER;
    let args = CloneArgs {
        flags: flags as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    let signals = block_signals();
    // SAFETY: the child only sleeps, on its own stack, which is kept until it is reaped.
    let pid = unsafe { clone(&args, sleep, u64::from(std::process::id())) };
    restore_signals(&signals);
    if pid < 0 {
        return Err(error(pid));
    }
    // SAFETY: the kernel stored a new descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let write = |name: &str, text: &str| std::fs::write(format!("/proc/{pid}/{name}"), text);
    let namespace = write("uid_map", users)
        .and_then(|()| write("gid_map", groups))
        .and_then(|()| std::fs::File::open(format!("/proc/{pid}/ns/user")));
    // SAFETY: ends our own child, named by its descriptor.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, 0, 0) };
    reap(&pidfd);
    drop(stack);
    Ok(namespace?.into())
}

/// Sleeps until this process ends it, or ends: a process that is killed here takes it along.
extern "C" fn sleep(parent: u64) -> ! {
    let end = [libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64, 0, 0, 0, 0];
    call(libc::SYS_prctl, end);
    // A parent that ended before it was asked sends nothing.
    while call(libc::SYS_getppid, [0; 6]) == parent as i64 {
        // Without descriptors and without an end.
        call(libc::SYS_ppoll, [0; 6]);
    }
    loop {
        call(libc::SYS_exit, [0; 6]);
    }
}

/// Whether the file system behind a path can be mounted with mapped owners; changes nothing.
///
/// # Errors
/// What the kernel answers: EINVAL means that the file system cannot.
pub(crate) fn try_idmap(path: &std::path::Path, namespace: RawFd) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    const CLONE: libc::c_int = 1 | 0x8000 | libc::O_CLOEXEC;
    const IDMAP: u64 = 0x0010_0000;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a new mount that is attached nowhere and gone when its descriptor is closed.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), CLONE) };
    if tree < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let tree = unsafe { OwnedFd::from_raw_fd(tree as RawFd) };
    let attributes = [IDMAP, 0, 0, namespace as u64];
    let flags = libc::AT_EMPTY_PATH | 0x8000;
    // SAFETY: changes the detached mount alone.
    let set = unsafe {
        let attributes = (&raw const attributes, 32);
        let empty = c"".as_ptr();
        let tree = tree.as_raw_fd();
        libc::syscall(libc::SYS_mount_setattr, tree, empty, flags, attributes.0, attributes.1)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
