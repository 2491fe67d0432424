//! A line that says how far a copy is, on a terminal, if it takes long.

use std::io::{self, IsTerminal, Read};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sandbox_core::SandboxPath;

/// Nobody wants to be told of less.
const LONG: Duration = Duration::from_secs(1);

/// What is shown: the file that is copied now, and how far it is.
const LINE: &str = "{wide_msg} {bar:20} {bytes}/{total_bytes}";

/// How far a copy is.
pub(super) struct Progress {
    started: Instant,
    shown: bool,
    bar: Option<ProgressBar>,
    /// Of everything.
    bytes: u64,
    /// Of everything before the present file.
    before: u64,
    size: u64,
    name: String,
}

/// Counts what is read.
pub(super) struct Counted<'a, R> {
    pub(super) inner: R,
    pub(super) progress: &'a mut Progress,
}

impl Progress {
    /// Nothing was copied yet; `wanted` is whether anybody wants to see it.
    pub(super) fn new(wanted: bool) -> Self {
        let shown = wanted && io::stderr().is_terminal();
        let (started, name) = (Instant::now(), String::new());
        Self { started, shown, bar: None, bytes: 0, before: 0, size: 0, name }
    }

    /// Begins with the next file.
    pub(super) fn begin(&mut self, path: &SandboxPath, size: u64) {
        if self.shown {
            (self.name, self.size, self.before) = (path.to_string(), size, self.bytes);
            if let Some(bar) = &self.bar {
                bar.set_length(size);
                bar.set_message(self.name.clone());
            }
        }
    }

    /// How many bytes were copied.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if !self.shown || self.started.elapsed() < LONG {
            return;
        }
        if self.bar.is_none() {
            let style = ProgressStyle::with_template(LINE);
            let bar = ProgressBar::with_draw_target(Some(self.size), ProgressDrawTarget::stderr())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(self.name.clone())
                .with_position(self.bytes - self.before);
            self.bar = Some(bar);
        }
        self.bar.iter().for_each(|bar| bar.set_position(self.bytes - self.before));
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.add(read);
        Ok(read)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
