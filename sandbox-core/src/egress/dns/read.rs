//! Reading a message, no further than a question goes.

use hickory_proto::op::{Header, MessageType, Metadata, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use super::LONGEST;

/// A question that can be thought about.
pub(super) struct Query {
    pub(super) metadata: Metadata,
    pub(super) name: Name,
    pub(super) kind: RecordType,
    pub(super) class: DNSClass,
    pub(super) edns: Option<Edns>,
}

/// What of the client's EDNS record is heard.
#[derive(Clone, Copy)]
pub(super) struct Edns {
    pub(super) version: u8,
    /// The largest datagram that the client takes.
    pub(super) payload: u16,
}

/// A message that is no question.
pub(super) enum Rejection {
    /// Not answered.
    Silent,
    /// Answered by a header alone.
    Code(Metadata, ResponseCode),
}

pub(super) fn query(message: &[u8]) -> Result<Query, Rejection> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder).map_err(|_| Rejection::Silent)?;
    let metadata = header.metadata;
    if metadata.message_type == MessageType::Response {
        return Err(Rejection::Silent);
    }
    if metadata.op_code != OpCode::Query {
        return Err(Rejection::Code(metadata, ResponseCode::NotImp));
    }
    let malformed = Rejection::Code(metadata, ResponseCode::FormErr);
    let counts = header.counts;
    let one_question = counts.queries == 1 && counts.answers == 0 && counts.authorities == 0;
    if message.len() > LONGEST || metadata.truncation || !one_question || counts.additionals > 1 {
        return Err(malformed);
    }
    let Ok((name, kind, class)) = question(&mut decoder) else { return Err(malformed) };
    let edns = match counts.additionals {
        0 => None,
        _ => match edns(&mut decoder) {
            Ok(edns) => Some(edns),
            Err(_) => return Err(malformed),
        },
    };
    if !decoder.is_empty() {
        return Err(malformed);
    }
    Ok(Query { metadata, name, kind, class, edns })
}

fn question(decoder: &mut BinDecoder<'_>) -> Result<(Name, RecordType, DNSClass), DecodeError> {
    let start = decoder.index();
    let Question { name, query_type, query_class, .. } = Question::read(decoder)?;
    // The first name of a message has nothing to point to but the header.
    let written: usize = name.iter().map(|label| label.len() + 1).sum();
    match decoder.index() - start == written + 1 + 4 {
        true => Ok((name, query_type, query_class)),
        false => Err(DecodeError::InsufficientBytes),
    }
}

/// Reads the record by hand: its options are of no interest, and nobody should parse them.
fn edns(decoder: &mut BinDecoder<'_>) -> Result<Edns, DecodeError> {
    let root = decoder.read_u8()?.unverified();
    let kind = decoder.read_u16()?.unverified();
    if root != 0 || kind != u16::from(RecordType::OPT) {
        return Err(DecodeError::InsufficientBytes);
    }
    let payload = decoder.read_u16()?.unverified();
    let [_, version, _, _] = decoder.read_u32()?.unverified().to_be_bytes();
    let length = decoder.read_u16()?.unverified();
    decoder.read_slice(usize::from(length))?;
    Ok(Edns { version, payload })
}
