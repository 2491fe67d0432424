//! The bytes themselves: the newest of them, each with its stream and its place.

use std::collections::VecDeque;

use super::Stream;

/// The most that is handed out at once.
const PIECE: usize = 64 << 10;

/// Byte and stream stand together, so that a command that changes the stream with every byte costs
/// no more memory than one that does not.
#[derive(Debug)]
pub(super) struct Ring {
    bytes: VecDeque<(Stream, u8)>,
    capacity: usize,
    /// The place behind the newest byte: how many were ever written.
    end: u64,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity: capacity.max(1), end: 0 }
    }

    /// The place of the oldest byte.
    pub(super) fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many bytes can be pushed so that those from `needed` on stay.
    pub(super) fn room(&self, needed: Option<u64>) -> usize {
        let held = self.end - needed.unwrap_or(self.end).max(self.start());
        self.capacity - usize::try_from(held).unwrap_or(usize::MAX).min(self.capacity)
    }

    /// Appends at most as many bytes as the capacity, and drops as many of the oldest as need be.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let over = (self.bytes.len() + bytes.len()).saturating_sub(self.capacity);
        self.bytes.drain(..over);
        // Growing by doubling, but never past the capacity.
        let length = self.bytes.len();
        let wanted = (length * 2).clamp(length + bytes.len(), self.capacity);
        self.bytes.reserve_exact(wanted - length);
        self.bytes.extend(bytes.iter().map(|&byte| (stream, byte)));
        self.end += bytes.len() as u64;
    }

    /// The bytes of one stream that begin at `place`; `None` at the end.
    pub(super) fn piece(&self, place: u64) -> Option<(Stream, Vec<u8>)> {
        let skipped = usize::try_from(place - self.start()).unwrap_or(usize::MAX);
        let (stream, _) = *self.bytes.get(skipped)?;
        let run = self.bytes.range(skipped..).take(PIECE).take_while(|(of, _)| *of == stream);
        Some((stream, run.map(|&(_, byte)| byte).collect()))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.iter().map(|&(_, byte)| byte).collect()
    }
}
