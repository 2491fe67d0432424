//! What is unsafe here: namespaces of a thread, a filter on a child, calls that nothing wraps.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::thread::UnshareFlags;

/// Puts the calling thread into namespaces of its own.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: no descriptors are unshared, so none of another thread goes away.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Has a command and all below it live on a kernel that has no nf_tables: sockets that talk to it
/// cannot be made.
pub(crate) fn without_nf_tables(command: &mut Command) {
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(refuse_nf_tables) };
}

/// Starts a command with as few descriptors as most systems give a process at first.
pub(crate) fn with_usual_descriptors(command: &mut Command) -> &mut Command {
    let lower = || {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: writes to a value of this stack.
        checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }.into())?;
        limit.rlim_cur = limit.rlim_max.min(1024);
        // SAFETY: reads a value of this stack.
        checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }.into())?;
        Ok(())
    };
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(lower) }
}

fn refuse_nf_tables() -> io::Result<()> {
    const LOAD: u16 = 0x20;
    const SKIP_UNLESS: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let errno = libc::SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT as u32;
    // Of struct seccomp_data: the number, and the low halves of the first and the third argument.
    let halves = if cfg!(target_endian = "little") { [16, 32] } else { [20, 36] };
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, 0),
        step(SKIP_UNLESS, 0, 5, libc::SYS_socket as u32),
        step(LOAD, 0, 0, halves[0]),
        step(SKIP_UNLESS, 0, 3, libc::AF_NETLINK as u32),
        step(LOAD, 0, 0, halves[1]),
        step(SKIP_UNLESS, 0, 1, libc::NETLINK_NETFILTER as u32),
        step(RETURN, 0, 0, errno),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: changes this process alone.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    let filter = libc::SECCOMP_MODE_FILTER;
    // SAFETY: reads the program, which lives until the call returns.
    checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program) }.into())?;
    Ok(())
}

/// Makes a socket and gives it up.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    // SAFETY: a new descriptor.
    let made = checked(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) }.into());
    // SAFETY: the descriptor is nobody else's.
    made.map(|made| _ = unsafe { libc::close(made as i32) })
}

/// Makes a ring of requests and gives it up.
pub(crate) fn io_uring() -> io::Result<()> {
    // struct io_uring_params, 120 bytes.
    let mut parameters = [0u64; 15];
    // SAFETY: writes into a value that is as large as the kernel takes it for.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    // SAFETY: the descriptor is nobody else's.
    checked(made).map(|made| _ = unsafe { libc::close(made as i32) })
}

/// How many packets a capturing socket has lost since it was asked last.
pub(crate) fn lost(socket: &impl std::os::fd::AsRawFd) -> io::Result<u32> {
    let mut statistics = [0u32; 2];
    let mut size = size_of_val(&statistics) as libc::socklen_t;
    let at = statistics.as_mut_ptr().cast();
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    // SAFETY: writes into two values of this stack, as many bytes as they have.
    let asked = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, at, &raw mut size) };
    checked(asked.into()).map(|_| statistics[1])
}

fn checked(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
