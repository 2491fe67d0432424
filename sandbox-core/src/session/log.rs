//! A bounded log of what a command writes, for those who look later and those who watch.
//!
//! # Theory of operation
//! The log is a ring of bytes, each with the stream that it came from. Every byte has a place, its
//! number since the beginning; a watcher is no more than the place that it has read up to. To write
//! is to drop the oldest bytes for new ones, but never a byte that a watcher has yet to read: then
//! the writer waits, as a command waits for the reader of a pipe.
//!
//! It does not wait for ever. A watcher that reads nothing while a writer waits has the log's
//! *patience*. Then it is left behind: the bytes go, and when it reads again it is told how many it
//! missed. Until it reads again nobody waits for it, so a watcher that has stopped costs the command
//! one such wait, and never costs another watcher a byte.
//!
//! Nobody holds the lock while waiting. Both sides create what they will wait for (`Notify`) before
//! they look at the state, so no change falls between the look and the wait.

mod readers;
mod ring;
mod text;
mod watcher;
mod writer;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use readers::Readers;
use ring::Ring;

pub use watcher::{Piece, Watcher};
pub use writer::LogWriter;

/// A patience beyond this is none: the clock cannot count much further.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Which of a command's streams bytes came from. A terminal has standard output alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a watcher begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With the next byte that is written.
    Now,
    /// With the oldest byte that is still there.
    Scrollback,
    /// At a place, see [`Watcher::place`]; if it is gone, at the oldest byte, and the watcher is
    /// told. A place that nothing was written to yet is the end.
    Offset(u64),
}

/// The last bytes of one command's streams, in the order in which they came. Copies are handles of
/// the same log.
#[derive(Clone, Debug)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    patience: Duration,
    state: Mutex<State>,
    /// A watcher has read or gone away.
    taken: Notify,
    /// Something was written, or the log was closed.
    grown: Notify,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    readers: Readers,
    closed: bool,
}

impl Log {
    /// A log that keeps the last `capacity` bytes, at least one, and waits for a watcher that does
    /// not read for at most `patience`. It takes up to twice its capacity in memory.
    #[must_use]
    pub fn new(capacity: usize, patience: Duration) -> Self {
        let state = State { ring: Ring::new(capacity), readers: Readers::default(), closed: false };
        Self(Arc::new(Shared {
            patience: patience.min(LONGEST),
            state: Mutex::new(state),
            taken: Notify::new(),
            grown: Notify::new(),
        }))
    }

    /// Writes; waits for watchers that have yet to read what would be dropped. A wait that is given
    /// up leaves a part written.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] when the log is closed.
    pub async fn append(&self, stream: Stream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_append(stream, bytes)? {
                0 => self.room().await,
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    /// The bytes that are still there, both streams in their order, but for characters that the
    /// log's two ends cut.
    #[must_use]
    pub fn tail(&self) -> Vec<u8> {
        let state = self.0.lock();
        let cut = state.ring.start() > 0;
        let bytes = state.ring.bytes();
        drop(state);
        text::whole(&bytes, cut).to_vec()
    }

    /// The same as text, with replacement characters for what is not UTF-8.
    #[must_use]
    pub fn tail_text(&self) -> String {
        String::from_utf8_lossy(&self.tail()).into_owned()
    }

    /// How many bytes were written.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.lock().ring.end()
    }

    /// How many of them are no longer there.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.lock().ring.start()
    }

    /// Watches, from `start` on.
    #[must_use]
    pub fn watch(&self, start: Start) -> Watcher {
        let mut state = self.0.lock();
        let place = match start {
            Start::Now => state.ring.end(),
            Start::Scrollback => state.ring.start(),
            Start::Offset(place) => place.min(state.ring.end()),
        };
        let key = state.readers.add(place);
        drop(state);
        Watcher::new(Arc::clone(&self.0), key)
    }

    /// A writer into one of the streams. Dropping it does not close the log.
    #[must_use]
    pub fn writer(&self, stream: Stream) -> LogWriter {
        LogWriter::new(self.clone(), stream)
    }

    /// Ends the log: watchers read what is there and then meet the end; nothing more is taken.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.grown.notify_waiters();
        self.0.taken.notify_waiters();
    }

    /// Writes what there is room for.
    fn try_append(&self, stream: Stream, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let written = state.room().min(bytes.len());
        state.ring.push(stream, &bytes[..written]);
        drop(state);
        self.0.grown.notify_waiters();
        Ok(written)
    }

    /// Waits until there is room or the log is closed: at the latest until every watcher that is in
    /// the way has had its time.
    async fn room(&self) {
        loop {
            let taken = self.0.taken.notified();
            let Some(since) = self.0.lock().held_since(Instant::now()) else { return };
            tokio::select! {
                () = taken => {}
                () = sleep_until(since + self.0.patience) => {
                    let late = Instant::now().checked_sub(self.0.patience);
                    self.0.lock().leave_behind(late.unwrap_or(since));
                }
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many bytes can be written without one being lost to a watcher.
    fn room(&self) -> usize {
        self.ring.room(self.readers.slowest())
    }

    /// Since when a writer has been waiting for the watcher that holds it longest; `None` when it
    /// need not wait.
    fn held_since(&mut self, now: Instant) -> Option<Instant> {
        if self.closed || self.room() > 0 {
            return None;
        }
        self.readers.held_since(self.ring.start(), now)
    }

    /// Goes on without the watchers that have held a writer since `since` or longer.
    fn leave_behind(&mut self, since: Instant) {
        self.readers.leave_behind(since);
    }
}

#[cfg(test)]
mod tests;
