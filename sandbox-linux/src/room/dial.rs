//! Connections to ports of the sandbox's loopback.
//!
//! A socket belongs to the network of the process that makes it, whoever uses it. So the first
//! process makes one and hands it over, and it is connected on this side: the sandbox needs no
//! network for that, and what listens in it sees a connection from its own loopback.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{Errno, ioctl_fionbio};
use sandbox_core::{Result, SandboxError};

use super::Room;
use crate::handover::Handover;
use crate::ns;
use crate::program::{Phase, Program};

/// How long a connection may take. On a loopback it takes none, unless the listener's queue is full:
/// then the kernel asks again after a second.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 500_000_000 };

impl Room {
    /// Connects to a port of the sandbox's loopback.
    ///
    /// # Errors
    /// Nobody listens there, or nobody answers in time.
    pub(super) fn dial(&self, port: u16) -> Result<TcpStream> {
        let mut program = Program::new();
        let socket = Handover::new(&mut program);
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        let arguments = [libc::AF_INET.into(), kind.into(), 0.into()];
        program
            .call(Phase::Setup, "make a socket", libc::SYS_socket, &arguments)
            .store(socket.slot());
        socket.send(&mut program, "the socket");
        ns::close(&mut program, socket.slot());
        let socket = self.fetch(program)?;
        let call = format!("connecting to port {port} of the sandbox");
        connect(&socket, port).map_err(|error| SandboxError::io(call)(error.into()))?;
        Ok(socket.into())
    }
}

fn connect(socket: &OwnedFd, port: u16) -> rustix::io::Result<()> {
    ioctl_fionbio(socket, true)?;
    match rustix::net::connect(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
        Err(Errno::INPROGRESS) => {
            let mut polled = [PollFd::new(socket, PollFlags::OUT)];
            if rustix::event::poll(&mut polled, Some(&PATIENCE))? == 0 {
                return Err(Errno::TIMEDOUT);
            }
            rustix::net::sockopt::socket_error(socket)??;
        }
        connected => connected?,
    }
    ioctl_fionbio(socket, false)
}
