//! Streams of a process that are descriptors: they are watched by the runtime here, and can be
//! handed over to another process.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Input, Output};

/// One end of a pipe or of a terminal.
#[derive(Debug)]
pub struct Stream(AsyncFd<OwnedFd>);

impl Stream {
    /// Takes a descriptor over, which becomes non-blocking: called on a runtime with I/O enabled.
    ///
    /// # Errors
    /// The descriptor is of a kind that cannot be watched.
    pub fn new(end: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&end, true)?;
        crate::sys::watch(end).map(Self)
    }

    /// The stream that an output is, or the output.
    ///
    /// # Errors
    /// It is something else.
    pub fn of_output(output: Output) -> Result<Self, Output> {
        if !output.as_any().is::<Self>() {
            return Err(output);
        }
        match output.into_any().downcast() {
            Ok(stream) => Ok(*stream),
            Err(_) => unreachable!("asked above"),
        }
    }

    /// The stream that an input is, or the input.
    ///
    /// # Errors
    /// It is something else.
    pub fn of_input(input: Input) -> Result<Self, Input> {
        if !input.as_any().is::<Self>() {
            return Err(input);
        }
        match input.into_any().downcast() {
            Ok(stream) => Ok(*stream),
            Err(_) => unreachable!("asked above"),
        }
    }

    /// Gives the descriptor back.
    #[must_use]
    pub fn into_inner(self) -> OwnedFd {
        self.0.into_inner()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(context))?;
            let space = buffer.initialize_unfilled();
            match guard.try_io(|end| Ok(rustix::io::read(end.get_ref(), &mut *space)?)) {
                Ok(read) => {
                    buffer.advance(read?);
                    return Poll::Ready(Ok(()));
                }
                Err(_) => continue,
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(context))?;
            match guard.try_io(|end| Ok(rustix::io::write(end.get_ref(), bytes)?)) {
                Ok(written) => return Poll::Ready(written),
                Err(_) => continue,
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
