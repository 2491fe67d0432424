//! What the first process of a sandbox is told to do.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use sandbox_core::{Result, SandboxError};

use super::State;
use crate::abi::request;
use crate::handover::{self, Message};
use crate::helper::{Ends, order};
use crate::program::Program;
use crate::sys;

/// How a program went: the step that failed, and its error.
pub(super) type Done = std::result::Result<(), (String, i32)>;

/// Has the first process run a program, with a descriptor that comes along: how it went, and the
/// descriptor that it handed over.
pub(super) fn exchange(
    state: &State,
    program: Program,
    along: Option<&OwnedFd>,
) -> Result<(Done, Option<OwnedFd>)> {
    let failed = || SandboxError::io("changing the sandbox");
    let image = program.finish();
    let [names, ..] = image.names;
    let file = sys::sealed_file(c"sandbox-program", &image.bytes, false).map_err(failed())?;
    let control = &agent(state)?.control;
    let rights: Vec<_> = std::iter::once(&file).chain(along).map(AsFd::as_fd).collect();
    order(control, request::RUN, 0, &[], &rights).map_err(failed())?;
    let mut handed = None;
    let mut message = handover::receive(control).map_err(failed())?;
    if let Message::Descriptor(descriptor) = message {
        handed = descriptor;
        message = handover::receive(control).map_err(failed())?;
    }
    let gone = || failed()(io::ErrorKind::UnexpectedEof.into());
    let Message::Bytes(answer) = message else { return Err(gone()) };
    let failure = sys::failure_of(&answer).ok_or_else(gone)?;
    if failure.errno == 0 {
        return Ok((Ok(()), handed));
    }
    let step = names.get(failure.step as usize).map(ToString::to_string);
    Ok((Err((step.unwrap_or_else(|| "read the program".into()), failure.errno)), None))
}

pub(super) fn failure((step, errno): (String, i32)) -> SandboxError {
    SandboxError::Launch { step, source: io::Error::from_raw_os_error(errno) }
}

pub(super) fn signal_all(state: &State, signal: i32) -> Result<()> {
    let control = &agent(state)?.control;
    order(control, request::SIGNAL_ALL, signal, &[], &[])
        .map_err(SandboxError::io("signalling the sandbox"))
}

pub(super) fn agent(state: &State) -> Result<&Ends> {
    let gone = || SandboxError::io("using the sandbox")(io::ErrorKind::NotConnected.into());
    state.agent.as_ref().ok_or_else(gone)
}
