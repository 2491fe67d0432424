//! The life of a helper that serves: the first process of a sandbox that lasts.
//!
//! It forks a helper for each command, which from then on has a control socket of its own and obeys
//! the launcher directly; the fork is the whole of this process's part, so a command costs what it
//! costs to start one. It runs programs that change the mounts, signals everything at once, reaps
//! what nobody else does, and takes everything along when the launcher is gone.

use super::abi::{Failure, fd, request};
use super::raw::{self, nr, syscall};
use super::{begin, close, exit, interpret, map, orders, supervise, unmap};

/// Serves for the life of the sandbox.
pub fn serve() -> ! {
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
            obey();
        }
    }
}

fn obey() {
    let (order, file) = orders::next();
    match order.kind {
        request::ENTER if file >= 0 => enter(file),
        request::RUN if file >= 0 => run(file),
        request::SIGNAL_ALL => supervise::kill(-1, order.value as u64),
        _ => supervise::end(),
    }
}

/// Forks a helper. The copy is small, and it shares nothing, so that one that is killed in the
/// middle leaves nothing locked here.
fn enter(control: i32) {
    const SIGCHLD: u64 = 17;
    // SAFETY: a fork of a process with one thread.
    let child = unsafe { syscall(nr::CLONE, [SIGCHLD, 0, 0, 0, 0, 0]) };
    if child == 0 {
        become_helper(control);
    }
    close(control);
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
    begin()
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
