//! User namespaces for mounts that show one owner's files as another's.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::clone::{CLONE_CLEAR_SIGHAND, CloneArgs, error};
use super::reap;
use super::signals::{block_signals, restore_signals};

/// Makes a user namespace with these maps. Only a caller with the right to map others can.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn user_namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    let mut stack = vec![0u64; 512];
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_NEWUSER;
    let args = CloneArgs {
        flags: flags as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: 4096,
        ..CloneArgs::default()
    };
    let signals = block_signals();
    // SAFETY: the child only sleeps, on its own stack, which is kept until it is reaped.
    let pid = unsafe { clone3_sleeper(&args) };
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

/// # Safety
/// The stack outlives the child.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_sleeper(args: &CloneArgs) -> i64 {
    let result: i64;
    // SAFETY: the child only ever calls `pause`.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "3:",
            "mov eax, {pause}",
            "syscall",
            "jmp 3b",
            "2:",
            pause = const libc::SYS_pause,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args, in("rsi") size_of::<CloneArgs>(),
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// # Safety
/// The stack outlives the child.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_sleeper(args: &CloneArgs) -> i64 {
    let result: i64;
    // SAFETY: the child only ever sleeps in `ppoll` without descriptors and without an end.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "3:",
            "mov x0, #0", "mov x1, #0", "mov x2, #0", "mov x3, #0", "mov x4, #0",
            "mov x8, {ppoll}",
            "svc 0",
            "b 3b",
            "2:",
            ppoll = const libc::SYS_ppoll,
            in("x8") libc::SYS_clone3,
            inlateout("x0") args as *const CloneArgs as u64 => result,
            in("x1") size_of::<CloneArgs>(),
        );
    }
    result
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
