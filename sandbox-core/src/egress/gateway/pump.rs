//! Carrying one connection: both directions in one task, without a buffer of its own.
//!
//! Bytes are read into a buffer that all connections of a thread share, when both the reader's side
//! has some and nothing waits for the writer's. Only what the writer does not take at once is kept.
//! So a connection that is idle, or whose two sides are equally fast, holds no memory but its state.
//!
//! A direction in which much comes at once, and nothing is left to judge, goes past this process's
//! memory ([`conduit`](super::conduit)). Ends, errors and silence are always found by reading.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, Interest, Ready};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until};

use super::budget::Budget;
use super::conduit::Pool;
use super::lane::Lane;
use super::upward::{Other, Upward};
use crate::egress::decision::{End, Entry, Reason};

/// The most that is read at once.
const CHUNK: usize = 64 << 10;

/// How many turns are taken before others on the thread have theirs.
const TURNS: u32 = 16;

/// How long a server is waited for to end its last answer, before the client's next request goes to
/// another one.
const FAREWELL: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Lends the thread's buffer.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}

/// One end of a connection. Unless it is [done](Self::done) it is reset when dropped, so that
/// nobody takes what was cut off for the end.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) stream: TcpStream,
    /// Descriptors that are set aside for what this connection will need.
    pub(super) spare: Vec<TcpSocket>,
    clean: bool,
}

impl Side {
    pub(super) fn new(stream: TcpStream, spare: Vec<TcpSocket>) -> Self {
        Self { stream, spare, clean: false }
    }

    /// From here on closing is an end like any other.
    pub(super) fn done(&mut self) {
        self.clean = true;
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if !self.clean {
            // An error means that there is nobody left to tell.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// Why carrying stopped.
#[derive(Debug)]
pub(super) enum Stop {
    End(End),
    Deny(Reason),
    /// The client's next request is for another host.
    Other(Other),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Deny(reason)
    }
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::End(End::Reset)
    }
}

/// A connection that is being carried.
pub(super) struct Pump<'a> {
    client: &'a mut TcpStream,
    server: &'a mut TcpStream,
    upward: &'a mut Upward,
    entry: &'a mut Entry,
    budget: &'a Budget<'a>,
    pool: &'a Pool,
    up: Lane<'a>,
    down: Lane<'a>,
    next: Option<(Other, Instant)>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        client: &'a mut TcpStream,
        server: &'a mut TcpStream,
        upward: &'a mut Upward,
        entry: &'a mut Entry,
        (budget, pool): (&'a Budget<'a>, &'a Pool),
    ) -> Self {
        let (up, down) = (Lane::default(), Lane::default());
        Self { client, server, upward, entry, budget, pool, up, down, next: None }
    }

    /// Carries until there is a reason to stop, which this always returns. `early` is what the
    /// client has sent already.
    pub(super) async fn run(mut self, early: &[u8], idle: Duration) -> Stop {
        let begun = self.judge(early);
        match begun {
            Ok(()) => self.carry(idle).await,
            Err(stop) => stop,
        }
    }

    async fn carry(&mut self, idle: Duration) -> Stop {
        let mut turns = 0;
        let mut last = Instant::now();
        loop {
            match self.turn().await {
                Err(stop) => return stop,
                Ok(true) => {
                    turns += 1;
                    if turns == TURNS {
                        (turns, last) = (0, Instant::now());
                        tokio::task::yield_now().await;
                    }
                    continue;
                }
                Ok(false) => turns = 0,
            }
            if self.next.is_none() && self.up.told && self.down.told {
                return Stop::End(End::Closed);
            }
            if let Some(next) = self.next.take_if(|_| self.down.ended && self.down.is_clear()) {
                return Stop::Other(next.0);
            }
            if let Err(stop) = self.wait(&mut last, idle).await {
                return stop;
            }
        }
    }

    /// Moves what can be moved now; whether anything was.
    async fn turn(&mut self) -> Result<bool, Stop> {
        let moved = self.go_up()? | self.go_down()?;
        let last = self.next.is_none();
        if self.up.ended && self.up.is_clear() && !self.up.told {
            self.up.told = true;
            // Who has ended as well is told by the closing.
            if !(last && self.down.told) {
                self.server.shutdown().await?;
            }
        }
        if last && self.down.ended && self.down.is_clear() && !self.down.told {
            self.down.told = true;
            if !self.up.told {
                self.client.shutdown().await?;
            }
        }
        Ok(moved)
    }

