//! How far the work is.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How far a save or a restore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that were copied.
    pub bytes: u64,
    /// Files, links and pipes that were copied.
    pub files: u64,
    /// How many bytes there are to copy; more or less, while the folders change.
    pub total_bytes: u64,
    /// How many files, links and pipes there are to copy.
    pub total_files: u64,
}

/// Tells of progress, not too often. Lives on the caller's thread.
pub(super) struct Meter<'a> {
    tell: &'a dyn Fn(Progress),
    now: Cell<Progress>,
    told: Cell<Option<Instant>>,
}

impl<'a> Meter<'a> {
    const PAUSE: Duration = Duration::from_millis(50);

    pub(super) fn new(tell: &'a dyn Fn(Progress), total_bytes: u64, total_files: u64) -> Self {
        let now = Progress { total_bytes, total_files, ..Progress::default() };
        Self { tell, now: Cell::new(now), told: Cell::new(None) }
    }

    pub(super) fn add(&self, bytes: u64, files: u64) {
        let mut now = self.now.get();
        now.bytes += bytes;
        now.files += files;
        self.now.set(now);
        if self.told.get().is_none_or(|told| told.elapsed() >= Self::PAUSE) {
            self.tell();
        }
    }

    /// Tells what was not told yet.
    pub(super) fn tell(&self) {
        self.told.set(Some(Instant::now()));
        (self.tell)(self.now.get());
    }
}
