//! Everything unsafe of the host's side: bytes of plain structures, the clone, raw calls.
//!
//! # The clone
//! The child is made with `CLONE_VM | CLONE_VFORK`: it borrows this process's memory, on a stack of
//! its own, while the calling thread waits until it has executed the helper. So the cost does not
//! depend on the size of the process, and no lock or allocator is ever copied in a wrong state. In
//! return the child must not touch anything but its own stack and what it was handed: it makes raw
//! system calls, allocates nothing, and reports by a value on the caller's stack.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::abi::{Call, Failure, Header, Report, Request};
use crate::raw;

/// A structure of plain numbers without padding: any bytes are a value, and a value is its bytes.
///
/// # Safety
/// The implementor is `repr(C)`, made of integers, and without padding.
unsafe trait Plain: Copy {}

// SAFETY: integers in an order that leaves no padding.
unsafe impl Plain for Call {}
// SAFETY: as above.
unsafe impl Plain for Header {}
// SAFETY: as above.
unsafe impl Plain for Failure {}
// SAFETY: as above.
unsafe impl Plain for Report {}
// SAFETY: as above.
unsafe impl Plain for Request {}

fn bytes_of<T: Plain>(value: &T) -> Vec<u8> {
    // SAFETY: `Plain` has no padding, so every byte is initialised.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }.to_vec()
}

fn value_of<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() != size_of::<T>() {
        return None;
    }
    // SAFETY: the length was checked, and any bytes are a value of a `Plain` type.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

pub(crate) fn bytes_of_call(call: &Call) -> Vec<u8> {
    bytes_of(call)
}

pub(crate) fn bytes_of_header(header: &Header) -> Vec<u8> {
    bytes_of(header)
}

pub(crate) fn bytes_of_request(request: &Request) -> Vec<u8> {
    bytes_of(request)
}

pub(crate) fn failure_of(bytes: &[u8]) -> Option<Failure> {
    value_of(bytes)
}

pub(crate) fn report_of(bytes: &[u8]) -> Option<Report> {
    value_of(bytes)
}

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
    /// Descriptors to put in place: from, to. Sources lie above all targets.
    pub(crate) descriptors: &'a [(RawFd, RawFd)],
    /// The first descriptor that is closed whatever it is.
    pub(crate) last: RawFd,
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
    "pass the descriptors",
    "execute the helper",
];

/// What the child shares with its parent.
struct Shared<'a> {
    child: &'a Child<'a>,
    failed: Option<(usize, i32)>,
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK: usize = 64 << 10;

/// Makes the child and waits until it is the helper.
///
/// # Errors
/// The step of [`CHILD_STEPS`] and the error number.
pub(crate) fn clone_helper(child: &Child<'_>) -> Result<Cloned, (usize, io::Error)> {
    let mut pidfd: RawFd = -1;
    let mut stack = vec![0u64; STACK / 8];
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
    let pid = unsafe { clone3(&args, &raw mut shared) };
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

fn error(result: i64) -> io::Error {
    io::Error::from_raw_os_error(-result as i32)
}

/// # Safety
/// `shared` is valid until the child's exec or exit.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(args: &CloneArgs, shared: *mut Shared<'_>) -> i64 {
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
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args, in("rsi") size_of::<CloneArgs>(),
            in("r8") shared, in("r9") child_main as *const (),
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// # Safety
/// `shared` is valid until the child's exec or exit.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(args: &CloneArgs, shared: *mut Shared<'_>) -> i64 {
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
            in("x8") libc::SYS_clone3,
            inlateout("x0") args as *const CloneArgs as u64 => result,
            in("x1") size_of::<CloneArgs>(),
            in("x9") shared, in("x10") child_main as *const (),
            lateout("x30") _,
        );
    }
    result
}

/// The child. A numbered list; nothing in it allocates, locks or unwinds.
extern "C" fn child_main(shared: *mut Shared<'_>) -> ! {
    // SAFETY: the parent waits and keeps it valid.
    let shared = unsafe { &mut *shared };
    let (step, errno) = become_helper(shared.child);
    shared.failed = Some((step, errno));
    loop {
        call(libc::SYS_exit, [127, 0, 0, 0, 0, 0]);
    }
}

