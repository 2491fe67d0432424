//! The requests of one connection, each judged before it is passed on.
//!
//! A server chooses by the Host of every request, so the first one says nothing about those behind
//! it. Bytes are therefore followed for as long as the connection speaks HTTP: a head is held until
//! it is whole and judged, a body passes as it comes.
//!
//! Two kinds of connections are followed. On a *direct* one the client believes to talk to the
//! server, and requests are passed on as they are. On a *proxied* one it sends absolute targets;
//! they become what a server gets, and a request for another host asks for another connection.
//!
//! A direct connection may change to another protocol (WebSocket, say) by its first request: what
//! the client sends then is held until the server has answered, and is free if the server agreed.
//! Later requests cannot change the protocol, as their answers are not told apart here.

use std::fmt;

use crate::egress::Target;
use crate::egress::flight::{MOST, leading};

use super::body::Body;
use super::head::{Form, Head};
use super::rewrite::to_origin;
use super::{Authority, Framing, Malformed};

/// How an answer begins that agrees to another protocol.
const SWITCHING: &[u8] = b"HTTP/1.1 101";

/// Why a request must not be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It has no single reading.
    Malformed(Malformed),
    /// It names another host than the connection's.
    Host(Authority),
    /// It asks for a tunnel through the server.
    Tunnel,
    /// It changes to a protocol in which hosts cannot be seen.
    Protocol,
    /// It has a credential's placeholder where that must not be.
    Misused {
        /// The credential's name.
        credential: String,
        /// What is wrong about it.
        how: Misuse,
    },
}

/// What is wrong about a placeholder in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The connection is none that secrets go into.
    #[error("is in a request on a connection without TLS or to a host that it is not for")]
    Plain,
    /// The request is for a host that the credential is not for.
    #[error("is in a request to a host that it is not for")]
    Host,
    /// The credential does not go with the method.
    #[error("is in a request with a method that it is not for")]
    Method,
    /// The credential does not go with the path, or servers read that in more than one way.
    #[error("is in a request for a path that it is not for")]
    Path,
    /// It is in the target, in another header, or in a header that is there twice.
    #[error("is in another place of a request than its header")]
    Place,
    /// The header's value has none of the credential's formats.
    #[error("is in its header in a form that the policy does not list")]
    Format,
}

impl Misuse {
    /// One word for logs and programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Plain => "credential_plain",
            Self::Host => "credential_host",
            Self::Method => "credential_method",
            Self::Path => "credential_path",
            Self::Place => "credential_place",
            Self::Format => "credential_format",
        }
    }
}

