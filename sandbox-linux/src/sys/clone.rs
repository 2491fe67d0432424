//! The clone: a child that becomes the helper.
//!
//! It is made with `CLONE_VM`: it borrows this process's memory, on a stack of its own, until it has
//! executed the helper. So the cost does not depend on the size of the process, and no lock or
//! allocator is ever copied in a wrong state. In return the child must not touch anything but its
//! own stack and what it was handed: it makes raw system calls, allocates nothing, and reports by a
//! value beside its stack. All of that is a [`Loan`], which nobody takes back before the kernel says
//! (`CLONE_CHILD_CLEARTID`) that the child lives elsewhere or not at all. Until then this process
//! goes on with other work, where `CLONE_VFORK` would have it wait.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags};

use super::call;
use super::child::become_helper;
use super::signals::{block_signals, restore_signals};

/// What the child does before it becomes the helper.
pub(crate) struct Child {
    /// Flags for `clone3` beside the ones that every child gets.
    pub(crate) flags: u64,
    /// Files that move the process that writes `0` to them: the groups of cgroup v1.
    pub(crate) tasks: Vec<RawFd>,
    /// Files of `/proc/self` and what is written to them: the maps of the user namespace.
    pub(crate) maps: Vec<(&'static CStr, String)>,
    /// Capabilities that the helper keeps through its exec.
    pub(crate) keep: &'static [u32],
    /// The control socket's inner end, which is all that it inherits. Not a low number. The child
    /// has a copy of it from its birth on.
    pub(crate) control: RawFd,
    /// The helper.
    pub(crate) helper: BorrowedFd<'static>,
}

/// A child that becomes the helper.
#[derive(Debug)]
pub(crate) struct Cloned {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) loan: Loan,
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

/// What the child borrows. Dropping it waits until it is given back.
pub(crate) struct Loan(NonNull<Lent>);

// SAFETY: it owns what it points to, and only looks at it once the child is gone from there.
unsafe impl Send for Loan {}
// SAFETY: as above; a shared one does nothing.
unsafe impl Sync for Loan {}

#[repr(C)]
struct Lent {
    /// Not initialised: nobody reads it before the child has written it.
    stack: MaybeUninit<[u128; STACK / 16]>,
    child: Child,
    /// The step that failed, and its error.
    failed: (usize, i32),
    /// Not zero, until the kernel sees the child go.
    borrowed: AtomicU32,
}

const NO_STEP: usize = usize::MAX;

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").finish_non_exhaustive()
    }
}

impl Loan {
    fn new(child: Child) -> Self {
        let mut lent = Box::<Lent>::new_uninit();
        let at = lent.as_mut_ptr();
        // SAFETY: each field but the stack, which needs no value, gets its first one.
        unsafe {
            (&raw mut (*at).child).write(child);
            (&raw mut (*at).failed).write((NO_STEP, 0));
            (&raw mut (*at).borrowed).write(AtomicU32::new(0));
            Self(NonNull::from(Box::leak(lent.assume_init())))
        }
    }

    fn borrowed(&self) -> &AtomicU32 {
        // SAFETY: it lives as long as this, and is only changed as an atomic is.
        unsafe { &(*self.0.as_ptr()).borrowed }
    }

    /// Waits until the child is gone, to the helper or for good.
    fn wait(&self) {
        while self.borrowed().load(Ordering::Acquire) != 0 {
            // A word that lives. The kernel wakes as if it were shared between processes.
            let (word, wait) = (self.borrowed().as_ptr() as u64, libc::FUTEX_WAIT as u64);
            call(libc::SYS_futex, [word, wait, 1, 0, 0, 0]);
        }
    }

