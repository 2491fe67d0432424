//! The helper: the first process of a sandbox, and its reaper.
//!
//! A small static program without a library and without an allocator. It is born into its
//! namespaces and waits on the control socket, possibly long before there is anything to run. Then
//! it maps the program that the host compiled, runs its setup list, starts the payload's process,
//! which runs the payload list and ends in an exec, and from there has three duties: reap whatever
//! becomes its child, obey the control socket, and end everything when the payload ends, when a
//! limit is reached or when the launcher is gone. The first process of a sandbox that lasts serves
//! instead (`agent`), and has the helpers of its commands start in another order (`forked`).
//!
//! It is not dumpable before it does anything else, so nothing that it starts can look into it, and
//! it never opens a name that the payload could have made.
#![no_std]
#![no_main]
#![allow(unsafe_op_in_unsafe_fn)]

mod abi;
mod agent;
mod forked;
mod interpret;
mod network;
mod orders;
mod raw;
mod supervise;
mod watch;

use abi::{Failure, Header, fd};
use raw::{nr, syscall};

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {start}",
    "ud2",
    start = sym entry,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, #0",
    "bl {start}",
    "brk #1",
    start = sym entry,
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}

/// Ends this process.
pub fn exit(code: u64) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { syscall(nr::EXIT_GROUP, [code, 0, 0, 0, 0, 0]) };
    }
}

/// Everything, from the first instruction on.
extern "C" fn entry() -> ! {
    const PR_SET_DUMPABLE: u64 = 4;
    // SAFETY: changes this process alone.
    unsafe { syscall(nr::PRCTL, [PR_SET_DUMPABLE, 0, 0, 0, 0, 0]) };
    // What is made for the payload must be open to the payload, whatever the caller's mask.
    // SAFETY: changes this process alone.
    unsafe { syscall(nr::UMASK, [0o022, 0, 0, 0, 0, 0]) };
    close_on_exec(fd::CONTROL);
    block_signals();
    default_signals();
    begin()
}

/// Everything from the first order on.
fn begin() -> ! {
    let prepared = orders::until_start();
    for descriptor in [fd::STATUS, fd::PROGRAM, fd::RULESET] {
        close_on_exec(descriptor);
    }
    if let Err((step, errno)) = prepared {
        fail(Failure { list: 3, step, errno });
    }
    let (program, size) = match map(fd::PROGRAM) {
        Ok(mapped) => mapped,
        Err(errno) => fail(Failure { list: 3, step: 0, errno }),
    };
    // SAFETY: the host made the lists for this process.
    let ready = unsafe { interpret::run(0, &program.setup) };
    if let Err(failure) = ready {
        fail(failure);
    }
    if program.serves != 0 {
        // SAFETY: as above.
        if let Err(failure) = unsafe { interpret::run(2, &program.after) } {
            fail(failure);
        }
        let group = program.group;
        unmap(size);
        agent::serve(group)
    }
    // SAFETY: the payload's process only runs its list, whose results have room of their own.
    let payload = unsafe { start(payload_main, &raw const *program as u64) };
    if payload < 0 {
        fail(Failure { list: 3, step: 1, errno: -payload as i32 });
    }
    for descriptor in [0, 1, 2, fd::RULESET] {
        close(descriptor);
    }
    // SAFETY: as above. What setup needed is not needed any more; failing to give it up is fatal.
    if let Err(failure) = unsafe { interpret::run(2, &program.after) } {
        fail(failure);
    }
    // The host hears of the start now, as this process goes to sleep: woken earlier, it would have
    // to wait for the payload's processor.
    close(fd::STATUS);
    supervise::until_the_end(program, payload as i32)
}

/// Starts the payload's process. It borrows this process's memory until its exec, so that nothing
/// is copied for it; this process sleeps meanwhile.
///
/// # Safety
/// `main` touches nothing that this process needs unchanged.
unsafe fn start(main: extern "C" fn(u64) -> !, argument: u64) -> i64 {
    #[repr(align(16))]
    struct Stack([u8; 64 << 10]);
    // Not initialised: nobody reads it before the child has written it.
    let mut stack = core::mem::MaybeUninit::<Stack>::uninit();
    let mut borrowed = 1u32;
    let word = &raw mut borrowed;
    // SAFETY: one past the end of the stack; the caller vouches for the rest.
    let child = unsafe { raw::borrow(stack.as_mut_ptr().add(1).cast(), word, main, argument) };
    // SAFETY: the kernel changes it.
    while child > 0 && unsafe { word.read_volatile() } != 0 {
        const FUTEX_WAIT: u64 = 0;
        // SAFETY: a word of this stack, and no time.
        unsafe { syscall(nr::FUTEX, [word as u64, FUTEX_WAIT, 1, 0, 0, 0]) };
    }
    child
}

