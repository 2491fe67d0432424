//! Takes helpers away off the path that a caller waits on.
//!
//! When a helper has reported, everything that ran is dead and reaped; what is left is the helper's
//! own exit, in which the kernel takes its namespaces down. That takes as long as half a launch,
//! and nobody needs to wait for it. One thread a process does.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

/// Starts the thread, if there is none: best while a command runs and nobody waits for us.
pub(crate) fn stand_by() -> Option<&'static Sender<OwnedFd>> {
    static THREAD: OnceLock<Option<Sender<OwnedFd>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = channel::<OwnedFd>();
        let wait = move || receiver.into_iter().for_each(|helper| crate::sys::reap(&helper));
        let name = "sandbox-reaper".to_owned();
        std::thread::Builder::new().name(name).stack_size(64 << 10).spawn(wait).ok()?;
        Some(sender)
    });
    thread.as_ref()
}

/// Waits for a helper that has reported, sooner or later.
pub(crate) fn bury(helper: OwnedFd) {
    let left = match stand_by() {
        Some(sender) => sender.send(helper).map_err(|refused| refused.0),
        None => Err(helper),
    };
    if let Err(helper) = left {
        crate::sys::reap(&helper);
    }
}