    /// Waits until the child is the helper.
    ///
    /// # Errors
    /// The step of [`CHILD_STEPS`] and the error number; the child is gone then.
    pub(crate) fn settle(self) -> Result<(), (usize, io::Error)> {
        self.wait();
        // SAFETY: the child, which wrote it, is gone.
        match unsafe { (*self.0.as_ptr()).failed } {
            (NO_STEP, _) => Ok(()),
            (step, errno) => Err((step, io::Error::from_raw_os_error(errno))),
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.wait();
        // SAFETY: made by a box, and the child is gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
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

/// Makes the child, in a directory of the cgroup v2 tree if one is given.
///
/// # Errors
/// The step of [`CHILD_STEPS`], which is the first here, and the error number.
pub(crate) fn clone_helper(
    child: Child,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Cloned, (usize, io::Error)> {
    let Some(cgroup) = cgroup else { return make(Loan::new(child), None).map_err(|it| it.1) };
    match make(Loan::new(child), Some(cgroup)) {
        Err((loan, (0, error))) if error.raw_os_error() == Some(libc::ENOSYS) => {
            // `clone` starts nothing in a group, so the child moves itself, as with version 1.
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let own = rustix::fs::openat(cgroup, "cgroup.procs", flags, Mode::empty());
            let own = own.map_err(|error| (1, error.into()))?;
            // SAFETY: nobody has borrowed it.
            unsafe { (*loan.0.as_ptr()).child.tasks.push(own.as_raw_fd()) };
            make(loan, None).map_err(|it| it.1)
        }
        made => made.map_err(|it| it.1),
    }
}

fn make(loan: Loan, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, (Loan, (usize, io::Error))> {
    let mut pidfd: RawFd = -1;
    let lent = loan.0.as_ptr();
    // SAFETY: nobody has borrowed it.
    let flags = unsafe { (*lent).child.flags };
    let ours = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_CHILD_CLEARTID;
    let mut args = CloneArgs {
        flags: ours as u64 | CLONE_CLEAR_SIGHAND | flags,
        pidfd: &raw mut pidfd as u64,
        child_tid: loan.borrowed().as_ptr() as u64,
        // SAFETY: an address alone.
        stack: unsafe { &raw mut (*lent).stack } as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    loan.borrowed().store(1, Ordering::Release);
    let signals = block_signals();
    // SAFETY: `child_main` obeys the rules of the module's documentation; what it borrows lives
    // until it is gone.
    let pid = unsafe { clone(&args, child_main, lent as u64) };
    restore_signals(&signals);
    if pid < 0 {
        loan.borrowed().store(0, Ordering::Release);
        return Err((loan, (0, error(pid))));
    }
    // SAFETY: the kernel stored a new descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned { pid: pid as u32, pidfd, loan })
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
    let new = [&raw const *args as u64, size_of::<CloneArgs>() as u64, 0, 0];
    // SAFETY: the caller vouches for what the child does.
    let made = unsafe { start(libc::SYS_clone3, new, main, argument) };
    if made != -i64::from(libc::ENOSYS) || args.flags & CLONE_INTO_CGROUP != 0 {
        return made;
    }
    // Handlers need not be cleared: signals are blocked up to the exec, which clears them.
    let flags = args.flags & !CLONE_CLEAR_SIGHAND;
    let old = [flags, args.stack + args.stack_size, args.pidfd, args.child_tid];
    // SAFETY: as above.
    unsafe { start(libc::SYS_clone, old, main, argument) }
}

/// # Safety
/// As [`clone`].
#[cfg(target_arch = "x86_64")]
unsafe fn start(
    number: libc::c_long,
    arguments: [u64; 4],
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
            in("rdi") arguments[0], in("rsi") arguments[1], in("rdx") arguments[2],
            in("r10") arguments[3],
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
    arguments: [u64; 4],
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
            in("x1") arguments[1], in("x2") arguments[2], in("x3") 0, in("x4") arguments[3],
            in("x9") argument, in("x10") main,
            lateout("x30") _,
        );
    }
    result
}

/// The child. A numbered list; nothing in it allocates, locks or unwinds.
extern "C" fn child_main(lent: u64) -> ! {
    let lent = lent as *mut Lent;
    // SAFETY: lent to this process, with which nobody shares these two fields meanwhile.
    unsafe { (&raw mut (*lent).failed).write(become_helper(&(*lent).child)) };
    loop {
        call(libc::SYS_exit, [127, 0, 0, 0, 0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// A child that runs a file, after it has written to some others.
    fn child(program: BorrowedFd<'static>, tasks: Vec<RawFd>) -> Child {
        let control = program.as_raw_fd();
        Child { flags: 0, tasks, maps: Vec::new(), keep: &[], control, helper: program }
    }

    fn leaked(path: &str) -> BorrowedFd<'static> {
        let file: &'static std::fs::File = Box::leak(Box::new(std::fs::File::open(path).unwrap()));
        file.as_fd()
    }

    #[test]
    fn what_fails_between_the_clone_and_the_exec_is_told() {
        let program = leaked("/bin/true");
        for (child, told) in [
            (child(program, vec![-1]), (1, libc::EBADF)),
            (child(leaked("/proc/self/status"), Vec::new()), (5, libc::EACCES)),
        ] {
            let Cloned { pidfd, loan, .. } = clone_helper(child, None).unwrap();
            let (step, error) = loan.settle().unwrap_err();
            crate::sys::reap(&pidfd);
            assert_eq!((step, error.raw_os_error()), (told.0, Some(told.1)));
        }
        let Cloned { pidfd, loan, .. } = clone_helper(child(program, Vec::new()), None).unwrap();
        loan.settle().unwrap();
        crate::sys::reap(&pidfd);
    }

    #[test]
    fn nobody_takes_back_what_is_lent() {
        let (end, other) = std::io::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&other, 4096).unwrap();
        rustix::io::write(&other, &[0; 4096]).unwrap();
        // The child waits until there is room in the pipe.
        let child = child(leaked("/bin/true"), vec![other.as_raw_fd()]);
        let Cloned { pidfd, loan, .. } = clone_helper(child, None).unwrap();
        let waiting = std::thread::spawn(move || drop(loan));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        rustix::io::read(&end, &mut [0; 4096]).unwrap();
        waiting.join().unwrap();
        crate::sys::reap(&pidfd);
    }
}
