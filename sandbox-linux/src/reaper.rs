//! Takes helpers away off the path that a caller waits on.
//!
//! When a helper has reported, everything that ran is dead and reaped; what is left is the helper's
//! own exit, in which the kernel takes its namespaces down. That takes as long as half a launch,
//! and nobody needs to wait for it: a task of the caller's runtime does. Where there is no runtime,
//! or none any more, one thread a process does.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use tokio::runtime::Handle;

use crate::sys;

/// Waits for a helper that has reported, sooner or later.
pub(crate) fn bury(helper: OwnedFd) {
    let dying = Dying(Some(helper));
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(dying.end());
    }
}

/// The thread, if it can be had.
fn thread() -> Option<&'static Sender<OwnedFd>> {
    static THREAD: OnceLock<Option<Sender<OwnedFd>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = channel::<OwnedFd>();
        let wait = move || receiver.into_iter().for_each(|helper| sys::reap(&helper));
        let name = "sandbox-reaper".to_owned();
        std::thread::Builder::new().name(name).stack_size(64 << 10).spawn(wait).ok()?;
        Some(sender)
    });
    thread.as_ref()
}

/// A helper in its exit. Dropping it takes it away, or has the thread do so.
struct Dying(Option<OwnedFd>);

impl Dying {
    async fn end(self) {
        let copy = self.0.as_ref().map(OwnedFd::try_clone);
        if let Some(Ok(copy)) = copy
            && let Ok(watched) = sys::watch(copy)
        {
            // What cannot be watched is for the thread.
            let _ = watched.readable().await;
        }
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        let Some(helper) = self.0.take().filter(|helper| !sys::is_reaped(helper)) else { return };
        let left = match thread() {
            Some(thread) => thread.send(helper).map_err(|refused| refused.0),
            None => Err(helper),
        };
        if let Err(helper) = left {
            sys::reap(&helper);
        }
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

    /// Whether a child that has no more input is taken away.
    async fn goes(child: &mut Child) -> bool {
        drop(child.stdin.take());
        for _ in 0..4000 {
            if !std::path::Path::new(&format!("/proc/{}", child.id())).exists() {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        false
    }

    #[test]
    fn what_ends_is_taken_away_in_a_runtime_after_it_and_without_one() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ((mut first, one), (mut second, other)) = (child(), child());
        let there = runtime().block_on(async {
            bury(one);
            bury(other);
            goes(&mut first).await
        });
        assert!(there);
        assert!(runtime().block_on(goes(&mut second)));
        let (mut third, alone) = child();
        bury(alone);
        assert!(runtime().block_on(goes(&mut third)));
    }
}
