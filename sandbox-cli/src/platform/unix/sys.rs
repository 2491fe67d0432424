//! What no safe interface offers.

use std::mem::MaybeUninit;
use std::ptr;

/// Whether the process was started with `signal` ignored, as `nohup` and background jobs are.
pub(super) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: no new action is given, so nothing changes; `action` is valid for the answer.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call has succeeded, so it has filled `action`.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Closes every descriptor beyond standard error. Only for a process that has just begun.
pub(super) fn close_all_but_standard() {
    let Ok(open) = std::fs::read_dir("/dev/fd") else { return };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let all: Vec<i32> = open.flatten().filter_map(number).filter(|number| *number > 2).collect();
    for number in all {
        // SAFETY: nothing here owns a descriptor yet; the listing's own is closed already.
        unsafe { libc::close(number) };
    }
}
