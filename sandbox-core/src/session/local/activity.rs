//! What goes on in a session: how many commands run, when the last one did, what they used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::confine::{Egress, Ended, Process};
use crate::error::Result;
use crate::exec::{TerminalSize, Usage};

/// Shared by a session and its commands.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    running: usize,
    /// When a command last started or ended.
    last: Instant,
    used: Usage,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let used = Usage::default();
        Arc::new(Self(Mutex::new(Counts { running: 0, last: Instant::now(), used })))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many commands run.
    pub(super) fn running(&self) -> usize {
        self.lock().running
    }

    /// Since when nothing has run; `None` while something does.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let counts = self.lock();
        (counts.running == 0).then_some(counts.last)
    }

    /// Something happened.
    pub(super) fn touch(&self) {
        self.lock().last = Instant::now();
    }

    /// What the commands that have ended have used.
    pub(super) fn used(&self) -> Usage {
        self.lock().used
    }

    /// Counts a command in until its process is dropped.
    pub(super) fn follow(self: &Arc<Self>, process: Arc<dyn Process>) -> Arc<dyn Process> {
        let mut counts = self.lock();
        counts.running += 1;
        counts.last = Instant::now();
        drop(counts);
        let guard = Guard { activity: Arc::clone(self), counted: Mutex::new(true) };
        Arc::new(Followed { process, guard })
    }
}

/// A command that counts.
struct Followed {
    process: Arc<dyn Process>,
    guard: Guard,
}

struct Guard {
    activity: Arc<Activity>,
    counted: Mutex<bool>,
}

impl Guard {
    /// Counts the command out, once.
    fn end(&self, used: Option<&Usage>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut *counted) {
            return;
        }
        let mut counts = self.activity.lock();
        counts.running -= 1;
        counts.last = Instant::now();
        if let Some(used) = used {
            counts.used.add(used);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(None);
    }
}

#[async_trait]
impl Process for Followed {
    fn id(&self) -> u32 {
        self.process.id()
    }

    async fn wait(&self) -> Result<Ended> {
        let ended = self.process.wait().await?;
        self.guard.end(Some(&ended.usage));
        Ok(ended)
    }

    fn signal(&self, signal: i32) -> Result<()> {
        self.process.signal(signal)
    }

    fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        self.process.egress()
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        self.process.resize(size)
    }
}
