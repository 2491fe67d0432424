//! One connection: frames of bytes, with descriptors that ride along.
//!
//! A frame is its length in four bytes, little-endian, its kind in one, and its content. Descriptors
//! come with a frame's first byte, so they are there when the frame is.

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

/// The largest frame that is taken: the arguments of a command are far below it, and so is the list
/// of changes of a large workspace.
const LARGEST: usize = 256 << 20;

/// The most descriptors that one frame brings (`SCM_MAX_FD` on Linux is 253).
const MOST: usize = 128;

/// One end of a connection. Reading and writing do not wait for each other.
#[derive(Debug)]
pub(super) struct Link(UnixStream);

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Sends a message.
    pub(super) async fn say(&self, message: &impl Serialize) -> io::Result<()> {
        self.say_with(message, &[]).await
    }

    /// Sends a message with descriptors.
    pub(super) async fn say_with(
        &self,
        message: &impl Serialize,
        rights: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.write(&message_frame(message)?, rights).await
    }

    /// Sends a message if it can be sent at once.
    pub(super) fn say_now(&self, message: &impl Serialize) -> io::Result<()> {
        let frame = message_frame(message)?;
        match self.0.try_write(&frame)? {
            written if written == frame.len() => Ok(()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends bytes.
    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(&frame(BYTES, bytes)?, &[]).await
    }

    /// The next message; `None` when the other side has closed.
    pub(super) async fn hear<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        Ok(self.hear_with().await?.map(|(message, _)| message))
    }

    /// The next message and the descriptors that came with it.
    pub(super) async fn hear_with<T: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        match self.read().await? {
            None => Ok(None),
            Some((MESSAGE, bytes, rights)) => Ok(Some((serde_json::from_slice(&bytes)?, rights))),
            Some(_) => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// The next bytes; `None` when the other side has closed, or has said instead that no more come.
    pub(super) async fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let frame = self.read().await?;
        Ok(frame.filter(|(kind, ..)| *kind == BYTES).map(|(_, bytes, _)| bytes))
    }

    async fn write(&self, bytes: &[u8], rights: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (mut at, mut rights) = (0, rights);
        while at < bytes.len() {
            let sent = self.0.async_io(Interest::WRITABLE, || send(&self.0, &bytes[at..], rights));
            at += sent.await?;
            rights = &[];
        }
        Ok(())
    }

    async fn read(&self) -> io::Result<Option<(u8, Vec<u8>, Vec<OwnedFd>)>> {
        let mut rights = Vec::new();
        let mut header = [0; 5];
        if !self.fill(&mut header, &mut rights).await? {
            return Ok(None);
        }
        let [a, b, c, d, kind] = header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > LARGEST {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        if length > 0 && !self.fill(&mut bytes, &mut rights).await? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((kind, bytes, rights)))
    }

    /// Fills a buffer; `false` when there is nothing at all any more.
    async fn fill(&self, buffer: &mut [u8], rights: &mut Vec<OwnedFd>) -> io::Result<bool> {
        let mut at = 0;
        while at < buffer.len() {
            let read = self
                .0
                .async_io(Interest::READABLE, || receive(&self.0, &mut buffer[at..], rights))
                .await;
            match read? {
                0 if at == 0 => return Ok(false),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => at += read,
            }
        }
        Ok(true)
    }
}

/// A message as it is sent.
pub(super) fn message_frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    frame(MESSAGE, &serde_json::to_vec(message)?)
}

fn frame(kind: u8, content: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(content.len()).ok().filter(|it| *it as usize <= LARGEST);
    let length = length.ok_or(ErrorKind::FileTooLarge)?;
    let mut frame = Vec::with_capacity(5 + content.len());
    frame.extend(length.to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(content);
    Ok(frame)
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

fn receive(stream: &UnixStream, buffer: &mut [u8], rights: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = RecvFlags::empty();
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
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn pair() -> (Link, Link) {
        let (one, other) = UnixStream::pair().unwrap();
        (Link::new(one), Link::new(other))
    }

    #[tokio::test]
    async fn what_is_said_is_heard_with_its_descriptors() {
        let (one, other) = pair();
        let (mut reader, mut writer) = io::pipe().unwrap();
        one.say_with(&"first", &[reader.as_fd()]).await.unwrap();
        one.say(&"second").await.unwrap();
        let (first, rights) = other.hear_with::<String>().await.unwrap().unwrap();
        assert_eq!((&*first, rights.len()), ("first", 1));
        let (second, none) = other.hear_with::<String>().await.unwrap().unwrap();
        assert_eq!((&*second, none.len()), ("second", 0));
        writer.write_all(b"x").unwrap();
        let mut got = [0];
        io::PipeReader::from(rights.into_iter().next().unwrap()).read_exact(&mut got).unwrap();
        assert_eq!(&got, b"x");
        drop((one, writer));
        assert!(other.hear::<String>().await.unwrap().is_none());
        assert_eq!(reader.read(&mut got).unwrap(), 0);
    }

    #[tokio::test]
    async fn large_frames_arrive_whole() {
        let (one, other) = pair();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let (sent, got) = tokio::join!(one.send(&bytes), other.receive());
        sent.unwrap();
        assert!(got.unwrap().unwrap() == bytes);
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        let (one, other) = pair();
        one.0.try_write(&[0xff, 0xff, 0xff, 0xff, 0]).unwrap();
        assert!(other.hear::<String>().await.is_err());
        let (one, other) = pair();
        one.0.try_write(&[9, 0, 0, 0, 0, b'"']).unwrap();
        drop(one);
        assert!(other.hear::<String>().await.is_err());
    }
}
