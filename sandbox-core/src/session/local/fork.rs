//! Forks: sessions that begin where another one is.
//!
//! Each is as much work as any session, most of it the kernel's, so several are made at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::LocalSessions;
use super::live::Live;
use super::provision::Heritage;
use crate::confine::Confinement;
use crate::error::Result;
use crate::session::spec::SandboxSpec;

/// The most forks that are made at once.
const MOST_AT_ONCE: usize = 8;

impl<C: Confinement + ?Sized> LocalSessions<C> {
    /// Makes this many forks, or none.
    pub(super) async fn forks(&self, live: &Arc<Live>, count: usize) -> Result<Vec<Arc<Live>>> {
        let frozen = live.freeze_layers().await?;
        let stamps: Vec<_> = live.inner().stacks.iter().map(|it| it.stamp.clone()).collect();
        let sources = live.inner().sources.clone();
        let heritage = Heritage {
            parent: Some(live.id().clone()),
            layer_folder: live.layer_folder(),
            frozen,
            stamps,
            sources,
            furnished: Some(live.furnished()),
        };
        let mut spec = SandboxSpec { id: None, mounts: live.mounts(), ..live.spec.clone() };
        let network = live.inner().plan.network.clone();
        if network.is_denied() {
            // Nothing will be decided.
            spec.net_log = None;
        }
        spec.policy = spec.policy.reaching(network);
        let (made, failed) = self.make_all(&spec, &heritage, count);
        match failed {
            None => Ok(made),
            Some(error) => {
                self.end_all(made).await?;
                Err(error)
            }
        }
    }

    /// Makes sessions side by side; those that came to be, and why one did not.
    fn make_all(
        &self,
        spec: &SandboxSpec,
        heritage: &Heritage,
        count: usize,
    ) -> (Vec<Arc<Live>>, Option<crate::SandboxError>) {
        let at_once = thread::available_parallelism().map_or(1, usize::from) * 2;
        let at_once = at_once.min(MOST_AT_ONCE).min(count).max(1);
        let runtime = tokio::runtime::Handle::current();
        let (left, made) = (Mutex::new(count), Mutex::new((Vec::new(), None)));
        let work = || {
            let _context = runtime.enter();
            while take_one(&left) {
                let session = self.make(spec.clone(), heritage.clone());
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                match session {
                    Ok(session) => made.0.push(session),
                    Err(error) => {
                        *left.lock().unwrap_or_else(PoisonError::into_inner) = 0;
                        made.1 = Some(error);
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..at_once {
                scope.spawn(work);
            }
            work();
        });
        made.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions that were made and are not wanted.
    pub(super) async fn end_all(&self, sessions: Vec<Arc<Live>>) -> Result<()> {
        for session in sessions {
            // One that somebody else ended meanwhile is gone.
            if let Ok(session) = self.register.take(session.id()) {
                session.terminate().await?;
            }
        }
        Ok(())
    }
}

fn take_one(left: &Mutex<usize>) -> bool {
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}
