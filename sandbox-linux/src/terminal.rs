//! The launcher's end of a payload's terminal.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pty::OpenptFlags;
use sandbox_core::{Result, SandboxError, TerminalSize};

use crate::handover::{self, Message};

/// Opens a terminal of the host, for a payload that has no `devpts` of its own.
///
/// # Errors
/// What the system answers.
pub(crate) fn open(inner: &mut [OwnedFd; 3], size: TerminalSize) -> Result<OwnedFd> {
    let failed = |what: &'static str| move |e: rustix::io::Errno| SandboxError::io(what)(e.into());
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let screen = rustix::pty::openpt(flags).map_err(failed("opening a terminal"))?;
    rustix::pty::unlockpt(&screen).map_err(failed("unlocking the terminal"))?;
    let peer = rustix::pty::ioctl_tiocgptpeer(&screen, flags);
    let peer = peer.map_err(failed("opening the terminal's other end"))?;
    resize(&screen, size)?;
    for place in inner {
        let copy = peer.try_clone().and_then(crate::helper::high);
        *place = copy.map_err(SandboxError::io("sharing the terminal"))?;
    }
    Ok(screen)
}

/// Takes the terminal that the helper made.
///
/// # Errors
/// The helper sent none.
pub(crate) fn receive(control: &OwnedFd) -> Result<OwnedFd> {
    let failed = SandboxError::io("receiving the terminal");
    match handover::receive(control) {
        Ok(Message::Descriptor(Some(terminal))) => Ok(terminal),
        Ok(_) => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        Err(error) => Err(failed(error)),
    }
}

/// Sets the size; the payload gets SIGWINCH.
///
/// # Errors
/// What the system answers.
pub(crate) fn resize(screen: &OwnedFd, size: TerminalSize) -> Result<()> {
    let size = rustix::termios::Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(screen, size)
        .map_err(|error| SandboxError::io("resizing the terminal")(error.into()))
}
