//! Binding the sandbox's sockets, from outside.
//!
//! What a socket is bound to is looked up in its own network. Ports below 1024 are nobody's there but
//! whoever's has rights over that network, so what lies on them is never in a program's way.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt as options;
use sandbox_core::egress::Protocol;
use tokio::net::{TcpListener, UdpSocket};

use super::sockets::Sockets;

/// Connections that wait to be taken.
const BACKLOG: i32 = 4096;

/// Where resolvers ask.
pub(super) const DNS: u16 = 53;

/// The port of the listener that everything is diverted to.
const DIVERTED: u16 = 1;

/// Takes a socket and binds it.
fn bound(sockets: &mut Sockets, to: SocketAddr, protocol: Protocol) -> io::Result<OwnedFd> {
    let socket = sockets.take(to.ip(), protocol)?;
    // A rule may list the port that names are asked at; elsewhere who comes second is refused.
    options::set_socket_reuseaddr(&socket, to.port() == DNS)?;
    if to.is_ipv6() {
        options::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &to)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// A TCP listener at this address.
///
/// # Errors
/// No socket is left, or the kernel refuses.
pub(super) fn tcp(sockets: &mut Sockets, at: SocketAddr) -> io::Result<TcpListener> {
    listening(bound(sockets, at, Protocol::Tcp)?)
}

fn listening(socket: OwnedFd) -> io::Result<TcpListener> {
    // What is taken inherits it: answers must not wait for one another.
    options::set_tcp_nodelay(&socket, true)?;
    rustix::net::listen(&socket, BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The listener of a family that connections are diverted to, with their destination kept.
///
/// # Errors
/// As [`tcp`].
pub(super) fn diverted(sockets: &mut Sockets, own: IpAddr) -> io::Result<TcpListener> {
    let socket = bound(sockets, (own, DIVERTED).into(), Protocol::Tcp)?;
    // For IPv6 it is the same mark on the socket.
    setsockopt(&socket, sockopt::IpTransparent, &true)?;
    listening(socket)
}

/// A UDP socket at this address.
///
/// # Errors
/// As [`tcp`].
pub(super) fn udp(sockets: &mut Sockets, at: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bound(sockets, at, Protocol::Udp)?.into())
}

/// A UDP socket for a port of every address, which tells where each datagram was sent to, and sends
/// from there.
///
/// # Errors
/// As [`tcp`].
pub(super) fn everywhere(sockets: &mut Sockets, like: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = bound(sockets, (any(like), port).into(), Protocol::Udp)?;
    setsockopt(&socket.as_fd(), sockopt::IpTransparent, &true)?;
    match like {
        IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
        IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    UdpSocket::from_std(socket.into())
}

/// Every address of this one's family.
pub(super) fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
