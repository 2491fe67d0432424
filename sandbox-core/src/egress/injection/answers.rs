//! The answers on one connection: where each ends, and none with a secret in it.
//!
//! Where an answer ends decides when a refusal may be sent behind it. A body in chunks is put
//! together and cut anew, so that a secret across two chunks is seen; trailer fields are left out.

use std::sync::Arc;

use zeroize::Zeroize as _;

use super::echo::Echoes;
use super::edit::Exchange;
use crate::egress::http::{Body, Framing};

/// The longest head.
const HEAD: usize = 256 << 10;
/// The most fields of one.
const FIELDS: usize = 256;

/// An answer that has no reading, or that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Follows the answers of one server.
#[derive(Debug)]
pub(crate) struct Answers {
    exchange: Arc<Exchange>,
    state: State,
    head: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Body),
    UntilEnd,
    /// Another protocol.
    Free,
}

impl Answers {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, state: State::Head, head: Vec::new() }
    }

    /// Whether every request has been answered in full.
    pub(crate) fn are_done(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty() && !self.exchange.awaits()
    }

    /// Takes bytes of the server and puts out what the client gets.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        let exchange = Arc::clone(&self.exchange);
        let echoes = &mut *exchange.echoes();
        while !bytes.is_empty() {
            match &mut self.state {
                State::Free | State::UntilEnd => {
                    echoes.push(bytes, out);
                    return Ok(());
                }
                State::Length(left) => {
                    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    echoes.push(&bytes[..now], out);
                    *left -= now as u64;
                    bytes = &bytes[now..];
                    if *left == 0 {
                        echoes.flush(out);
                        self.state = State::Head;
                    }
                }
                State::Chunked(body) => {
                    let (taken, is_data) = body.piece(bytes).map_err(|_| Broken)?;
                    let mut data = Vec::new();
                    if is_data {
                        echoes.push(&bytes[..taken], &mut data);
                    }
                    bytes = &bytes[taken..];
                    let done = body.is_done();
                    if done {
                        echoes.flush(&mut data);
                    }
                    chunk(&data, out);
                    if done {
                        out.extend_from_slice(b"0\r\n\r\n");
                        self.state = State::Head;
                    }
                }
                State::Head => bytes = self.head(bytes, echoes, out)?,
            }
        }
        Ok(())
    }

    /// The server sends no more.
    pub(crate) fn ended(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self.state {
            State::Free | State::UntilEnd => {
                self.exchange.echoes().flush(out);
                Ok(())
            }
            State::Head if self.head.is_empty() => Ok(()),
            _ => Err(Broken),
        }
    }

    /// Adds to the head, and gives back what is behind it.
    fn head<'a>(
        &mut self,
        bytes: &'a [u8],
        echoes: &mut Echoes,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], Broken> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(&self.head) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.head.len() <= HEAD => return Ok(&[]),
            _ => return Err(Broken),
        };
        let status = response.code.ok_or(Broken)?;
        let framing = framing(response.headers)?;
        self.state = match status {
            101 => State::Free,
            100..=199 => State::Head,
            _ if self.exchange.answered() || matches!(status, 204 | 304) => State::Head,
            _ => framing,
        };
        if status == 101 {
            self.exchange.answered();
        }
        if matches!(self.state, State::Length(0)) {
            self.state = State::Head;
        }
        echoes.push(&self.head[..length], out);
        echoes.flush(out);
        self.head.zeroize();
        Ok(&bytes[length - before..])
    }
}

/// Where the body of an answer ends that has one.
fn framing(fields: &[httparse::Header<'_>]) -> Result<State, Broken> {
    let named = |name: &'static str| {
        fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    };
    let text = |field: &httparse::Header<'_>| {
        std::str::from_utf8(field.value).map(str::trim).map(str::to_owned).map_err(|_| Broken)
    };
    let mut encodings = named("transfer-encoding").map(text);
    if let Some(encoding) = encodings.next().transpose()? {
        let known = encoding.eq_ignore_ascii_case("chunked") && encodings.next().is_none();
        return if known { Ok(State::Chunked(Body::new(Framing::Chunked))) } else { Err(Broken) };
    }
    let lengths = named("content-length").map(text).collect::<Result<Vec<_>, _>>()?;
    match &*lengths {
        [] => Ok(State::UntilEnd),
        [first, others @ ..] if others.iter().all(|other| other == first) => {
            first.parse().map(State::Length).map_err(|_| Broken)
        }
        _ => Err(Broken),
    }
}

fn chunk(data: &[u8], out: &mut Vec<u8>) {
    if !data.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}
