//! The child between the clone and the helper: a numbered list of raw calls.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use super::call;
use super::clone::Child;
use crate::abi::fd;

/// Returns only if a step failed.
pub(super) fn become_helper(child: &Child) -> (usize, i32) {
    // 1. The groups that limit it, before it owns anything.
    for &tasks in &child.tasks {
        let wrote = call(libc::SYS_write, [tasks as u64, c"0".as_ptr() as u64, 1, 0, 0, 0]);
        if wrote < 0 {
            return (1, -wrote as i32);
        }
    }
    // 2. Who it is in its user namespace.
    for (file, text) in &child.maps {
        let failed = write_file(file, text.as_bytes());
        if failed < 0 {
            return (2, -failed as i32);
        }
    }
    // 3. What it may do there, kept through the exec.
    let failed = keep_capabilities(child.keep);
    if failed < 0 {
        return (3, -failed as i32);
    }
    // 4. Its descriptor, and no others.
    let (from, to) = (child.control as u64, fd::CONTROL as u64);
    let failed = call(libc::SYS_dup3, [from, to, 0, 0, 0, 0]);
    if failed < 0 {
        return (4, -failed as i32);
    }
    const CLOSE_RANGE_CLOEXEC: u64 = 4;
    for (first, last) in [(0, to - 1), (to + 1, u64::from(u32::MAX))] {
        let failed = call(libc::SYS_close_range, [first, last, CLOSE_RANGE_CLOEXEC, 0, 0, 0]);
        if failed < 0 {
            return (4, -failed as i32);
        }
    }
    let helper = child.helper.as_raw_fd() as u64;
    // 5. The helper, which is no name but a descriptor.
    let arguments = [c"sandbox-init".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null::<libc::c_char>()];
    let (arguments, environment) = (arguments.as_ptr() as u64, environment.as_ptr() as u64);
    let empty = c"".as_ptr() as u64;
    let flags = libc::AT_EMPTY_PATH as u64;
    let failed = call(libc::SYS_execveat, [helper, empty, arguments, environment, flags, 0]);
    (5, -failed as i32)
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
