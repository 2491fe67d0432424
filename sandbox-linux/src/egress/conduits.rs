//! Pipes that long streams are moved by: pages of a socket go into a pipe, and on into another
//! socket, without a copy in this process (splice(2)).
//!
//! # Security
//! What is read is not what was judged: nothing is judged of it any more. A sender that changes
//! pages after it has sent them changes its own bytes.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use sandbox_core::egress::gateway::{Conduit, Conduits};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How much a pipe is to hold, in bytes. Each of its pages holds one piece of what was received.
const SIZE: usize = 256 << 10;

/// Makes pipes.
#[derive(Debug)]
pub(super) struct Pipes;

impl Pipes {
    /// Pipes, unless this process can be ended by them: writing to a connection that is broken
    /// raises SIGPIPE, which `splice` has no flag against. Programs in Rust ignore it.
    pub(super) fn if_safe() -> Option<Self> {
        crate::sys::ignores_broken_pipes().then_some(Self)
    }
}

impl Conduits for Pipes {
    fn open(&self) -> io::Result<Box<dyn Conduit>> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does as well: a user's pipes have a bound together (pipe(7)).
        let _ = fcntl_setpipe_size(&into, SIZE);
        Ok(Box::new(Pipe { into, out }))
    }
}

/// A pipe.
#[derive(Debug)]
struct Pipe {
    into: OwnedFd,
    out: OwnedFd,
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Conduit for Pipe {
    fn take(&mut self, from: &TcpStream, most: usize) -> usize {
        let take = || Ok(splice(from.as_fd(), None, &self.into, None, most, FLAGS).unwrap_or(0));
        // Not an error in there, or the connection would count as silent: urgent data ends a
        // splice as well.
        from.try_io(Interest::READABLE, take).unwrap_or(0)
    }

    fn give(&mut self, to: &TcpStream, most: usize) -> io::Result<usize> {
        let give = || Ok(splice(&self.out, None, to.as_fd(), None, most, FLAGS)?);
        to.try_io(Interest::WRITABLE, give)
    }
}
