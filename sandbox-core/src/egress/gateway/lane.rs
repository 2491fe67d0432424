//! One direction of a connection: what its writer has not taken yet, and how much comes at once.

use std::io::{self, ErrorKind};

use tokio::net::TcpStream;

use super::budget::Budget;
use super::conduit::{Lent, Pool};

/// The most that is moved past this process's memory at once.
const STRETCH: usize = 256 << 10;

/// From how much at once a direction counts as strong.
const STRONG: usize = 16 << 10;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane<'a> {
    /// What the writer's side has not taken yet.
    pub(super) waiting: Vec<u8>,
    /// How much of it has been written.
    written: usize,
    /// The same, where it went past this process's memory. One of the two is empty.
    lent: Option<Lent<'a>>,
    flow: Flow,
    /// The reader's side has ended.
    pub(super) ended: bool,
    /// The writer's side has been told.
    pub(super) told: bool,
}

/// How much comes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flow {
    /// A little, for which copying is best.
    #[default]
    Weak,
    /// Much.
    Strong,
    /// Much, and there may be no more: reading tells.
    Spent,
}

impl Flow {
    fn after(count: usize) -> Self {
        if count < STRONG { Self::Weak } else { Self::Strong }
    }
}

impl<'a> Lane<'a> {
    pub(super) fn is_clear(&self) -> bool {
        self.waiting.is_empty() && self.lent.is_none()
    }

    /// Writes what waits; how many bytes went.
    pub(super) fn flush(&mut self, to: &TcpStream) -> io::Result<usize> {
        if let Some(lent) = &mut self.lent {
            let count = lent.give(to)?;
            self.lent.take_if(|lent| lent.is_empty());
            return Ok(count);
        }
        let count = write(to, &self.waiting[self.written..])?;
        self.written += count;
        if self.written == self.waiting.len() {
            (self.waiting, self.written) = (Vec::new(), 0);
        }
        Ok(count)
    }

    /// Writes bytes, and keeps what is not taken.
    pub(super) fn pass(&mut self, bytes: &[u8], to: &TcpStream) -> io::Result<usize> {
        let count = write(to, bytes)?;
        self.waiting.extend_from_slice(&bytes[count..]);
        Ok(count)
    }

    /// Moves what comes past this process's memory; how many bytes went. `None`: nothing came so,
    /// and reading has to tell why.
    pub(super) fn bypass(
        &mut self,
        (from, to): (&TcpStream, &TcpStream),
        budget: &Budget<'_>,
        pool: &'a Pool,
    ) -> io::Result<Option<usize>> {
        if self.flow != Flow::Strong {
            return Ok(None);
        }
        let Some(mut lent) = pool.lend() else { return Ok(None) };
        let room = budget.take(STRETCH);
        // Without room it is for reading to tell whether anything is over it.
        let taken = if room == 0 { 0 } else { lent.take(from, room) };
        budget.give_back(room - taken);
        if taken < STRONG {
            self.flow = Flow::Spent;
        }
        if taken == 0 {
            return Ok(None);
        }
        let count = lent.give(to)?;
        self.lent = Some(lent).filter(|lent| !lent.is_empty());
        Ok(Some(count))
    }

    /// Notes how much was read at once, if anything.
    pub(super) fn has_read(&mut self, count: Option<usize>) {
        self.flow = match (count, self.flow) {
            (Some(count), _) => Flow::after(count),
            // What comes next comes after a pause, and was much before it.
            (None, Flow::Spent) => Flow::Strong,
            (None, flow) => flow,
        };
    }
}

/// Writes what is taken at once, which may be nothing.
fn write(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match to.try_write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