/// Returns only if a step failed.
fn become_helper(child: &Child<'_>) -> (usize, i32) {
    // 1. The groups that limit it, before it owns anything.
    for &tasks in child.tasks {
        let wrote = call(libc::SYS_write, [tasks as u64, c"0".as_ptr() as u64, 1, 0, 0, 0]);
        if wrote < 0 {
            return (1, -wrote as i32);
        }
    }
    // 2. Who it is in its user namespace.
    for (file, text) in child.maps {
        let failed = write_file(file, text);
        if failed < 0 {
            return (2, -failed as i32);
        }
    }
    // 3. What it may do there, kept through the exec.
    let failed = keep_capabilities(child.keep);
    if failed < 0 {
        return (3, -failed as i32);
    }
    // 4. Its descriptors, and no others.
    for &(from, to) in child.descriptors {
        let failed = call(libc::SYS_dup3, [from as u64, to as u64, 0, 0, 0, 0]);
        if failed < 0 {
            return (4, -failed as i32);
        }
    }
    let helper = child.helper.as_raw_fd() as u64;
    const CLOSE_RANGE_CLOEXEC: u64 = 4;
    let rest = [child.last as u64, u64::from(u32::MAX), CLOSE_RANGE_CLOEXEC, 0, 0, 0];
    let failed = call(libc::SYS_close_range, rest);
    if failed < 0 {
        return (4, -failed as i32);
    }
    // 5. The helper, which is no name but a descriptor.
    let arguments = [c"sandbox-init".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null::<libc::c_char>()];
    let (arguments, environment) = (arguments.as_ptr() as u64, environment.as_ptr() as u64);
    let empty = c"".as_ptr() as u64;
    let flags = libc::AT_EMPTY_PATH as u64;
    let failed = call(libc::SYS_execveat, [helper, empty, arguments, environment, flags, 0]);
    (5, -failed as i32)
}

/// A system call of the child, which must not touch the C library's `errno`.
fn call(number: libc::c_long, arguments: [u64; 6]) -> i64 {
    // SAFETY: the child's calls act on its own descriptors and credentials alone, and their
    // pointers are to constants, to its stack, or to what the waiting parent keeps.
    unsafe { raw::syscall(number as u32, arguments) }
}

fn write_file(file: &CStr, text: &[u8]) -> i64 {
    let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as u64;
    let at = libc::AT_FDCWD as i64 as u64;
    let opened = call(libc::SYS_openat, [at, file.as_ptr() as u64, flags, 0, 0, 0]);
    if opened < 0 {
        return opened;
    }
    let pointer = text.as_ptr() as u64;
    let wrote = call(libc::SYS_write, [opened as u64, pointer, text.len() as u64, 0, 0, 0]);
    call(libc::SYS_close, [opened as u64, 0, 0, 0, 0, 0]);
    wrote
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Makes capabilities inheritable and ambient: a user that is not mapped to 0 would lose them.
fn keep_capabilities(keep: &[u32]) -> i64 {
    if keep.is_empty() {
        return 0;
    }
    let header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [[0u32; 3]; 2];
    let (header, data) = (&raw const header as u64, &raw mut sets as u64);
    let got = call(libc::SYS_capget, [header, data, 0, 0, 0, 0]);
    if got < 0 {
        return got;
    }
    // Effective, permitted, inheritable, for the low and the high half.
    for set in &mut sets {
        set[2] = set[1];
    }
    let set = call(libc::SYS_capset, [header, data, 0, 0, 0, 0]);
    if set < 0 {
        return set;
    }
    for &capability in keep {
        let raise = [
            libc::PR_CAP_AMBIENT as u64,
            libc::PR_CAP_AMBIENT_RAISE as u64,
            u64::from(capability),
            0,
            0,
            0,
        ];
        let raised = call(libc::SYS_prctl, raise);
        if raised < 0 {
            return raised;
        }
    }
    0
}

/// Blocks every signal for this thread, so that no handler runs in the child on borrowed memory.
fn block_signals() -> libc::sigset_t {
    // SAFETY: plain C structures, filled by the calls.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: a mask that was in force before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

/// Waits for the process behind a descriptor and takes its zombie away.
pub(crate) fn reap(pidfd: &OwnedFd) {
    const WALL: libc::c_int = 0x4000_0000;
    // SAFETY: a plain structure, filled by the call.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = pidfd.as_raw_fd() as libc::id_t;
        while libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED | WALL) != 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
}

/// Asks the kernel for its Landlock ABI; 0 means none.
pub(crate) fn landlock_abi() -> u32 {
    // SAFETY: asks for a version, touches nothing.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    u32::try_from(abi).unwrap_or(0)
}

/// An executable, sealed memory file.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn sealed_file(name: &CStr, content: &[u8], executable: bool) -> io::Result<OwnedFd> {
    const MFD_NOEXEC_SEAL: u32 = 8;
    const MFD_EXEC: u32 = 16;
    let base = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let wanted = base | if executable { MFD_EXEC } else { MFD_NOEXEC_SEAL };
    // SAFETY: a new descriptor; kernels before 6.3 do not know the second flag.
    let made = unsafe {
        match libc::memfd_create(name.as_ptr(), wanted) {
            -1 => libc::memfd_create(name.as_ptr(), base),
            made => made,
        }
    };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let file = unsafe { OwnedFd::from_raw_fd(made) };
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = &rest[written..];
    }
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK;
    // SAFETY: seals a file of ours.
    if unsafe { libc::fcntl(made, libc::F_ADD_SEALS, seals) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// Makes a user namespace with these maps. Only a caller with the right to map others can.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn user_namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    let mut stack = vec![0u64; 512];
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_NEWUSER;
    let args = CloneArgs {
        flags: flags as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: 4096,
        ..CloneArgs::default()
    };
    let signals = block_signals();
    // SAFETY: the child only sleeps, on its own stack, which is kept until it is reaped.
    let pid = unsafe { clone3_sleeper(&args) };
    restore_signals(&signals);
    if pid < 0 {
        return Err(error(pid));
    }
    // SAFETY: the kernel stored a new descriptor.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let write = |name: &str, text: &str| std::fs::write(format!("/proc/{pid}/{name}"), text);
    let namespace = write("uid_map", users)
        .and_then(|()| write("gid_map", groups))
        .and_then(|()| std::fs::File::open(format!("/proc/{pid}/ns/user")));
    // SAFETY: ends our own child, named by its descriptor.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, 0, 0) };
    reap(&pidfd);
    drop(stack);
    Ok(namespace?.into())
}

