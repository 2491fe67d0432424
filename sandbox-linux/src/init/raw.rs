//! System calls, without a C library.

/// Makes a system call; errors are negative numbers.
///
/// # Safety
/// The caller vouches for what the call does with its arguments.
#[cfg(target_arch = "x86_64")]
pub unsafe fn syscall(number: u32, a: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the calling convention of x86_64 Linux; the caller vouches for the call itself.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as i64 => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// Makes a system call; errors are negative numbers.
///
/// # Safety
/// The caller vouches for what the call does with its arguments.
#[cfg(target_arch = "aarch64")]
pub unsafe fn syscall(number: u32, a: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the calling convention of arm64 Linux; the caller vouches for the call itself.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number as u64,
            inlateout("x0") a[0] => result,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5],
            options(nostack)
        );
    }
    result
}

/// The numbers of the calls that the helper itself makes.
#[cfg(target_arch = "x86_64")]
#[allow(missing_docs)]
pub mod nr {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const CLOSE: u32 = 3;
    pub const MMAP: u32 = 9;
    pub const MUNMAP: u32 = 11;
    pub const DUP3: u32 = 292;
    pub const CLOSE_RANGE: u32 = 436;
    pub const RT_SIGACTION: u32 = 13;
    pub const RT_SIGPROCMASK: u32 = 14;
    pub const CLONE: u32 = 56;
    pub const CLONE3: u32 = 435;
    pub const WAIT4: u32 = 61;
    pub const KILL: u32 = 62;
    pub const FCNTL: u32 = 72;
    pub const GETPID: u32 = 39;
    pub const SETSID: u32 = 112;
    pub const GETRUSAGE: u32 = 98;
    pub const PRCTL: u32 = 157;
    pub const UMASK: u32 = 95;
    pub const GETDENTS64: u32 = 217;
    pub const EXIT_GROUP: u32 = 231;
    pub const OPENAT: u32 = 257;
    pub const PPOLL: u32 = 271;
    pub const SIGNALFD4: u32 = 289;
    pub const LSEEK: u32 = 8;
    pub const RECVMSG: u32 = 47;
    pub const SENDMSG: u32 = 46;
    pub const UNSHARE: u32 = 272;
    pub const SOCKET: u32 = 41;
    pub const KEYCTL: u32 = 250;
    pub const SECCOMP: u32 = 317;
    pub const IOCTL: u32 = 16;
    pub const FUTEX: u32 = 202;
    pub const GETCPU: u32 = 309;
}

/// The numbers of the calls that the helper itself makes.
#[cfg(target_arch = "aarch64")]
#[allow(missing_docs)]
pub mod nr {
    pub const READ: u32 = 63;
    pub const WRITE: u32 = 64;
    pub const CLOSE: u32 = 57;
    pub const MMAP: u32 = 222;
    pub const MUNMAP: u32 = 215;
    pub const DUP3: u32 = 24;
    pub const CLOSE_RANGE: u32 = 436;
    pub const RT_SIGACTION: u32 = 134;
    pub const RT_SIGPROCMASK: u32 = 135;
    pub const CLONE: u32 = 220;
    pub const CLONE3: u32 = 435;
    pub const WAIT4: u32 = 260;
    pub const KILL: u32 = 129;
    pub const FCNTL: u32 = 25;
    pub const GETPID: u32 = 172;
    pub const SETSID: u32 = 157;
    pub const GETRUSAGE: u32 = 165;
    pub const PRCTL: u32 = 167;
    pub const UMASK: u32 = 166;
    pub const GETDENTS64: u32 = 61;
    pub const EXIT_GROUP: u32 = 94;
    pub const OPENAT: u32 = 56;
    pub const PPOLL: u32 = 73;
    pub const SIGNALFD4: u32 = 74;
    pub const LSEEK: u32 = 62;
    pub const RECVMSG: u32 = 212;
    pub const SENDMSG: u32 = 211;
    pub const UNSHARE: u32 = 97;
    pub const SOCKET: u32 = 198;
    pub const KEYCTL: u32 = 219;
    pub const SECCOMP: u32 = 277;
    pub const IOCTL: u32 = 29;
    pub const FUTEX: u32 = 98;
    pub const GETCPU: u32 = 168;
}

/// Starts a process that borrows this one's memory, on a stack of its own; `main` never returns. The
/// kernel sets `borrowed` to zero, and wakes who waits for that, once the process has executed a
/// program or has ended.
///
/// # Safety
/// `main` touches nothing that this process needs unchanged; `stack` is the end of its stack, which
/// lasts as long as `borrowed` is not zero.
#[cfg(target_arch = "x86_64")]
pub unsafe fn borrow(
    stack: *mut u8,
    borrowed: *mut u32,
    main: extern "C" fn(u64) -> !,
    argument: u64,
) -> i64 {
    let result;
    // SAFETY: the child starts behind the call on its own stack and never comes back.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") u64::from(nr::CLONE) as i64 => result,
            in("rdi") BORROW, in("rsi") stack, in("rdx") 0, in("r10") borrowed,
            in("r8") argument, in("r9") main,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// Starts a process that borrows this one's memory, on a stack of its own; `main` never returns. The
/// kernel sets `borrowed` to zero, and wakes who waits for that, once the process has executed a
/// program or has ended.
///
/// # Safety
/// `main` touches nothing that this process needs unchanged; `stack` is the end of its stack, which
/// lasts as long as `borrowed` is not zero.
#[cfg(target_arch = "aarch64")]
pub unsafe fn borrow(
    stack: *mut u8,
    borrowed: *mut u32,
    main: extern "C" fn(u64) -> !,
    argument: u64,
) -> i64 {
    let result;
    // SAFETY: the child starts behind the call on its own stack and never comes back.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, #0",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            in("x8") u64::from(nr::CLONE),
            inlateout("x0") BORROW as i64 => result,
            in("x1") stack, in("x2") 0, in("x3") 0, in("x4") borrowed,
            in("x9") argument, in("x10") main,
            lateout("x30") _,
        );
    }
    result
}

/// `CLONE_VM | CLONE_CHILD_CLEARTID`, and SIGCHLD at the end. Not `CLONE_VFORK`: who waits for long by
/// that counts as busy in the system's load.
const BORROW: u64 = 0x100 | 0x20_0000 | 17;
