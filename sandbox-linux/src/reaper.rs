//! Takes helpers away off the path that a caller waits on.
//!
//! When a helper has reported, everything that ran is dead and reaped; what is left is the helper's
//! own exit, in which the kernel takes its namespaces down. That takes as long as half a launch,
//! and nobody needs to wait for it: a task of the caller's runtime does. What a runtime leaves when
//! it ends is taken away at the next launch, or at the end of the process.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::sys;

/// Waits for a helper that has reported, sooner or later.
pub(crate) fn bury(helper: OwnedFd) {
    let dying = Dying(Some(helper));
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(dying.end());
    }
}

/// Takes away what has ended meanwhile.
pub(crate) fn sweep() {
    left().retain(|helper| !sys::is_reaped(helper));
}

fn left() -> MutexGuard<'static, Vec<OwnedFd>> {
    static LEFT: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A helper in its exit. Dropping it takes it away, or leaves it for later.
struct Dying(Option<OwnedFd>);

impl Dying {
    async fn end(self) {
        let copy = self.0.as_ref().map(OwnedFd::try_clone);
        if let Some(Ok(copy)) = copy
            && let Ok(watched) = sys::watch(copy)
        {
            // What cannot be watched is looked at later.
            let _ = watched.readable().await;
        }
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        left().extend(self.0.take().filter(|helper| !sys::is_reaped(helper)));
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A child that ends when its input does.
    fn child() -> (Child, OwnedFd) {
        let child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let id = rustix::process::Pid::from_child(&child);
        let flags = rustix::process::PidfdFlags::empty();
        (child, rustix::process::pidfd_open(id, flags).unwrap())
    }

    fn is_there(id: u32) -> bool {
        std::path::Path::new(&format!("/proc/{id}")).exists()
    }

    #[test]
    fn what_ends_is_taken_away_by_the_runtime_or_after_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut first, pidfd) = child();
        let (mut second, other) = child();
        runtime.block_on(async {
            bury(pidfd);
            bury(other);
            drop(first.stdin.take());
            for _ in 0..4000 {
                if !is_there(first.id()) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        assert!(!is_there(first.id()));
        drop(runtime);
        assert!(is_there(second.id()));
        drop(second.stdin.take());
        for _ in 0..4000 {
            sweep();
            if !is_there(second.id()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("it is there still");
    }
}
