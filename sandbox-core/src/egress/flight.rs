//! What a client says first, and whom it names there.
//!
//! A connection was allowed because of a name. Many servers stand behind one address, and choose by
//! the name that the client sends: in the ClientHello of TLS, in the Host of HTTP. So the first
//! flight is read before it is passed on, and a name that is not the allowed one ends the
//! connection.
//!
//! Everything is judged by what the bytes are, not by the port. Bytes that no HTTP server could take
//! for a request and that are no TLS are opaque: they name nobody. To be on the safe side of every
//! lenient server, a first line counts as HTTP when `HTTP/` stands anywhere in it or when it begins
//! with a known method and a blank; and what counts as HTTP has one reading or is malformed.
//!
//! # Security
//! What is encrypted is not seen: TLS that begins later in a connection (STARTTLS), the Host inside of TLS, the inner name of an encrypted ClientHello
//! (its outer one is judged), QUIC. HTTP/2 without TLS compresses its hosts; it is told apart and
//! left to the caller to judge.

mod line;
mod tls;

use crate::egress::http::{Head, head_end};
pub(crate) use line::leading;

/// The most that is read before there must be a verdict, in bytes.
pub const MOST: usize = 64 << 10;

/// The first line of HTTP/2 without TLS and without an upgrade (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What the first flight is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum First {
    /// TLS.
    Tls {
        /// The name in the ClientHello, as it was written; none if the client sent none.
        name: Option<String>,
    },
    /// HTTP/1, with the first request's head.
    Http(Box<Head>),
    /// HTTP/2 without TLS.
    Http2,
    /// Anything else.
    Opaque,
}

/// How a client's bytes are broken, or could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The ClientHello.
    #[error("the ClientHello of TLS is malformed")]
    Hello,
    /// A line of HTTP, or how lines end.
    #[error("a line of the HTTP request is malformed")]
    Line,
    /// What a request asks for.
    #[error("the target of the HTTP request is malformed or of an unknown scheme")]
    Target,
    /// A field of HTTP.
    #[error("a field of the HTTP request is malformed")]
    Field,
    /// No host, more than one, or none that has one reading.
    #[error("the HTTP request names no host, more than one, or a malformed one")]
    Host,
    /// The length of a body.
    #[error("the length of the HTTP request's body has more than one reading")]
    Framing,
    /// A chunk of a body.
    #[error("a chunk of the HTTP request's body is malformed")]
    Body,
    /// A greeting or request of SOCKS.
    #[error("the SOCKS request is malformed")]
    Socks,
    /// More than [`MOST`] without a verdict.
    #[error("what the client sends first is too long")]
    TooLong,
}

impl Malformed {
    /// One word for logs and programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Hello => "tls_hello",
            Self::Line => "http_line",
            Self::Target => "http_target",
            Self::Field => "http_field",
            Self::Host => "http_host",
            Self::Framing => "http_framing",
            Self::Body => "http_body",
            Self::Socks => "socks",
            Self::TooLong => "too_long",
        }
    }
}

/// A first flight that comes in pieces.
///
/// ```
/// use sandbox_core::egress::flight::{First, Flight};
/// let mut flight = Flight::default();
/// assert!(flight.judge(b"GET / HTTP/1.1\r\n")?.is_none());
/// let first = flight.judge(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")?;
/// assert!(matches!(first, Some(First::Http(head)) if head.host().is_some()));
/// # Ok::<(), sandbox_core::egress::flight::Malformed>(())
/// ```
#[derive(Debug, Default)]
pub struct Flight {
    hello: tls::Hello,
    /// It is no TLS.
    begun: bool,
    line: line::Line,
    /// How much of the head has been looked at.
    seen: usize,
}

impl Flight {
    /// Judges everything that the client has sent so far, which each time is what it was before and
    /// possibly more. `None`: the verdict needs more.
    ///
    /// # Errors
    /// The bytes are malformed, or too many.
    pub fn judge(&mut self, bytes: &[u8]) -> Result<Option<First>, Malformed> {
        let first = match tls::begins(bytes) {
            None => None,
            Some(true) => self.hello.read(bytes)?.map(|name| First::Tls { name }),
            Some(false) => self.text(bytes)?,
        };
        if first.is_none() && bytes.len() >= MOST {
            // No server waits so long for the end of a method.
            let endless = self.is_word() && !self.line.has_method();
            return if endless { Ok(Some(First::Opaque)) } else { Err(Malformed::TooLong) };
        }
        Ok(first)
    }

    /// After a verdict of TLS: how much of the bytes belongs to the ClientHello.
    #[must_use]
    pub fn hello_length(&self) -> usize {
        self.hello.taken()
    }

    /// Judges what a client of TLS sends after its first ClientHello, all of it so far. A server may
    /// have it send another one; anything else is opaque.
    ///
    /// # Errors
    /// The second ClientHello is malformed, or what is needed for a verdict is too long.
    pub fn judge_again(&mut self, bytes: &[u8]) -> Result<Option<First>, Malformed> {
        let first = match tls::again(bytes) {
            None => None,
            Some(None) => Some(First::Opaque),
            Some(Some(at)) => self.hello.read(&bytes[at..])?.map(|name| First::Tls { name }),
        };
        if first.is_none() && bytes.len() >= MOST {
            return Err(Malformed::TooLong);
        }
        Ok(first)
    }

    /// Whether the beginning of a first line that was judged last names nobody as far as it goes, so
    /// that it can be passed on while more is awaited: for clients that send a word and wait for an
    /// answer.
    #[must_use]
    pub fn is_word(&self) -> bool {
        self.begun && !self.line.is_whole() && !self.line.is_request()
    }

    /// Judges everything that a client has sent who will send no more.
    ///
    /// # Errors
    /// It began a request or a handshake and did not end it.
    pub fn ended(mut self, bytes: &[u8]) -> Result<First, Malformed> {
        match self.judge(bytes)? {
            Some(first) => Ok(first),
            None if bytes.is_empty() || self.is_word() => Ok(First::Opaque),
            None if tls::begins(bytes) == Some(true) => Err(Malformed::Hello),
            None => Err(Malformed::Line),
        }
    }

    fn text(&mut self, bytes: &[u8]) -> Result<Option<First>, Malformed> {
        self.begun = true;
        self.line.read(bytes);
        if self.line.is_open() {
            return Ok(None);
        }
        if !self.line.is_request() {
            return Ok(Some(First::Opaque));
        }
        let rest = &bytes[self.line.start()..];
        if rest.strip_prefix(PREFACE).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            return Ok(Some(First::Http2));
        }
        let end = head_end(rest, self.seen)?;
        self.seen = rest.len();
        end.map(|end| Ok(First::Http(Box::new(Head::parse(&rest[..end])?)))).transpose()
    }
}

#[cfg(test)]
pub(crate) mod tests;
