//! A helper that the first process of a lasting sandbox forked, for one command.
//!
//! It has the payload's process ready before there is a payload. That process borrows its memory, as
//! always; but it is started first, and waits for the start in the helper's place. So nothing has to
//! be made between the start and the exec, and the payload's descriptors never come to the helper.
//! The helper sleeps until the exec, finds the program mapped, and goes on like any other.

use super::abi::{self, Failure, Header, fd};
use super::orders::{self, Failed};
use super::raw::{nr, syscall};
use super::{close_on_exec, exit, fail, interpret, map, mapped, start, supervise, unmap};

/// What the two have in common.
struct Shared {
    /// How the work ahead of the start went.
    ahead: Result<(), Failed>,
    /// The mapped program, once there is one.
    program: *const Header,
}

/// Everything from the first order on.
pub fn begin() -> ! {
    adopt_orphans();
    make_room();
    let mut shared = Shared { ahead: orders::ahead(), program: core::ptr::null() };
    // SAFETY: the payload's process alone uses it, until this one wakes up.
    let payload = unsafe { start(wait_and_become_payload, &raw mut shared as u64) };
    if payload < 0 {
        let _ = orders::until_start();
        fail(Failure { list: 3, step: 1, errno: -payload as i32 });
    }
    // SAFETY: written by the other process, which has got a memory of its own, or has ended.
    let program = unsafe { (&raw const shared.program).read_volatile() };
    if program.is_null() {
        exit(125);
    }
    // SAFETY: the mapping is never taken away.
    let program = unsafe { &*program };
    // What is left is what ending the payload takes; without that the payload must not go on, and
    // it does not outlive this process.
    // SAFETY: the host made the list for this process.
    if unsafe { interpret::run(2, &program.after) }.is_err() {
        exit(125);
    }
    supervise::until_the_end(program, payload as i32)
}

/// The payload's process, from its birth to its exec.
extern "C" fn wait_and_become_payload(shared: u64) -> ! {
    // SAFETY: the address of the helper's value, which sleeps.
    let shared = unsafe { &mut *(shared as *mut Shared) };
    begin_a_session();
    // SAFETY: the helper made room there, for nothing else.
    let attached = orders::start(unsafe { &mut *(abi::BASE as *mut _) });
    close_on_exec(fd::STATUS);
    if let Err((step, errno)) = shared.ahead {
        fail(Failure { list: 3, step, errno });
    }
    let program = match program(attached) {
        Ok(program) => program,
        Err(errno) => fail(Failure { list: 3, step: 0, errno }),
    };
    shared.program = program;
    for (which, list) in [(0, &program.setup), (1, &program.payload)] {
        // SAFETY: the host made the lists for this process.
        if let Err(failure) = unsafe { interpret::run(which, list) } {
            fail(failure);
        }
    }
    exit(125)
}

/// The program that came with the start, or else in a file.
fn program(attached: u64) -> Result<&'static Header, i32> {
    if attached != 0 {
        return mapped(attached);
    }
    unmap(abi::INLINE as u64);
    map(fd::PROGRAM).map(|(program, _)| program)
}

/// Makes room for a program that comes with the start, where its pointers are right.
fn make_room() {
    const READ_WRITE: u64 = 3;
    const PRIVATE_FIXED_NEW: u64 = 0x2 | 0x20 | 0x8000 | 0x10_0000;
    let none = u64::MAX;
    let size = abi::INLINE as u64;
    // SAFETY: a new mapping where nothing is mapped.
    let at =
        unsafe { syscall(nr::MMAP, [abi::BASE, size, READ_WRITE, PRIVATE_FIXED_NEW, none, 0]) };
    if at != abi::BASE as i64 {
        exit(125);
    }
}

/// What the payload leaves behind comes to the helper: others of this sandbox have theirs.
fn adopt_orphans() {
    const PR_SET_CHILD_SUBREAPER: u64 = 36;
    // SAFETY: changes this process alone; no kernel that has the rest refuses it.
    unsafe { syscall(nr::PRCTL, [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0]) };
}

/// A session of its own, which a terminal may become that of, and which takes the kernel long; and
/// the end with the helper, until another user is taken on, which forgets it: the list says it again.
fn begin_a_session() {
    const PR_SET_PDEATHSIG: u64 = 1;
    const SIGKILL: u64 = 9;
    // SAFETY: changes this process alone, which leads no group yet.
    unsafe {
        syscall(nr::SETSID, [0; 6]);
        syscall(nr::PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0]);
    }
}