    fn go_up(&mut self) -> Result<bool, Stop> {
        if !self.up.is_clear() {
            let count = self.up.flush(self.server)?;
            self.entry.count(count as u64, 0);
            return Ok(count > 0);
        }
        if self.up.ended {
            return Ok(false);
        }
        if self.upward.is_free() {
            let sides = (&*self.client, &*self.server);
            if let Some(count) = self.up.bypass(sides, self.budget, self.pool)? {
                self.entry.count(count as u64, 0);
                return Ok(true);
            }
        }
        let read = receive(self.client, self.budget, |bytes| {
            if self.upward.is_free() {
                let count = self.up.pass(bytes, self.server)?;
                self.entry.count(count as u64, 0);
                return Ok(None);
            }
            Ok(self.upward.push(bytes, &mut self.up.waiting)?)
        })?;
        self.up.has_read(read.as_ref().map(|(count, _)| *count));
        match read {
            None => Ok(false),
            Some((0, _)) => {
                self.up.ended = true;
                self.upward.ended(&mut self.up.waiting)?;
                Ok(true)
            }
            Some((_, other)) => {
                self.turn_away(other);
                Ok(true)
            }
        }
    }

    fn go_down(&mut self) -> Result<bool, Stop> {
        if !self.down.is_clear() {
            let count = self.down.flush(self.client)?;
            self.entry.count(0, count as u64);
            return Ok(count > 0);
        }
        if self.down.ended {
            return Ok(false);
        }
        if !self.upward.needs_answers() {
            let sides = (&*self.server, &*self.client);
            if let Some(count) = self.down.bypass(sides, self.budget, self.pool)? {
                self.entry.count(0, count as u64);
                return Ok(true);
            }
        }
        let read = receive::<()>(self.server, self.budget, |bytes| {
            self.upward.answered(bytes, &mut self.up.waiting)?;
            let count = self.down.pass(bytes, self.client)?;
            self.entry.count(0, count as u64);
            Ok(None)
        })?;
        self.down.has_read(read.as_ref().map(|(count, _)| *count));
        if let Some((0, _)) = read {
            self.down.ended = true;
        }
        Ok(read.is_some())
    }

    fn judge(&mut self, early: &[u8]) -> Result<(), Stop> {
        if !early.is_empty() {
            let other = self.upward.push(early, &mut self.up.waiting)?;
            self.turn_away(other);
        }
        Ok(())
    }

    /// Ends this server's part, if the client's next request is for another one.
    fn turn_away(&mut self, other: Option<Other>) {
        if let Some(other) = other {
            self.up.ended = true;
            self.next = Some((other, Instant::now() + FAREWELL));
        }
    }

    /// Waits until something can be moved, or is due.
    async fn wait(&mut self, last: &mut Instant, idle: Duration) -> Result<(), Stop> {
        let farewell = self.next.as_ref().map(|(_, until)| *until);
        let due = [self.upward.due(), farewell].into_iter().flatten().min();
        let until = due.unwrap_or(*last + idle);
        let client = interest(!self.up.ended && self.up.is_clear(), !self.down.is_clear());
        let server = interest(!self.down.ended && self.down.is_clear(), !self.up.is_clear());
        tokio::select! {
            ready = ready(self.client, client) => drop(ready?),
            ready = ready(self.server, server) => drop(ready?),
            () = sleep_until(until) => {
                return match (self.next.take(), due) {
                    (Some((other, _)), _) => Err(Stop::Other(other)),
                    (None, Some(_)) => Ok(self.upward.late(&mut self.up.waiting)?),
                    (None, None) => Err(Stop::End(End::Idle)),
                };
            }
        }
        *last = Instant::now();
        Ok(())
    }
}

fn interest(read: bool, write: bool) -> Option<Interest> {
    match (read, write) {
        (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
        (true, false) => Some(Interest::READABLE),
        (false, true) => Some(Interest::WRITABLE),
        (false, false) => None,
    }
}

async fn ready(stream: &TcpStream, interest: Option<Interest>) -> io::Result<Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
    }
}

/// Reads what is there and has it handled; `None` when nothing is there, 0 at the end.
fn receive<T>(
    from: &TcpStream,
    budget: &Budget<'_>,
    handle: impl FnOnce(&[u8]) -> Result<Option<T>, Stop>,
) -> Result<Option<(usize, Option<T>)>, Stop> {
    let room = budget.take(CHUNK);
    let outcome = with_scratch(|scratch| {
        // An empty read would look like the end.
        let count = match from.try_read(&mut scratch[..room.max(1)]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            read => read?,
        };
        budget.give_back(room.saturating_sub(count));
        match count {
            0 => Ok(Some((0, None))),
            _ if room == 0 => Err(Stop::End(End::Limit)),
            _ => Ok(Some((count, handle(&scratch[..count])?))),
        }
    });
    if matches!(outcome, Ok(None)) {
        budget.give_back(room);
    }
    outcome
}
