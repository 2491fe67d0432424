//! The DNS server of a sandbox, as a function.

use super::{HostName, Names, Rules};

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: an answer that does not fit says so.
    Udp,
    /// A stream. The length before each message is the caller's business.
    Tcp,
}

/// An answer, and what became of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The message to send back; nothing for what is not answered.
    pub message: Option<Vec<u8>>,
    /// The name that was asked for, if the question was read that far and has one.
    pub name: Option<HostName>,
    /// The type that was asked for, as in `AAAA`.
    pub kind: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Answered with an address or a name.
    Answered,
    /// The name is known; there is nothing of this type.
    NoData,
    /// No rule knows the name.
    Denied,
    /// The session has asked for too many names.
    Full,
    /// Not a question that is answered here.
    Refused,
    /// Not a question at all.
    Malformed,
}

/// Answers one message.
pub fn answer(_query: &[u8], _transport: Transport, _rules: &Rules, _names: &mut Names) -> Answer {
    Answer { message: None, name: None, kind: None, verdict: Verdict::Malformed }
}
