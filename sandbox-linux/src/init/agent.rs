//! The life of a helper that serves: the first process of a sandbox that lasts.
//!
//! It forks a helper for each command, which from then on has a control socket of its own and obeys
//! the launcher directly; the fork is the whole of this process's part, so a command costs what it
//! costs to start one. It runs programs that change the mounts, signals everything at once, reaps
//! what nobody else does, and takes everything along when the launcher is gone.

use super::abi::{Failure, fd, group, request};
use super::raw::{self, nr, syscall};
use super::{close, exit, forked, interpret, map, orders, supervise, unmap};

/// Serves for the life of the sandbox. `way` is how commands get into their group.
pub fn serve(way: u32) -> ! {
    for descriptor in [0, 1, 2, fd::STATUS] {
        close(descriptor);
    }
    let signals = supervise::child_signals();
    loop {
        let (control, child) = supervise::wait_for_news(signals, 0);
        if child {
            supervise::reap(0, &mut 0);
        }
        if control {
            obey(way);
        }
    }
}

fn obey(way: u32) {
    let (order, file) = orders::next();
    match order.kind {
        request::ENTER if file >= 0 => enter(file, way),
        request::RUN if file >= 0 => run(file),
        request::SIGNAL_ALL => supervise::kill(-1, order.value as u64),
        _ => supervise::end(),
    }
}

/// Forks a helper. The copy is small, and it shares nothing, so that one that is killed in the
/// middle leaves nothing locked here.
fn enter(control: i32, way: u32) {
    // SAFETY: a fork of a process with one thread.
    let child = if way == group::BORN { unsafe { fork_into_group() } } else { unsafe { fork() } };
    if child == 0 {
        if way == group::MOVED {
            move_into_group();
        }
        become_helper(control);
    }
    close(control);
}

const SIGCHLD: u64 = 17;

/// # Safety
/// As a fork.
unsafe fn fork() -> i64 {
    // SAFETY: the caller vouches for it.
    unsafe { syscall(nr::CLONE, [SIGCHLD, 0, 0, 0, 0, 0]) }
}

/// # Safety
/// As a fork.
unsafe fn fork_into_group() -> i64 {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    // struct clone_args: the flags first, the signal at the end fifth, the group last.
    let arguments = [INTO_CGROUP, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, fd::KEPT_GROUP as u64];
    let size = core::mem::size_of_val(&arguments) as u64;
    // SAFETY: the caller vouches for it.
    unsafe { syscall(nr::CLONE3, [&raw const arguments as u64, size, 0, 0, 0, 0]) }
}

/// What is not in the group would not stand still with it.
fn move_into_group() {
    let word = *b"0";
    // SAFETY: reads a byte of this stack.
    let moved =
        unsafe { syscall(nr::WRITE, [fd::KEPT_GROUP as u64, &raw const word as u64, 1, 0, 0, 0]) };
    if moved != 1 {
        exit(125);
    }
}

/// Keeps the control socket and what is kept for all, and begins like any helper.
fn become_helper(control: i32) -> ! {
    const CLOEXEC: u64 = 0o2_000_000;
    const LAST: u64 = u32::MAX as u64;
    let (target, kept) = (fd::CONTROL as u64, fd::KEPT_RULESET as u64);
    // The helper begins with nothing below its control socket, which came where it found room.
    // SAFETY: descriptors of this process alone.
    unsafe {
        if syscall(nr::DUP3, [control as u64, target, CLOEXEC, 0, 0, 0]) < 0 {
            exit(125);
        }
        syscall(nr::CLOSE_RANGE, [0, target - 1, 0, 0, 0, 0]);
        syscall(nr::CLOSE_RANGE, [target + 1, kept - 1, 0, 0, 0, 0]);
        syscall(nr::CLOSE_RANGE, [kept + 1, LAST, 0, 0, 0, 0]);
    }
    forked::begin()
}

/// Closes what a program that failed had open: all but the signals, which have the first number that
/// was free, the control socket and what is kept.
fn forget() {
    let kept = (fd::KEPT_RULESET as u64, fd::LAST_KEPT as u64);
    let ranges = [(1, 2), (fd::STATUS as u64, kept.0 - 1), (kept.1 + 1, u32::MAX as u64)];
    for (first, last) in ranges {
        // SAFETY: descriptors of this process alone.
        unsafe { syscall(nr::CLOSE_RANGE, [first, last, 0, 0, 0, 0]) };
    }
}

/// Runs the setup list of a program, and answers.
fn run(file: i32) {
    let answer = match map(file) {
        Err(errno) => Failure { list: 3, step: 0, errno },
        Ok((program, size)) => {
            // SAFETY: the host made the list for this process.
            let ran = unsafe { interpret::run(0, &program.setup) };
            unmap(size);
            if ran.is_err() {
                forget();
            }
            ran.err().unwrap_or(Failure { list: 0, step: 0, errno: 0 })
        }
    };
    let (address, size) = (&raw const answer as u64, core::mem::size_of::<Failure>() as u64);
    // SAFETY: writes a value of this stack.
    unsafe { raw::syscall(nr::WRITE, [fd::CONTROL as u64, address, size, 0, 0, 0]) };
}
