//! The suite's only unsafe code: what neither the standard library nor rustix offers, or offers
//! as unsafe. Probes use it inside of a sandbox, the suite outside.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Lets a descriptor be inherited by every child.
pub(super) fn keep_across_exec(file: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: the descriptor is open, and F_SETFD touches no memory.
    outcome(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) }.into()).map(drop)
}

/// Sets a variable of this process.
pub(super) fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: called while the stage is set, when this process has a single thread.
    unsafe { std::env::set_var(name, value) }
}

/// The numbers of the open descriptors, found by asking, not by reading a listing that may lie.
pub(super) fn open_descriptors() -> Vec<RawFd> {
    // SAFETY: F_GETFD touches no memory, and a closed number is answered with an error.
    (0..4096).filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0).collect()
}

/// Ignores the signals that ask politely.
pub(super) fn ignore_polite_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGXCPU] {
        // SAFETY: SIG_IGN runs no code of this process.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

static RESIZED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_resize(_: libc::c_int) {
    RESIZED.store(true, Ordering::Relaxed);
}

/// Notes changes of the terminal's size.
pub(super) fn watch_resize() {
    let handler: extern "C" fn(libc::c_int) = note_resize;
    // SAFETY: the handler only stores to an atomic.
    unsafe { libc::signal(libc::SIGWINCH, handler as libc::sighandler_t) };
}

/// Whether the terminal's size has changed.
pub(super) fn resized() -> bool {
    RESIZED.load(Ordering::Relaxed)
}

/// The number of this process's session; 0 when its leader is outside of the process namespace,
/// which rustix's own type for it has no value for.
pub(super) fn session() -> i32 {
    // SAFETY: getsid touches no memory.
    unsafe { libc::getsid(0) }
}

/// Puts a character into the input of the terminal on standard input, as if it had been typed.
pub(super) fn type_into_terminal() -> io::Result<()> {
    let character = b'x';
    // SAFETY: TIOCSTI reads one byte through the pointer, which outlives the call.
    outcome(unsafe { libc::ioctl(0, libc::TIOCSTI, &raw const character) }.into()).map(drop)
}

/// A system call with arguments that can never take effect. What comes back tells whether it
/// reached the kernel: a filter answers "not permitted" or "no such call", the kernel finds fault
/// with the arguments.
pub(super) fn harmless_call(name: &str) -> io::Result<()> {
    const WRONG: i64 = -1;
    let (number, arguments): (i64, [i64; 5]) = match name {
        "add_key" => (libc::SYS_add_key, [0, 0, 0, 0, 0]),
        "bpf" => (libc::SYS_bpf, [WRONG, 0, 0, 0, 0]),
        "clone_newuser" => return new_user_namespace_by_clone(),
        "delete_module" => (libc::SYS_delete_module, [0, 0, 0, 0, 0]),
        "finit_module" => (libc::SYS_finit_module, [WRONG, 0, 0, 0, 0]),
        "fsopen" => (libc::SYS_fsopen, [0, WRONG, 0, 0, 0]),
        "init_module" => (libc::SYS_init_module, [0, 0, 0, 0, 0]),
        "io_uring_enter" => (libc::SYS_io_uring_enter, [WRONG, 0, 0, 0, 0]),
        "io_uring_register" => (libc::SYS_io_uring_register, [WRONG, WRONG, 0, 0, 0]),
        "io_uring_setup" => (libc::SYS_io_uring_setup, [0, 0, 0, 0, 0]),
        "kexec_load" => (libc::SYS_kexec_load, [0, 0, 0, WRONG, 0]),
        "keyctl" => (libc::SYS_keyctl, [WRONG, 0, 0, 0, 0]),
        "mount" => (libc::SYS_mount, [0, 0, 0, 0, 0]),
        "open_by_handle_at" => (libc::SYS_open_by_handle_at, [WRONG, 0, WRONG, 0, 0]),
        "open_tree" => (libc::SYS_open_tree, [WRONG, 0, WRONG, 0, 0]),
        "perf_event_open" => (libc::SYS_perf_event_open, [0, WRONG, WRONG, WRONG, WRONG]),
        "pivot_root" => (libc::SYS_pivot_root, [0, 0, 0, 0, 0]),
        "reboot" => (libc::SYS_reboot, [0, 0, 0, 0, 0]),
        "request_key" => (libc::SYS_request_key, [0, 0, 0, 0, 0]),
        "setns" => (libc::SYS_setns, [WRONG, 0, 0, 0, 0]),
        "swapon" => (libc::SYS_swapon, [0, 0, 0, 0, 0]),
        "unshare_newuser" => (libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0]),
        "userfaultfd" => (libc::SYS_userfaultfd, [WRONG, 0, 0, 0, 0]),
        _ => return Err(io::Error::other("no such call in the list")),
    };
    let [a, b, c, d, e] = arguments;
    // SAFETY: null pointers, wrong descriptors and wrong flags: each call fails before it acts,
    // but for a user namespace, which concerns this short-lived probe alone.
    outcome(unsafe { libc::syscall(number, a, b, c, d, e) }).map(drop)
}

/// A child in a user namespace of its own, which ends at once.
fn new_user_namespace_by_clone() -> io::Result<()> {
    let flags = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    // SAFETY: without CLONE_VM this is a fork; the child only exits.
    let child = outcome(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    if child == 0 {
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(0) };
    }
    Ok(())
}

/// A segment of System V shared memory, removed when dropped.
pub(super) struct SharedSegment {
    /// The key by which other processes find it.
    pub(super) key: i32,
    id: i32,
}

impl SharedSegment {
    pub(super) fn new() -> io::Result<Self> {
        let key = i32::try_from(std::process::id() & 0x00ff_ffff).unwrap_or(1) | 0x5a00_0000;
        // SAFETY: makes a segment and maps nothing.
        let id = outcome(unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | 0o666) }.into())?;
        Ok(Self { key, id: i32::try_from(id).unwrap_or(-1) })
    }
}

impl Drop for SharedSegment {
    fn drop(&mut self) {
        // SAFETY: removing the segment that this value made, which nothing here has mapped.
        unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// Looks for a segment of shared memory.
pub(super) fn find_segment(key: i32) -> io::Result<()> {
    // SAFETY: looks a segment up and maps nothing.
    outcome(unsafe { libc::shmget(key, 0, 0) }.into()).map(drop)
}

fn outcome(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The processes of this machine, but for this one, whose command line holds `token`.
pub(super) fn processes_named(token: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let named = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let own = u32::try_from(*pid) == Ok(std::process::id());
        !own && String::from_utf8_lossy(&line).contains(token)
    };
    entries.flatten().filter_map(number).filter(named).collect()
}

/// Ends processes that a case has left.
pub(super) fn end(processes: &[i32]) {
    for pid in processes.iter().filter_map(|&pid| rustix::process::Pid::from_raw(pid)) {
        // One that has ended meanwhile needs no end.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
