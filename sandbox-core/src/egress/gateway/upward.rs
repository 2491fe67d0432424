//! What becomes of a client's bytes before they go to the server.

use std::time::Duration;

use tokio::time::Instant;

use crate::egress::decision::{Ask, Reason};
use crate::egress::flight::{First, Flight, leading};
use crate::egress::http::{Authority, Requests, Step, target};
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
    /// How much of what is held has been passed on: the beginning of a line that names nobody.
    passed: usize,
    since: Option<Instant>,
    patience: Duration,
    deadline: Duration,
}

/// A request for another host: the host, and the bytes from the request on.
pub(super) type Other = (Authority, Vec<u8>);

impl Upward {
    /// A client that believes to talk to the host of `ask`. After `patience` a word without a line
    /// end is passed on; after `deadline` a handshake or a request that was begun is given up.
    pub(super) fn opening(ask: &Ask, patience: Duration, deadline: Duration) -> Self {
        Self::Opening(Box::new(Opening {
            ask: ask.clone(),
            flight: Flight::default(),
            held: Vec::new(),
            passed: 0,
            since: None,
            patience,
            deadline,
        }))
    }

    /// Whether bytes can pass as they come.
    pub(super) fn is_free(&self) -> bool {
        matches!(self, Self::Free)
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
                opening.since.get_or_insert_with(Instant::now);
                opening.held.extend_from_slice(bytes);
                if let Some(first) = opening.flight.judge(&opening.held)? {
                    *self = opening.conclude(first, out)?;
                }
            }
        }
        Ok(None)
    }

    /// The client sends no more.
    pub(super) fn ended(&mut self, out: &mut Vec<u8>) -> Result<(), Reason> {
        if let Self::Opening(opening) = self {
            let first = std::mem::take(&mut opening.flight).ended(&opening.held)?;
            *self = opening.conclude(first, out)?;
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
        let word = opening.passed < opening.held.len() && Flight::is_word(&opening.held);
        let wait = match (word, opening.passed) {
            (true, _) => opening.patience,
            (false, 0) => opening.deadline,
            // A client that talks in words, and waits for answers in between.
            (false, _) if Flight::is_word(&opening.held) => return None,
            (false, _) => opening.deadline,
        };
        opening.since.map(|since| since + wait)
    }

    /// Passes a word on, or gives a client up that does not end what it began.
    pub(super) fn late(&mut self, out: &mut Vec<u8>) -> Result<(), Reason> {
        let Self::Opening(opening) = self else { return Ok(()) };
        if !Flight::is_word(&opening.held) {
            return Err(Reason::Unfinished);
        }
        out.extend_from_slice(&opening.held[opening.passed..]);
        opening.passed = opening.held.len();
        Ok(())
    }
}

impl Opening {
    /// Holds what the first flight is against what was allowed, and lets it pass.
    fn conclude(&mut self, first: First, out: &mut Vec<u8>) -> Result<Upward, Reason> {
        let by_name = matches!(self.ask.target, Target::Name(_));
        let held = std::mem::take(&mut self.held);
        match first {
            First::Tls { name: Some(name) } if by_name => {
                if target(&name).as_ref() != Some(&self.ask.target) {
                    return Err(Reason::OtherHost { named: name });
                }
            }
            // The web's ports are where many hosts share one server.
            First::Http2 if by_name && matches!(self.ask.port, 80 | 443) => {
                return Err(Reason::HiddenHosts);
            }
            First::Http(_) => {
                let mut requests = Requests::direct(self.ask.target.clone(), self.ask.port);
                let mut passing = Vec::new();
                requests.push(&held, &mut passing)?;
                let passed = self.passed.saturating_sub(leading(&held));
                out.extend_from_slice(passing.get(passed..).unwrap_or_default());
                return Ok(Upward::Requests(Box::new(requests)));
            }
            First::Tls { .. } | First::Http2 | First::Opaque => {}
        }
        out.extend_from_slice(&held[self.passed..]);
        Ok(Upward::Free)
    }
}

#[cfg(test)]
mod tests;
