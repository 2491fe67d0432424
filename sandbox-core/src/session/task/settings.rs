//! What the tasks of a session have in common.

use std::time::Duration;

use crate::session::log::Log;

/// How much is kept of each task, and of how many.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of output that are kept of each task.
    pub log: usize,
    /// How long a command is held up by a watcher that reads nothing. More than half a second means
    /// that the end of what a limit has ended may be lost to everybody: its pumps wait for one.
    pub patience: Duration,
    /// How many tasks that have ended are kept.
    pub ended: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log: 1 << 20, patience: Duration::from_millis(500), ended: 64 }
    }
}

impl Settings {
    pub(super) fn log(&self) -> Log {
        Log::new(self.log, self.patience)
    }
}
