//! Netlink: messages, and asking the kernel to carry them out.
//!
//! A request acts in the network that its socket was made in. The kernel carries it out while it is
//! sent, so every answer is there when the sending returns, and nothing here waits. What is not
//! answered counts as refused.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// The flags of a request (`linux/netlink.h`).
pub(super) const CREATE: u16 = 0x400;
pub(super) const EXCLUSIVE: u16 = 0x200;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;

/// `NLMSG_ERROR`: an answer, also a good one.
const ERROR: u16 = 2;
/// The size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// An attribute that holds attributes.
const NESTED: u16 = 0x8000;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A message with the fixed part of its kind.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: flags | REQUEST, body: fixed.to_vec() }
    }

    /// The same, whose success is answered as well.
    pub(super) fn answered(mut self) -> Self {
        self.flags |= ACK;
        self
    }

    /// With an attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        attribute(&mut self.body, kind, value);
        self
    }

    /// With an attribute that holds others.
    pub(super) fn nest(mut self, kind: u16, inner: &Attributes) -> Self {
        attribute(&mut self.body, kind | NESTED, &inner.0);
        self
    }
}

/// Attributes, to be put into one.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        attribute(&mut self.0, kind, value);
        self
    }

    pub(super) fn nest(mut self, kind: u16, inner: &Self) -> Self {
        attribute(&mut self.0, kind | NESTED, &inner.0);
        self
    }
}

/// Writes `struct nlattr`, its value, and bytes up to the next boundary.
fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // No value here comes near the limit; one that did would be refused by the kernel.
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// Has the kernel carry out messages, one by one or as one batch if they say so.
///
/// # Errors
/// The first refusal, with the message's place.
pub(super) fn carry_out(socket: &OwnedFd, messages: &[Message]) -> Result<(), (usize, io::Error)> {
    let mut bytes = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let length = u32::try_from(HEADER + message.body.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(message.kind.to_ne_bytes());
        bytes.extend(message.flags.to_ne_bytes());
        bytes.extend(u32::try_from(place).unwrap_or(u32::MAX).to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(&message.body);
    }
    let all = |error: Errno| (0, error.into());
    rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL).map_err(all)?;
    let mut left = messages.iter().filter(|message| message.flags & ACK != 0).count();
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let received = rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT);
        let (read, _) = received.map_err(all)?;
        for (place, errno) in answers(buffer.get(..read).unwrap_or_default()) {
            if errno != 0 {
                drain(socket, &mut buffer);
                return Err((place, io::Error::from_raw_os_error(-errno)));
            }
            left = left.saturating_sub(1);
        }
        if read == 0 {
            return Err((0, ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(())
}

/// Takes the answers that nobody wants, so that they are not taken for those to the next request.
fn drain(socket: &OwnedFd, buffer: &mut [u8]) {
    while rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT).is_ok() {}
}

/// The answers in a datagram: to which message, and its error number.
fn answers(mut bytes: &[u8]) -> Vec<(usize, i32)> {
    let number =
        |bytes: &[u8], at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
    let mut all = Vec::new();
    while let (Some(length), Some(kind)) = (number(bytes, 0), number(bytes, 4)) {
        let length = u32::from_ne_bytes(length) as usize;
        if length < HEADER || length > bytes.len() {
            break;
        }
        let kind = u16::from_ne_bytes([kind[0], kind[1]]);
        if let (ERROR, Some(place), Some(errno)) = (kind, number(bytes, 8), number(bytes, HEADER)) {
            all.push((u32::from_ne_bytes(place) as usize, i32::from_ne_bytes(errno)));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_lie_on_boundaries() {
        let inner = Attributes::default().with(1, b"abc");
        let message = Message::new(7, CREATE, &[9; 4]).nest(2, &inner).with(3, &[5]);
        let expected = [
            &[9, 9, 9, 9][..],
            &12_u16.to_ne_bytes(),
            &(2 | NESTED).to_ne_bytes(),
            &7_u16.to_ne_bytes(),
            &1_u16.to_ne_bytes(),
            b"abc\0",
            &5_u16.to_ne_bytes(),
            &3_u16.to_ne_bytes(),
            &[5, 0, 0, 0],
        ];
        assert_eq!(message.body, expected.concat());
    }

    #[test]
    fn answers_are_read_as_far_as_they_go() {
        let answer = |place: u32, errno: i32| {
            let head = [36_u32.to_ne_bytes(), (u32::from(ERROR)).to_ne_bytes()].concat();
            let word = [place.to_ne_bytes(), [0; 4], errno.to_ne_bytes(), [0; 4]].concat();
            [head, word, vec![0; 12]].concat()
        };
        let both = [answer(3, 0), answer(4, -13)].concat();
        assert_eq!(answers(&both), [(3, 0), (4, -13)]);
        assert_eq!(answers(&both[..50]), [(3, 0)]);
        assert!(answers(&both[..10]).is_empty());
    }
}
