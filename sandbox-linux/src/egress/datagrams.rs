//! The datagrams of one UDP port, to whatever address they are sent.
//!
//! The socket is bound to every address of the sandbox's network, all of which are local. The kernel
//! tells with each datagram where it was sent to, and an answer is sent from there.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use async_trait::async_trait;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage,
    recvmsg, sendmsg,
};
use sandbox_core::egress::gateway::{Arrived, Datagrams};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A UDP port of the sandbox's network.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) socket: UdpSocket,
    pub(super) number: u16,
}

#[async_trait]
impl Datagrams for Port {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrived> {
        self.socket.async_io(Interest::READABLE, || self.take(buffer)).await
    }

    async fn send(&self, bytes: &[u8], target: SocketAddr, client: SocketAddr) -> io::Result<()> {
        let (socket, parts) = (self.socket.as_raw_fd(), [IoSlice::new(bytes)]);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let sent = match (target.ip(), client) {
            (IpAddr::V4(from), SocketAddr::V4(to)) => {
                let info = v4_info(from);
                let source = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(socket, &parts, &source, flags, Some(&SockaddrIn::from(to)))
            }
            (IpAddr::V6(from), SocketAddr::V6(to)) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                    ipi6_ifindex: 0,
                };
                let source = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(socket, &parts, &source, flags, Some(&SockaddrIn6::from(to)))
            }
            _ => return Err(ErrorKind::InvalidInput.into()),
        };
        sent.map(drop).map_err(io::Error::from)
    }
}

impl Port {
    fn take(&self, buffer: &mut [u8]) -> io::Result<Arrived> {
        let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
        let mut parts = [IoSliceMut::new(buffer)];
        let socket = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut space), flags)?;
        let target = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::from(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
            }
            _ => None,
        });
        let client = received.address.and_then(|address| peer(&address));
        match (target, client) {
            (Some(target), Some(client)) => {
                let target = SocketAddr::new(target, self.number);
                Ok(Arrived { length: received.bytes, client, target })
            }
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}

fn peer(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|it| SocketAddrV4::from(*it).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|it| SocketAddrV6::from(*it).into()))
}

fn v4_info(from: Ipv4Addr) -> libc::in_pktinfo {
    let source = libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) };
    let unset = libc::in_addr { s_addr: 0 };
    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: unset }
}
