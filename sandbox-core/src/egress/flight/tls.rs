//! The ClientHello of TLS (RFC 8446, section 4.1.2), as far as the name in it.
//!
//! A client may cut the message into records of any size and records into packets of any size, so
//! the message is put together first and read once it is whole. Whatever a server might read in
//! another way is malformed here: a name given twice, lengths that do not fit each other, bytes
//! behind the message.

use super::{MOST, Malformed};

/// The record type of handshakes.
const HANDSHAKE: u8 = 22;
/// The handshake message that opens a connection.
const CLIENT_HELLO: u8 = 1;
/// The record type that a client may send between two hellos, without a meaning of its own.
const CHANGE_CIPHER_SPEC: u8 = 20;
/// The most that a record holds before it is encrypted.
const RECORD: usize = 1 << 14;
/// The extension with the server's name, and the kind of name that is a host's.
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// A ClientHello that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Hello {
    /// How much of what the client sent has been taken apart.
    taken: usize,
    message: Vec<u8>,
}

/// Whether these first bytes begin a handshake; `None` as long as that is open.
pub(super) fn begins(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] | [HANDSHAKE] => None,
        [HANDSHAKE, 3, ..] => Some(true),
        _ => Some(false),
    }
}

impl Hello {
    /// Goes on with everything that the client has sent so far; `None` while more is needed.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Option<String>>, Malformed> {
        loop {
            if let Some(length) = self.length()?
                && self.message.len() >= length
            {
                let whole = self.message.len() == length;
                let body = self.message.get(4..).filter(|_| whole).ok_or(Malformed::Hello)?;
                return name(body).map(Some);
            }
            let Some(record) = self.record(bytes)? else { return Ok(None) };
            self.taken += 5 + record.len();
            self.message.extend_from_slice(record);
        }
    }

    /// How much of what the client sent belongs to the message.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// The length of the message with its header, once that is known.
    fn length(&self) -> Result<Option<usize>, Malformed> {
        match *self.message {
            [kind, ..] if kind != CLIENT_HELLO => Err(Malformed::Hello),
            [_, high, middle, low, ..] => {
                let length = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
                if length > MOST { Err(Malformed::TooLong) } else { Ok(Some(length)) }
            }
            _ => Ok(None),
        }
    }

    /// The next record's content, once it is whole.
    fn record<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        let rest = bytes.get(self.taken..).unwrap_or_default();
        let [kind, major, _, high, low, content @ ..] = rest else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind != HANDSHAKE || *major != 3 || !(1..=RECORD).contains(&length) {
            return Err(Malformed::Hello);
        }
        Ok(content.get(..length))
    }
}

/// Where a second hello begins behind the first: a server may ask for one (RFC 8446, section 4.1.4),
/// and might take the name from there. `None` while that is open, and then whether there is one.
///
/// Behind a first hello without such a request come other messages, or encrypted ones, which are
/// random. Those are taken for a hello only if their first six bytes are those of one.
pub(super) fn again(bytes: &[u8]) -> Option<Option<usize>> {
    let mut at = 0;
    loop {
        let [kind, _, _, high, low, content @ ..] = bytes.get(at..)? else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match *kind {
            CHANGE_CIPHER_SPEC => at += 5 + length,
            HANDSHAKE => {
                let content = &content[..length.min(content.len())];
                let like = [Some(CLIENT_HELLO), Some(0), None, None, Some(3), Some(3)];
                let agrees = |(byte, like): (&u8, Option<u8>)| like.is_none_or(|it| it == *byte);
                if !content.iter().zip(like).all(agrees) {
                    return Some(None);
                }
                return (content.len() >= like.len().min(length)).then_some(Some(at));
            }
            _ => return Some(None),
        }
    }
}

/// What is left to read of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Hello)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn word(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A vector behind a length of one byte.
    fn short(&mut self) -> Result<Self, Malformed> {
        let length = self.byte()?.into();
        self.take(length).map(Reader)
    }

    /// A vector behind a length of two bytes.
    fn long(&mut self) -> Result<Self, Malformed> {
        let length = self.word()?.into();
        self.take(length).map(Reader)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The name that the message asks for, if any.
fn name(body: &[u8]) -> Result<Option<String>, Malformed> {
    let mut body = Reader(body);
    body.take(2 + 32)?;
    body.short()?;
    body.long()?;
    body.short()?;
    if body.is_empty() {
        return Ok(None);
    }
    let mut extensions = body.long()?;
    if !body.is_empty() {
        return Err(Malformed::Hello);
    }
    let mut found = None;
    while !extensions.is_empty() {
        let kind = extensions.word()?;
        let mut content = extensions.long()?;
        if kind == SERVER_NAME && found.replace(server_name(&mut content)?).is_some() {
            return Err(Malformed::Hello);
        }
    }
    Ok(found)
}

/// The extension's content: a list of exactly one host name.
fn server_name(content: &mut Reader<'_>) -> Result<String, Malformed> {
    let mut list = content.long()?;
    let kind = list.byte()?;
    let name = list.long()?.0;
    let alone = kind == HOST_NAME && list.is_empty() && content.is_empty();
    let plain = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(name).ok().filter(|_| alone && plain);
    text.map(str::to_owned).ok_or(Malformed::Hello)
}