/// # Safety
/// The stack outlives the child.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_sleeper(args: &CloneArgs) -> i64 {
    let result: i64;
    // SAFETY: the child only ever calls `pause`.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "3:",
            "mov eax, {pause}",
            "syscall",
            "jmp 3b",
            "2:",
            pause = const libc::SYS_pause,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") args, in("rsi") size_of::<CloneArgs>(),
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// # Safety
/// The stack outlives the child.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_sleeper(args: &CloneArgs) -> i64 {
    let result: i64;
    // SAFETY: the child only ever sleeps in `ppoll` without descriptors and without an end.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "3:",
            "mov x0, #0", "mov x1, #0", "mov x2, #0", "mov x3, #0", "mov x4, #0",
            "mov x8, {ppoll}",
            "svc 0",
            "b 3b",
            "2:",
            ppoll = const libc::SYS_ppoll,
            in("x8") libc::SYS_clone3,
            inlateout("x0") args as *const CloneArgs as u64 => result,
            in("x1") size_of::<CloneArgs>(),
        );
    }
    result
}

/// Whether the file system behind a path can be mounted with mapped owners; changes nothing.
///
/// # Errors
/// What the kernel answers: EINVAL means that the file system cannot.
pub(crate) fn try_idmap(path: &std::path::Path, namespace: RawFd) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    const CLONE: libc::c_int = 1 | 0x8000 | libc::O_CLOEXEC;
    const IDMAP: u64 = 0x0010_0000;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a new mount that is attached nowhere and gone when its descriptor is closed.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), CLONE) };
    if tree < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let tree = unsafe { OwnedFd::from_raw_fd(tree as RawFd) };
    let attributes = [IDMAP, 0, 0, namespace as u64];
    let flags = libc::AT_EMPTY_PATH | 0x8000;
    // SAFETY: changes the detached mount alone.
    let set = unsafe {
        let attributes = (&raw const attributes, 32);
        let empty = c"".as_ptr();
        let tree = tree.as_raw_fd();
        libc::syscall(libc::SYS_mount_setattr, tree, empty, flags, attributes.0, attributes.1)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to the process behind a descriptor.
///
/// # Errors
/// What the kernel answers; ESRCH when it has ended.
pub(crate) fn signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor names a child of ours, whatever its number was given to since.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Watches a descriptor for readiness on the current runtime.
///
/// # Errors
/// The runtime's refusal.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the result, so it stays open as long as it is watched.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(descriptor) }?)
}