/// The payload's process, up to its exec.
extern "C" fn payload_main(program: u64) -> ! {
    // SAFETY: the address of the mapped program.
    let program = unsafe { &*(program as *const Header) };
    // SAFETY: the host made the list for this process.
    match unsafe { interpret::run(1, &program.payload) } {
        Err(failure) => fail(failure),
        Ok(()) => exit(125),
    }
}

/// Tells the host what failed, and ends.
fn fail(failure: Failure) -> ! {
    let address = &raw const failure as u64;
    let size = core::mem::size_of::<Failure>() as u64;
    // SAFETY: writes a value of this stack.
    unsafe { syscall(nr::WRITE, [fd::STATUS as u64, address, size, 0, 0, 0]) };
    exit(125)
}

/// Maps a program where its pointers are right, and closes it; also tells its size.
pub fn map(file: i32) -> Result<(&'static Header, u64), i32> {
    const SEEK_END: u64 = 2;
    const READ_WRITE: u64 = 3;
    const PRIVATE_FIXED: u64 = 0x2 | 0x10_0000;
    const EINVAL: i32 = 22;
    let descriptor = file;
    let file = file as u64;
    // SAFETY: asks for a size.
    let size = unsafe { syscall(nr::LSEEK, [file, 0, SEEK_END, 0, 0, 0]) };
    if size < core::mem::size_of::<Header>() as i64 {
        return Err(EINVAL);
    }
    // SAFETY: a new mapping where nothing is mapped.
    let at = unsafe {
        syscall(nr::MMAP, [abi::BASE, size as u64, READ_WRITE, PRIVATE_FIXED, file, 0])
    };
    if at != abi::BASE as i64 {
        return Err(if at < 0 { -at as i32 } else { EINVAL });
    }
    close(descriptor);
    mapped(size as u64).map(|header| (header, size as u64))
}

/// The header of a program that was mapped.
fn mapped(size: u64) -> Result<&'static Header, i32> {
    const EINVAL: i32 = 22;
    if size < core::mem::size_of::<Header>() as u64 {
        return Err(EINVAL);
    }
    // SAFETY: the mapping begins with a header, and nothing refers to it once it is unmapped.
    let header = unsafe { &*(abi::BASE as *const Header) };
    if header.magic == abi::MAGIC { Ok(header) } else { Err(EINVAL) }
}

/// Takes the mapping of a program away, to which nothing refers any more.
pub fn unmap(size: u64) {
    // SAFETY: the caller is done with it.
    unsafe { syscall(nr::MUNMAP, [abi::BASE, size, 0, 0, 0, 0]) };
}

fn close_on_exec(descriptor: i32) {
    const F_SETFD: u64 = 2;
    // SAFETY: a flag of a descriptor of ours.
    unsafe { syscall(nr::FCNTL, [descriptor as u64, F_SETFD, 1, 0, 0, 0]) };
}

/// Closes a descriptor.
pub fn close(descriptor: i32) {
    // SAFETY: descriptors of this process, which nothing else uses.
    unsafe { syscall(nr::CLOSE, [descriptor as u64, 0, 0, 0, 0, 0]) };
}

/// Signals are read from a descriptor, so none may interrupt; the payload's list unblocks them.
fn block_signals() {
    let all = u64::MAX;
    // SAFETY: reads eight bytes of this stack.
    unsafe { syscall(nr::RT_SIGPROCMASK, [2, &raw const all as u64, 0, 8, 0, 0]) };
}

/// Named by the unwind tables of the core library, never called: a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// What the launcher ignores is not for the payload to ignore (a Rust program ignores SIGPIPE), and
/// a reaper that ignored SIGCHLD would reap nothing. The clone resets handlers, not this.
fn default_signals() {
    // struct kernel_sigaction: SIG_DFL, no flags, nothing blocked.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: reads a value of this stack; SIGKILL and SIGSTOP are refused, which is right.
        unsafe {
            let action = &raw const default as u64;
            syscall(nr::RT_SIGACTION, [signal, action, 0, 8, 0, 0]);
        }
    }
}

// The compiler calls these for copies; volatile accesses keep it from turning them into calls of
// themselves.

/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    for at in 0..length {
        // SAFETY: the caller vouches for both ranges.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
    to
}

/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    for at in 0..length {
        // SAFETY: the caller vouches for the range.
        unsafe { to.add(at).write_volatile(byte as u8) };
    }
    to
}

/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if (to as usize) <= from as usize {
        // SAFETY: copying upwards, the target trails the source.
        return unsafe { memcpy(to, from, length) };
    }
    for at in (0..length).rev() {
        // SAFETY: the caller vouches for both ranges.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
    to
}

/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
    for at in 0..length {
        // SAFETY: the caller vouches for both ranges.
        let (a, b) = unsafe { (a.add(at).read_volatile(), b.add(at).read_volatile()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}
