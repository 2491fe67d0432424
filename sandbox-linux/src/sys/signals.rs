//! The signal mask around a clone; what becomes of SIGPIPE.

/// Blocks every signal for this thread, so that no handler runs in the child on borrowed memory.
pub(super) fn block_signals() -> libc::sigset_t {
    // SAFETY: plain C structures, filled by the calls.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

pub(super) fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: a mask that was in force before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

/// Whether this process ignores SIGPIPE.
pub(crate) fn ignores_broken_pipes() -> bool {
    // SAFETY: a plain C structure, filled by the call, which changes nothing.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut now);
        asked == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}
