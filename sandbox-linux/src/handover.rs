//! Descriptors that a program hands over to the launcher: each in a message of its own, before the
//! helper says how the program went.
//!
//! A message that carries a descriptor is one byte long and an answer is longer, so the two cannot
//! be taken for each other even when the launcher had no room for the descriptor.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::abi::fd;
use crate::program::{Phase, Pointer, Program, Slot};

/// A descriptor's message, laid out in a program.
pub(crate) struct Handover {
    slot: Slot,
    message: Pointer,
}

impl Handover {
    /// Lays one out.
    pub(crate) fn new(program: &mut Program) -> Self {
        // struct cmsghdr with one descriptor; the kernel stores the result right where it is sent
        // from.
        let rights = (libc::SCM_RIGHTS as u64) << 32 | libc::SOL_SOCKET as u64;
        let control = program.words(&[20, rights, 0]);
        let byte = program.bytes(b"d");
        let vector = program.words(&[byte.address(), 1]);
        // struct msghdr: name, its length, vector, its length, control, its length, flags.
        let parts = [0, 0, vector.address(), 1, control.address(), 24, 0];
        Self { slot: control.slot_at(16), message: program.words(&parts) }
    }

    /// Where the descriptor is stored.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Sends it.
    pub(crate) fn send(&self, program: &mut Program, what: &str) {
        let arguments = [fd::CONTROL.into(), self.message.into(), 0.into()];
        let text = format!("send {what}");
        program.call(Phase::Setup, text, libc::SYS_sendmsg, &arguments);
    }
}

/// One message from the helper.
#[derive(Debug)]
pub(crate) enum Message {
    /// A descriptor, unless there was no room for one more.
    Descriptor(Option<OwnedFd>),
    /// Anything else; of no bytes at the end.
    Bytes(Vec<u8>),
}

/// Waits for one message.
///
/// # Errors
/// What the system answers.
pub(crate) fn receive(control: &OwnedFd) -> io::Result<Message> {
    let mut bytes = [0u8; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut vectors = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(control, &mut vectors, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok(match received.bytes {
        1 => Message::Descriptor(descriptor),
        read => Message::Bytes(bytes.get(..read).unwrap_or_default().to_vec()),
    })
}
