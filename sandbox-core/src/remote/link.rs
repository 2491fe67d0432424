//! One connection: frames of bytes, with descriptors that ride along.
//!
//! A frame is its length in four bytes, little-endian, its kind in one, and its content. Descriptors
//! come with a frame's first byte, so they are there when the frame is.
//!
//! # Security
//! Whoever can connect can announce and send what it likes before it has shown the key. So callers
//! have small frames, what is announced takes no memory before it comes, and descriptors from a
//! caller are never taken: the kernel closes them.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::FdFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// A frame's content is a message.
const MESSAGE: u8 = 0;
/// A frame's content is what it is.
const BYTES: u8 = 1;

/// The largest frame of a caller: the longest command that a kernel starts fits in (execve(2): at
/// most 6 MiB of arguments and variables).
const LARGEST_CALL: usize = 16 << 20;

/// The largest frame of an owner: a list of the changes of a very large workspace fits in.
const LARGEST_ANSWER: usize = 256 << 20;

/// The most descriptors that one frame brings (`SCM_MAX_FD` on Linux is 253, others take fewer).
pub(super) const MOST: usize = 128;

/// Memory for a frame's first part; more is taken as it comes.
const PART: usize = 64 << 10;

/// One end of a connection. Reading and writing do not wait for each other.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    /// The largest frame that is sent, and that is taken.
    sends: usize,
    takes: usize,
    /// Whether the other side may hand descriptors over.
    gets_rights: bool,
}

impl Link {
    /// The caller's end.
    pub(super) fn to_owner(stream: UnixStream) -> Self {
        Self { stream, sends: LARGEST_CALL, takes: LARGEST_ANSWER, gets_rights: true }
    }

    /// The owner's end.
    pub(super) fn to_caller(stream: UnixStream) -> Self {
        Self { stream, sends: LARGEST_ANSWER, takes: LARGEST_CALL, gets_rights: false }
    }

    /// The same with another bound on what is sent.
    #[cfg(test)]
    pub(super) fn sending(self, sends: usize) -> Self {
        Self { sends, ..self }
    }

    /// Sends a message.
    pub(super) async fn say(&self, message: &impl Serialize) -> io::Result<()> {
        self.put(&self.message(message)?, &[]).await
    }

    /// Sends a message if it can be sent at once.
    pub(super) fn say_now(&self, message: &impl Serialize) -> io::Result<()> {
        let frame = self.message(message)?;
        match self.stream.try_write(&frame)? {
            written if written == frame.len() => Ok(()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends bytes.
    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.put(&frame(BYTES, bytes, self.sends)?, &[]).await
    }

    /// A message as it is sent. It fails for what has no JSON, or more than a frame takes.
    pub(super) fn message(&self, message: &impl Serialize) -> io::Result<Vec<u8>> {
        frame(MESSAGE, &serde_json::to_vec(message)?, self.sends)
    }

    /// Sends a message's frame with descriptors.
    pub(super) async fn put(&self, frame: &[u8], rights: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (mut at, mut rights) = (0, rights);
        while at < frame.len() {
            let write = || send(&self.stream, &frame[at..], rights);
            at += self.stream.async_io(Interest::WRITABLE, write).await?;
            rights = &[];
        }
        Ok(())
    }

    /// The next message; `None` when the other side has closed.
    pub(super) async fn hear<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        Ok(self.hear_with().await?.map(|(message, _)| message))
    }

    /// The next message and the descriptors that came with it.
    pub(super) async fn hear_with<T: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let Some((text, rights)) = self.hear_text().await? else { return Ok(None) };
        Ok(Some((serde_json::from_slice(&text)?, rights)))
    }

    /// The next message as it came, and its descriptors.
    pub(super) async fn hear_text(&self) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        match self.read().await? {
            None => Ok(None),
            Some((MESSAGE, bytes, rights)) => Ok(Some((bytes, rights))),
            Some(_) => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// The next bytes; `None` when the other side has closed, or has said instead that no more come.
    pub(super) async fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let frame = self.read().await?;
        Ok(frame.filter(|(kind, ..)| *kind == BYTES).map(|(_, bytes, _)| bytes))
    }

    async fn read(&self) -> io::Result<Option<(u8, Vec<u8>, Vec<OwnedFd>)>> {
        let mut rights = Vec::new();
        let mut header = [0; 5];
        if !self.fill(&mut header, &mut rights).await? {
            return Ok(None);
        }
        let [a, b, c, d, kind] = header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > self.takes {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let at = bytes.len();
            bytes.resize(grown(at, length), 0);
            if !self.fill(&mut bytes[at..], &mut rights).await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some((kind, bytes, rights)))
    }

    /// Fills a buffer; `false` when there is nothing at all any more.
    async fn fill(&self, buffer: &mut [u8], rights: &mut Vec<OwnedFd>) -> io::Result<bool> {
        let mut at = 0;
        while at < buffer.len() {
            let mut taken = self.gets_rights.then_some(&mut *rights);
            let read = || receive(&self.stream, &mut buffer[at..], taken.as_deref_mut());
            match self.stream.async_io(Interest::READABLE, read).await? {
                0 if at == 0 => return Ok(false),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => at += read,
            }
        }
        Ok(true)
    }
}

/// A caller's message as it is sent.
pub(super) fn call_frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    frame(MESSAGE, &serde_json::to_vec(message)?, LARGEST_CALL)
}

fn frame(kind: u8, content: &[u8], largest: usize) -> io::Result<Vec<u8>> {
    let length = u32::try_from(content.len()).ok().filter(|_| content.len() <= largest);
    let too_large = || {
        let why = format!("a message of {} bytes, where {largest} are the most", content.len());
        io::Error::new(ErrorKind::FileTooLarge, why)
    };
    let length = length.ok_or_else(too_large)?;
    let mut frame = Vec::with_capacity(5 + content.len());
    frame.extend(length.to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(content);
    Ok(frame)
}

/// How much memory a frame of `length` bytes has when `come` of them are there: at most twice as
/// much as has come, so that an announcement alone costs nothing.
fn grown(come: usize, length: usize) -> usize {
    length.min(come + come.max(PART))
}

fn send(stream: &UnixStream, bytes: &[u8], rights: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(rights.len()))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !rights.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(rights)) {
        return Err(ErrorKind::ArgumentListTooLong.into());
    }
    let parts = [IoSlice::new(bytes)];
    Ok(rustix::net::sendmsg(stream.as_fd(), &parts, &mut ancillary, SendFlags::empty())?)
}

/// Reads what is there; descriptors only into a list for them.
fn receive(
    stream: &UnixStream,
    buffer: &mut [u8],
    rights: Option<&mut Vec<OwnedFd>>,
) -> io::Result<usize> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = RecvFlags::empty();
    let Some(rights) = rights else {
        // Without room for them, the kernel closes what comes.
        let mut none = RecvAncillaryBuffer::default();
        return Ok(rustix::net::recvmsg(stream.as_fd(), &mut parts, &mut none, flags)?.bytes);
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(stream.as_fd(), &mut parts, &mut ancillary, flags)?;
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            for descriptor in descriptors {
                // Not every system sets this on the way; whatever is started here closes all that
                // it was not given.
                rustix::io::fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
                rights.push(descriptor);
            }
        }
    }
    Ok(message.bytes)
}

#[cfg(test)]
mod tests;
