//! A watcher: a place in the log, moved on by reading.

use std::sync::Arc;
use std::task::Poll;

use super::{Shared, State, Stream};

/// Reads a log to its end while it grows. Dropping it releases a writer that waits for it.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    key: u64,
}

/// What a watcher reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// What one stream brought next.
    Bytes {
        /// The stream.
        stream: Stream,
        /// At least one byte.
        bytes: Vec<u8>,
    },
    /// The watcher was too slow, and the writer went on without it.
    Lagged {
        /// How many bytes it will never see.
        missed: u64,
    },
}

impl Watcher {
    pub(super) fn new(shared: Arc<Shared>, key: u64) -> Self {
        Self { shared, key }
    }

    /// The next bytes, as soon as there are any; `None` when the log is closed and read to its end.
    ///
    /// Can be given up and called again; nothing is lost by that.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            let grown = self.shared.grown.notified();
            match self.read() {
                Poll::Ready(piece) => return piece,
                Poll::Pending => grown.await,
            }
        }
    }

    /// What can be read without waiting.
    fn read(&self) -> Poll<Option<Piece>> {
        let mut state = self.shared.lock();
        let piece = state.take(self.key);
        let closed = state.closed;
        drop(state);
        if piece.is_some() {
            self.shared.taken.notify_waiters();
        }
        if piece.is_some() || closed { Poll::Ready(piece) } else { Poll::Pending }
    }

    /// The place of what is read next: how many bytes were written before it. Another watcher can
    /// go on from there, see [`Start::Offset`](super::Start::Offset).
    #[must_use]
    pub fn place(&self) -> u64 {
        self.shared.lock().readers.place(self.key)
    }
}

impl State {
    /// What a watcher reads next, if there is anything; it has read it then.
    fn take(&mut self, key: u64) -> Option<Piece> {
        let (place, start) = (self.readers.place(key), self.ring.start());
        if place < start {
            self.readers.advance(key, start);
            return Some(Piece::Lagged { missed: start - place });
        }
        let (stream, bytes) = self.ring.piece(place)?;
        self.readers.advance(key, place + bytes.len() as u64);
        Some(Piece::Bytes { stream, bytes })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.lock().readers.remove(self.key);
        self.shared.taken.notify_waiters();
    }
}
