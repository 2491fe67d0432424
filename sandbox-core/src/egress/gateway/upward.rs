//! What becomes of a client's bytes before they go to the server.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;
use crate::egress::decision::{Ask, Reason};
use crate::egress::flight::{First, Flight, leading};
use crate::egress::http::{Authority, Editor, Requests, Step, target};
use crate::egress::rules::Target;

/// How the bytes of one client are judged.
#[derive(Debug)]
pub(super) enum Upward {
    /// The first flight is awaited.
    Opening(Box<Opening>),
    /// Every request is judged.
    Requests(Box<Requests>),
    /// There is nothing more to judge.
    Free,
}

/// A first flight that is awaited.
#[derive(Debug)]
pub(super) struct Opening {
    ask: Ask,
    flight: Flight,
    held: Vec<u8>,
    /// The first ClientHello has passed, and a second one may come.
    again: bool,
    /// How much of what is held has been passed on: the beginning of a line that names nobody.
    passed: usize,
    since: Option<Instant>,
    patience: Duration,
    deadline: Duration,
    /// Who sees requests, if it comes to any.
    guard: Option<Box<dyn Editor>>,
}

/// A request for another host: the host, and the bytes from the request on.
pub(super) type Other = (Authority, Vec<u8>);

impl Upward {
    /// A client that believes to talk to the host of `ask`. After the limits' patience a word without
    /// a line end is passed on; after the time for openings a handshake or a request that was begun is
    /// given up.
    pub(super) fn opening(ask: &Ask, limits: &Limits, guard: Option<Box<dyn Editor>>) -> Self {
        Self::Opening(Box::new(Opening {
            ask: ask.clone(),
            flight: Flight::default(),
            held: Vec::new(),
            again: false,
            passed: 0,
            since: None,
            patience: limits.patience,
            deadline: limits.opening,
            guard,
        }))
    }

    /// Whether bytes can pass as they come.
    pub(super) fn is_free(&self) -> bool {
        matches!(self, Self::Free)
    }

    /// Whether [`answered`](Self::answered) has something to say.
    pub(super) fn needs_answers(&self) -> bool {
        matches!(self, Self::Requests(_))
    }

    /// Takes bytes of the client and puts out what may pass.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Other>, Reason> {
        match self {
            Self::Free => out.extend_from_slice(bytes),
            Self::Requests(requests) => {
                return match requests.push(bytes, out)? {
                    Step::Passed => Ok(None),
                    Step::Other(authority, rest) => Ok(Some((authority, rest))),
                };
            }
            Self::Opening(opening) => {
                opening.held.extend_from_slice(bytes);
                if let Some(next) = opening.judge(out)? {
                    *self = next;
                }
            }
        }
        Ok(None)
    }

    /// The client sends no more.
    pub(super) fn ended(&mut self, out: &mut Vec<u8>) -> Result<(), Reason> {
        if let Self::Opening(opening) = self {
            let first = match opening.again {
                // Cut off in the middle of the handshake, which no server goes on with.
                true => First::Opaque,
                false => std::mem::take(&mut opening.flight).ended(&opening.held)?,
            };
            *self = opening.conclude(first, out)?.unwrap_or(Self::Free);
        }
        Ok(())
    }

    /// Takes bytes of the server, whose answer may decide what the client's are.
    pub(super) fn answered(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        match self {
            Self::Requests(requests) => Ok(requests.answered(bytes, out)?),
            Self::Opening(_) | Self::Free => Ok(()),
        }
    }

    /// When [`late`](Self::late) has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        let Self::Opening(opening) = self else { return None };
        let wait = match opening.is_word() {
            // A client that talks in words, and waits for answers in between.
            true if opening.passed == opening.held.len() => return None,
            true => opening.patience,
            false => opening.deadline,
        };
        opening.since.map(|since| since + wait)
    }

    /// Passes a word on, or gives a client up that does not end what it began.
    pub(super) fn late(&mut self, out: &mut Vec<u8>) -> Result<(), Reason> {
        let Self::Opening(opening) = self else { return Ok(()) };
        if !opening.is_word() {
            return Err(Reason::Unfinished);
        }
        out.extend_from_slice(&opening.held[opening.passed..]);
        opening.passed = opening.held.len();
        Ok(())
    }
}

impl Opening {
    fn is_word(&self) -> bool {
        !self.again && self.flight.is_word()
    }

    /// Judges what is held, as often as there is something new to judge; `Some` when that is over.
    fn judge(&mut self, out: &mut Vec<u8>) -> Result<Option<Upward>, Reason> {
        loop {
            if self.held.is_empty() {
                self.since = None;
                return Ok(None);
            }
            self.since.get_or_insert_with(Instant::now);
            let first = match self.again {
                true => self.flight.judge_again(&self.held)?,
                false => self.flight.judge(&self.held)?,
            };
            let Some(first) = first else { return Ok(None) };
            if let Some(next) = self.conclude(first, out)? {
                return Ok(Some(next));
            }
        }
    }

    /// Holds what the client said against what was allowed, and lets it pass. `None`: it may say it
    /// once more.
    fn conclude(&mut self, first: First, out: &mut Vec<u8>) -> Result<Option<Upward>, Reason> {
        let by_name = matches!(self.ask.target, Target::Name(_));
        let mut next = Some(Upward::Free);
        let mut passing = self.held.len();
        match first {
            First::Tls { name } if by_name => {
                let other = name.filter(|name| target(name).as_ref() != Some(&self.ask.target));
                if let Some(named) = other {
                    return Err(Reason::OtherHost { named });
                }
                if !self.again {
                    passing = self.flight.hello_length();
                    next = None;
                }
            }
            // The web's ports are where many hosts share one server.
            First::Http2 if by_name && matches!(self.ask.port, 80 | 443) => {
                return Err(Reason::HiddenHosts);
            }
            First::Http(_) => return self.requests(out).map(Some),
            First::Tls { .. } | First::Http2 | First::Opaque => {}
        }
        out.extend_from_slice(&self.held[self.passed..passing]);
        self.held.drain(..passing);
        if next.is_none() {
            (self.again, self.passed, self.since) = (true, 0, None);
            self.flight = Flight::default();
        }
        Ok(next)
    }

    /// Has what is held, and all that follows, judged as requests.
    fn requests(&mut self, out: &mut Vec<u8>) -> Result<Upward, Reason> {
        let requests = Requests::direct(self.ask.target.clone(), self.ask.port);
        let mut requests = requests.edited_by(self.guard.take());
        let mut passing = Vec::new();
        requests.push(&self.held, &mut passing)?;
        let passed = self.passed.saturating_sub(leading(&self.held));
        out.extend_from_slice(passing.get(passed..).unwrap_or_default());
        Ok(Upward::Requests(Box::new(requests)))
    }
}

#[cfg(test)]
mod tests;
