//! The calls of the live tests that Rust cannot check.

use std::io::Error;

use crate::seccomp::Program;

/// Confines the calling thread for good.
pub(super) fn attach(program: &Program) {
    let fprog = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("at most 4096"),
        filter: program.instructions().as_ptr().cast_mut().cast(),
    };
    // SAFETY: takes plain numbers, and can only take rights from this thread.
    let nnp = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(nnp, 0);
    // SAFETY: `fprog` points to `len` instructions in the layout of `sock_filter`, which live
    // until after the call; the kernel copies them.
    let set = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const fprog)
    };
    assert_eq!(set, 0, "{}", Error::last_os_error());
}

/// Makes a call that takes numbers or bad pointers; 0 if it succeeds.
pub(super) fn errno(nr: i64, args: [u64; 4]) -> i32 {
    // SAFETY: every caller passes null, an unmapped address or numbers, so that the kernel
    // reads and writes no memory of ours.
    let result = unsafe { libc::syscall(nr, args[0], args[1], args[2], args[3]) };
    if result < 0 { Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 }
}

/// getpid by the i386 entry, as the kernel returns it: negative for an error.
pub(super) fn i386_getpid() -> i32 {
    let result: i64;
    // SAFETY: this call takes no arguments and touches no memory; the registers that the entry
    // clobbers are declared.
    unsafe {
        std::arch::asm!(
            "int 0x80", inlateout("rax") 20i64 => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as i32
}