/// Has a word about each head, after it was judged and before it passes.
pub(crate) trait Editor: fmt::Debug + Send {
    /// Puts out what the server gets instead of these bytes, which are the head.
    fn edit(&mut self, head: &Head, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// What came of some bytes.
#[derive(Debug)]
pub enum Step {
    /// What may pass has been put out; the rest is held.
    Passed,
    /// On a proxied connection: the next request is for this host, and these bytes begin with it.
    Other(Authority, Vec<u8>),
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub struct Requests {
    /// Whom requests may name; none on a proxied connection before its first.
    host: Option<(Target, u16)>,
    proxied: bool,
    state: State,
    /// The head as far as it has come, or what is held until an answer.
    held: Vec<u8>,
    /// How much of it has been looked at.
    seen: usize,
    first: bool,
    answer: Vec<u8>,
    editor: Option<Box<dyn Editor>>,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Body),
    /// Until the server has answered the offer to change to these protocols.
    Offered(String),
    Free,
}

impl Requests {
    /// A connection whose client believes to talk to this host.
    #[must_use]
    pub fn direct(target: Target, port: u16) -> Self {
        Self::new(Some((target, port)), false)
    }

    /// A connection whose client talks to a proxy.
    #[must_use]
    pub fn proxied() -> Self {
        Self::new(None, true)
    }

    fn new(host: Option<(Target, u16)>, proxied: bool) -> Self {
        let (held, answer) = (Vec::new(), Vec::new());
        let (state, seen, first, editor) = (State::Head, 0, true, None);
        Self { host, proxied, state, held, seen, first, answer, editor }
    }

    /// Has this editor see each head.
    pub(crate) fn edited_by(mut self, editor: Option<Box<dyn Editor>>) -> Self {
        self.editor = editor;
        self
    }

    /// Says to whom a proxied connection leads from here on.
    pub fn aim(&mut self, target: Target, port: u16) {
        self.host = Some((target, port));
    }

    /// Whether the server's next bytes decide what the client's are.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        matches!(self.state, State::Offered(_))
    }

    /// Takes bytes of the client and puts out what may pass.
    ///
    /// # Errors
    /// Why the connection must end. What was put out before is of requests that may pass.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, Fault> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Free => {
                    out.extend_from_slice(bytes);
                    return Ok(Step::Passed);
                }
                State::Offered(_) => {
                    self.held.extend_from_slice(bytes);
                    let fits = self.held.len() <= MOST;
                    return if fits { Ok(Step::Passed) } else { Err(Malformed::TooLong.into()) };
                }
                State::Body(body) => {
                    let taken = body.take(bytes)?;
                    out.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    if body.is_done() {
                        self.state = State::Head;
                    }
                }
                State::Head => {
                    bytes = self.gather(bytes)?;
                    if self.seen == 0 && !self.held.is_empty() {
                        if let Some(authority) = self.judge(out)? {
                            let mut rest = std::mem::take(&mut self.held);
                            rest.extend_from_slice(bytes);
                            return Ok(Step::Other(authority, rest));
                        }
                        self.held = Vec::new();
                    }
                }
            }
        }
        Ok(Step::Passed)
    }

    /// Adds to the head, and gives back what is behind it. Looked at from the start again (`seen`
    /// is 0) means: whole.
    fn gather<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let skipped = if self.held.is_empty() { leading(bytes) } else { 0 };
        let bytes = &bytes[skipped..];
        let before = self.held.len();
        self.held.extend_from_slice(&bytes[..bytes.len().min(MOST - before)]);
        match super::head_end(&self.held, self.seen)? {
            Some(end) => {
                self.held.truncate(end);
                self.seen = 0;
                Ok(&bytes[end - before..])
            }
            None if self.held.len() >= MOST => Err(Malformed::TooLong),
            None => {
                self.seen = self.held.len();
                Ok(&[])
            }
        }
    }

    /// Judges the head that is held; `Some` if it is for another host.
    fn judge(&mut self, out: &mut Vec<u8>) -> Result<Option<Authority>, Fault> {
        let head = Head::parse(&self.held)?;
        if let Form::Tunnel(_) = head.form {
            return Err(Fault::Tunnel);
        }
        if self.proxied {
            let authority = meant(&head)?;
            let here = self.host.as_ref().is_some_and(|(target, port)| {
                authority.target == *target && authority.port.unwrap_or(80) == *port
            });
            if !here {
                return Ok(Some(authority));
            }
            self.pass(&head, &to_origin(&self.held)?, out)?;
        } else {
            let stranger = self.host.as_ref().and_then(|(host, port)| head.stranger(host, *port));
            if let Some(stranger) = stranger {
                return Err(Fault::Host(stranger.clone()));
            }
            let held = std::mem::take(&mut self.held);
            self.pass(&head, &held, out)?;
        }
        let first = std::mem::replace(&mut self.first, false);
        self.state = match (head.upgrade, head.framing) {
            (Some(offers), Framing::Length(0)) if first && !self.proxied => State::Offered(offers),
            (_, framing) => State::Body(Body::new(framing)),
        };
        if let State::Body(body) = &self.state
            && body.is_done()
        {
            self.state = State::Head;
        }
        Ok(None)
    }

    fn pass(&mut self, head: &Head, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.editor {
            Some(editor) => return editor.edit(head, bytes, out),
            None => out.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// Takes bytes of the server while its answer is awaited, and puts out what was held if it
    /// agreed.
    ///
    /// # Errors
    /// The server agreed to a protocol in which hosts cannot be seen, or what was held is a request
    /// that must not pass.
    pub fn answered(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let State::Offered(offers) = &self.state else { return Ok(()) };
        let missing = SWITCHING.len() - self.answer.len();
        self.answer.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        if self.answer.len() < SWITCHING.len() && SWITCHING.starts_with(&self.answer) {
            return Ok(());
        }
        let agreed = self.answer == SWITCHING;
        let hidden = |offer: &str| offer.trim() == "h2c" || offer.trim().starts_with("tls");
        if agreed && offers.split(',').any(hidden) {
            return Err(Fault::Protocol);
        }
        self.state = if agreed { State::Free } else { State::Head };
        let held = std::mem::take(&mut self.held);
        self.push(&held, out).map(drop)
    }
}

/// The host of a request to a proxy, which its Host must agree with.
fn meant(head: &Head) -> Result<Authority, Fault> {
    let Form::Absolute(authority) = &head.form else { return Err(Malformed::Target.into()) };
    let port = authority.port.unwrap_or(80);
    match &head.host {
        Some(host) if !host.is(&authority.target, port) => Err(Fault::Host(host.clone())),
        _ => Ok(authority.clone()),
    }
}

#[cfg(test)]
mod tests;
