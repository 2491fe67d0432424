//! The clone: a child that becomes the helper.
//!
//! It is made with `CLONE_VM | CLONE_VFORK`: it borrows this process's memory, on a stack of its
//! own, while the calling thread waits until it has executed the helper. So the cost does not
//! depend on the size of the process, and no lock or allocator is ever copied in a wrong state. In
//! return the child must not touch anything but its own stack and what it was handed: it makes raw
//! system calls, allocates nothing, and reports by a value on the caller's stack.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};

use super::child::become_helper;
use super::signals::{block_signals, restore_signals};
use super::{call, reap};

/// What the child does before it becomes the helper.
pub(crate) struct Child<'a> {
    /// Flags for `clone3` beside the ones that every child gets.
    pub(crate) flags: u64,
    /// A directory of the cgroup v2 tree to start in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Files that move the process that writes `0` to them: the groups of cgroup v1.
    pub(crate) tasks: &'a [RawFd],
    /// Files of `/proc/self` and what is written to them: the maps of the user namespace.
    pub(crate) maps: &'a [(&'a CStr, &'a [u8])],
    /// Capabilities that the helper keeps through its exec.
    pub(crate) keep: &'a [u32],
    /// The control socket's inner end, which is all that it inherits. Not a low number.
    pub(crate) control: BorrowedFd<'a>,
    /// The helper.
    pub(crate) helper: BorrowedFd<'a>,
}

/// A child that became the helper.
pub(crate) struct Cloned {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
}

/// The steps of the child, for messages.
pub(crate) const CHILD_STEPS: [&str; 6] = [
    "clone into new namespaces",
    "enter the cgroup",
    "map the user",
    "keep capabilities for the set-up",
    "pass the control socket",
    "execute the helper",
];

/// What the child shares with its parent.
struct Shared<'a> {
    child: &'a Child<'a>,
    failed: Option<(usize, i32)>,
}

#[repr(C)]
#[derive(Default)]
pub(super) struct CloneArgs {
    pub(super) flags: u64,
    pub(super) pidfd: u64,
    pub(super) child_tid: u64,
    pub(super) parent_tid: u64,
    pub(super) exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    pub(super) tls: u64,
    pub(super) set_tid: u64,
    pub(super) set_tid_size: u64,
    pub(super) cgroup: u64,
}

pub(super) const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK: usize = 64 << 10;

/// Makes the child and waits until it is the helper.
///
/// # Errors
/// The step of [`CHILD_STEPS`] and the error number.
pub(crate) fn clone_helper(child: &Child<'_>) -> Result<Cloned, (usize, io::Error)> {
    let made = make(child);
    let (Some(cgroup), Err((0, error))) = (child.cgroup, &made) else { return made };
    if error.raw_os_error() != Some(libc::ENOSYS) {
        return made;
    }
    // `clone` starts nothing in a group, so the child moves itself, as with version 1.
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(cgroup, "cgroup.procs", flags, Mode::empty());
    let own = own.map_err(|error| (1, error.into()))?;
    let tasks: Vec<RawFd> = child.tasks.iter().copied().chain([own.as_raw_fd()]).collect();
    make(&Child { cgroup: None, tasks: &tasks, ..*child })
}

fn make(child: &Child<'_>) -> Result<Cloned, (usize, io::Error)> {
    let mut pidfd: RawFd = -1;
    // Not initialised: nobody reads it before the child has written it.
    let mut stack = Vec::<u128>::with_capacity(STACK / 16);
    let mut shared = Shared { child, failed: None };
    let vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
    let mut args = CloneArgs {
        flags: vfork as u64 | CLONE_CLEAR_SIGHAND | child.flags,
        pidfd: &raw mut pidfd as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = child.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let signals = block_signals();
    // SAFETY: `child_main` obeys the rules of the module's documentation; `args`, `stack` and
    // `shared` live until the call returns, which is after the child's exec or exit.
    let pid = unsafe { clone(&args, child_main, &raw mut shared as u64) };
    restore_signals(&signals);
    drop(stack);
    if pid < 0 {
        return Err((0, error(pid)));
    }
    // SAFETY: the kernel stored a new descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    if let Some((step, errno)) = shared.failed {
        reap(&pidfd);
        return Err((step, io::Error::from_raw_os_error(errno)));
    }
    Ok(Cloned { pid: pid as u32, pidfd })
}

/// Whether a child can be started in a group of version 2: asked with a descriptor that there cannot
/// be, so that nothing is started.
pub(crate) fn clones_into_groups() -> bool {
    let args = CloneArgs {
        flags: CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: i32::MAX as u64,
        ..CloneArgs::default()
    };
    let arguments = [&raw const args as u64, size_of::<CloneArgs>() as u64, 0, 0, 0, 0];
    call(libc::SYS_clone3, arguments) == -i64::from(libc::EBADF)
}

pub(super) fn error(result: i64) -> io::Error {
    io::Error::from_raw_os_error(-result as i32)
}

/// Makes a child by `clone3`, or by `clone` where a filter knows no `clone3`; what `clone` cannot
/// do is an error then.
///
/// # Safety
/// `main` obeys the rules of the module's documentation; what `argument` stands for and the stack
/// are valid until the child's exec or exit.
pub(super) unsafe fn clone(args: &CloneArgs, main: extern "C" fn(u64) -> !, argument: u64) -> i64 {
    let new = [&raw const *args as u64, size_of::<CloneArgs>() as u64, 0];
    // SAFETY: the caller vouches for what the child does.
    let made = unsafe { start(libc::SYS_clone3, new, main, argument) };
    if made != -i64::from(libc::ENOSYS) || args.flags & CLONE_INTO_CGROUP != 0 {
        return made;
    }
    // Handlers need not be cleared: signals are blocked up to the exec, which clears them.
    let flags = args.flags & !CLONE_CLEAR_SIGHAND;
    let old = [flags, args.stack + args.stack_size, args.pidfd];
    // SAFETY: as above.
    unsafe { start(libc::SYS_clone, old, main, argument) }
}

/// # Safety
/// As [`clone`].
#[cfg(target_arch = "x86_64")]
unsafe fn start(
    number: libc::c_long,
    arguments: [u64; 3],
    main: extern "C" fn(u64) -> !,
    argument: u64,
) -> i64 {
    let result: i64;
    // SAFETY: the child starts behind the system call with its own stack, and never comes back.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") number => result,
            in("rdi") arguments[0], in("rsi") arguments[1], in("rdx") arguments[2], in("r10") 0,
            in("r8") argument, in("r9") main,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// # Safety
/// As [`clone`].
#[cfg(target_arch = "aarch64")]
unsafe fn start(
    number: libc::c_long,
    arguments: [u64; 3],
    main: extern "C" fn(u64) -> !,
    argument: u64,
) -> i64 {
    let result: i64;
    // SAFETY: the child starts behind the system call with its own stack, and never comes back.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, #0",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1], in("x2") arguments[2], in("x3") 0, in("x4") 0,
            in("x9") argument, in("x10") main,
            lateout("x30") _,
        );
    }
    result
}

/// The child. A numbered list; nothing in it allocates, locks or unwinds.
extern "C" fn child_main(shared: u64) -> ! {
    // SAFETY: the parent waits and keeps it valid.
    let shared = unsafe { &mut *(shared as *mut Shared<'_>) };
    let (step, errno) = become_helper(shared.child);
    shared.failed = Some((step, errno));
    loop {
        call(libc::SYS_exit, [127, 0, 0, 0, 0, 0]);
    }
}
