//! The one question that no safe interface asks.

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
