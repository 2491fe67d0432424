//! Writing an answer that fits.

use hickory_proto::op::{Edns, Message, Metadata, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{RData, Record};

use super::Transport;
use super::read::Query;

/// How long an answer may be kept, in seconds.
const TIME_TO_LIVE: u32 = 30;

/// The largest datagram that is sent: what passes every network whole, by common agreement.
const PAYLOAD: u16 = 1232;

/// The option of an extended error (RFC 8914).
const EXTENDED_ERROR: u16 = 15;

/// An extended error: its code and a sentence for people.
#[derive(Clone, Copy)]
pub(super) struct Note(u16, &'static str);

pub(super) const PROHIBITED: Note = Note(18, "the sandbox's policy allows no such host");
pub(super) const TOO_MANY: Note = Note(0, "the sandbox has asked for too many names");

/// A message in the making.
pub(super) struct Response {
    message: Message,
    limit: u16,
}

impl Response {
    /// A header alone.
    pub(super) fn new(request: &Metadata) -> Self {
        let mut message = Message::response(request.id, request.op_code);
        message.metadata = Metadata::response_from_request(request);
        message.metadata.recursion_available = true;
        Self { message, limit: 512 }
    }

    /// An answer that repeats the question, with EDNS if it had that.
    pub(super) fn to(query: &Query, code: ResponseCode) -> Self {
        let mut response = Self::new(&query.metadata).code(code);
        let mut question = Question::query(query.name.clone(), query.kind);
        question.set_query_class(query.class);
        response.message.add_query(question);
        if let Some(edns) = query.edns {
            response.limit = edns.payload.clamp(512, PAYLOAD);
            let mut own = Edns::new();
            own.set_max_payload(PAYLOAD);
            response.message.set_edns(own);
        }
        response
    }

    pub(super) fn code(mut self, code: ResponseCode) -> Self {
        self.message.metadata.response_code = code;
        self
    }

    /// Adds a record about the name that was asked for.
    pub(super) fn data(mut self, data: Option<RData>) -> Self {
        if let (Some(data), Some(question)) = (data, self.message.queries.first()) {
            let record = Record::from_rdata(question.name.clone(), TIME_TO_LIVE, data);
            self.message.add_answer(record);
        }
        self
    }

    /// Adds an extended error, where the client can read one.
    pub(super) fn note(mut self, note: Option<Note>) -> Self {
        if let (Some(Note(code, text)), Some(edns)) = (note, self.message.edns.as_mut()) {
            let data = [&code.to_be_bytes()[..], text.as_bytes()].concat();
            edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, data));
        }
        self
    }

    /// The bytes. What does not fit is left out, and the message says that it is truncated.
    pub(super) fn write(self, transport: Transport) -> Option<Vec<u8>> {
        let limit = match transport {
            Transport::Udp => self.limit,
            Transport::Tcp => u16::MAX,
        };
        // The encoder's own limit counts names before they are compressed.
        let bytes = self.message.to_vec().ok()?;
        if bytes.len() > usize::from(limit) {
            return self.message.truncate().to_vec().ok();
        }
        Some(bytes)
    }
}
