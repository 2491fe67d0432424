//! The DNS server of a sandbox, as a function: a message in, a message out.
//!
//! It is the only server that the payload's resolver finds, and it asks nobody. A name that a rule
//! knows has its synthetic addresses, any other does not exist; so a question leads to nothing
//! outside, and what a program encodes into names is read here alone. Addresses are answered for a
//! short time: a session's rules can change.
//!
//! A message is read once, from the front, and only as far as its header, one question and one EDNS
//! record go; whatever has more is refused. What is read is bounded by [`LONGEST`], and an answer by
//! what the transport takes. The answer repeats the question byte for byte, so that the mixed case
//! by which resolvers recognise answers ("0x20") survives.

mod read;
mod write;

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::{HostName, Names, Rules};
use read::{Query, Rejection};
use write::Response;

/// The most bytes of a message that is read: a question and its EDNS options are far below.
pub const LONGEST: usize = 4096;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: at most 512 bytes go back, or what EDNS allows.
    Udp,
    /// A stream. The length before each message is the caller's business.
    Tcp,
}

/// An answer, and what became of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The message to send back; none for what must not be answered.
    pub message: Option<Vec<u8>>,
    /// What was asked, if the message was read that far.
    pub asked: Option<Asked>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The name in printable ASCII as the client wrote it, without a trailing dot; odd bytes are
    /// escaped. Empty for the root.
    pub name: String,
    /// The type, as in `AAAA`.
    pub kind: String,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Answered with an address or a name.
    Answered,
    /// A rule knows the name; there is nothing of this type (an empty answer).
    NoData,
    /// No rule knows the name (`NXDOMAIN`).
    Denied,
    /// The session has asked for too many names (`SERVFAIL`).
    Full,
    /// A question of a kind that is not answered here (`REFUSED`, `NOTIMP`, `BADVERS`).
    Refused,
    /// No question (`FORMERR`), or nothing that an answer can be sent to.
    Malformed,
}

/// Answers one message.
///
/// * `A` and `AAAA` of a name that a rule [knows](Rules::knows): its synthetic address. Other types:
///   an empty answer, also `HTTPS` and `SVCB`, whose hints would lead past the synthetic address.
/// * `PTR` of a synthetic address: its name, while a rule knows it.
/// * Any other name: `NXDOMAIN`, with the extended error 18 (prohibited) if the client speaks EDNS.
/// * Zone transfers, `ANY`, other classes: `REFUSED`. Other operations: `NOTIMP`.
/// * Several questions, records where none belong, trailing bytes, and more than [`LONGEST`]:
///   `FORMERR`. Responses and what is shorter than a header: no answer, so nothing can be made to
///   answer itself.
///
/// ```
/// use sandbox_core::egress::dns::{Transport, Verdict, answer};
/// use sandbox_core::egress::{Names, Range, Rules};
/// let rules = Rules::new(&["www.example.org".parse()?]);
/// let mut names = Names::new(Range::default());
/// let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03wWw\x07example\x03org\0\0\x01\0\x01";
/// let answer = answer(query, Transport::Udp, &rules, &mut names);
/// assert_eq!(answer.verdict, Verdict::Answered);
/// assert!(answer.message.is_some_and(|message| message.ends_with(&[198, 18, 0, 16])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn answer(message: &[u8], transport: Transport, rules: &Rules, names: &mut Names) -> Answer {
    let query = match read::query(message) {
        Ok(query) => query,
        Err(Rejection::Silent) => {
            return Answer { message: None, asked: None, verdict: Verdict::Malformed };
        }
        Err(Rejection::Code(metadata, code)) => {
            let verdict = match code {
                ResponseCode::FormErr => Verdict::Malformed,
                _ => Verdict::Refused,
            };
            let message = Response::new(&metadata).code(code).write(transport);
            return Answer { message, asked: None, verdict };
        }
    };
    let outcome = resolve(&query, rules, names);
    let message = Response::to(&query, outcome.code).data(outcome.data).note(outcome.note);
    let asked = Asked {
        name: query.name.to_ascii().trim_end_matches('.').to_owned(),
        kind: query.kind.to_string(),
    };
    Answer { message: message.write(transport), asked: Some(asked), verdict: outcome.verdict }
}

/// What is said about a question.
struct Outcome {
    verdict: Verdict,
    code: ResponseCode,
    data: Option<RData>,
    note: Option<write::Note>,
}

impl Outcome {
    fn plain(verdict: Verdict, code: ResponseCode) -> Self {
        Self { verdict, code, data: None, note: None }
    }

    fn data(data: RData) -> Self {
        Self { data: Some(data), ..Self::plain(Verdict::Answered, ResponseCode::NoError) }
    }

    fn denied() -> Self {
        let note = Some(write::PROHIBITED);
        Self { note, ..Self::plain(Verdict::Denied, ResponseCode::NXDomain) }
    }
}

fn resolve(query: &Query, rules: &Rules, names: &mut Names) -> Outcome {
    if query.edns.is_some_and(|edns| edns.version != 0) {
        return Outcome::plain(Verdict::Refused, ResponseCode::BADVERS);
    }
    if query.class != DNSClass::IN || is_about_messages(query.kind) {
        return Outcome::plain(Verdict::Refused, ResponseCode::Refused);
    }
    if let Some(data) = pointer(query, rules, names) {
        return Outcome::data(data);
    }
    let name = HostName::from_labels(query.name.iter()).ok().filter(|name| rules.knows(name));
    let Some(name) = name else { return Outcome::denied() };
    if !matches!(query.kind, RecordType::A | RecordType::AAAA) {
        return Outcome::plain(Verdict::NoData, ResponseCode::NoError);
    }
    match names.address_of(&name) {
        Ok(_) if query.kind == RecordType::AAAA && !names.range().has_v6() => {
            Outcome::plain(Verdict::NoData, ResponseCode::NoError)
        }
        Ok(address) if query.kind == RecordType::AAAA => {
            Outcome::data(RData::AAAA(AAAA(address.v6)))
        }
        Ok(address) => Outcome::data(RData::A(A(address.v4))),
        Err(_) => Outcome {
            note: Some(write::TOO_MANY),
            ..Outcome::plain(Verdict::Full, ResponseCode::ServFail)
        },
    }
}

/// Types that stand for no record: `OPT`, and 128 to 255, with `AXFR`, `IXFR` and `ANY` in it.
fn is_about_messages(kind: RecordType) -> bool {
    matches!(u16::from(kind), 0 | 41 | 128..=255)
}

/// The name that a synthetic address stands for, if that is the question.
fn pointer(query: &Query, rules: &Rules, names: &Names) -> Option<RData> {
    let asks = query.kind == RecordType::PTR;
    let block = query.name.parse_arpa_name().ok().filter(|_| asks)?;
    let address: IpAddr = block.addr();
    let known = names.name_of(address).filter(|name| rules.knows(name));
    let known = known.filter(|_| block.prefix_len() == block.max_prefix_len())?;
    let mut target = Name::from_labels(known.as_str().split('.').map(str::as_bytes)).ok()?;
    target.set_fqdn(true);
    Some(RData::PTR(PTR(target)))
}

#[cfg(test)]
mod tests;
