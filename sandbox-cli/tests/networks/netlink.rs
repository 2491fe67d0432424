//! Interfaces, addresses and routes, made by messages to the kernel (rtnetlink(7)).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// A socket that changes the network of the thread that made it.
pub(crate) struct Network(OwnedFd);

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
/// NLM_F_REQUEST, _ACK, _EXCL and _CREATE.
const MAKE: u16 = 1 | 4 | 0x200 | 0x400;
const MAIN_TABLE: u8 = 254;

impl Network {
    pub(crate) fn new() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // NETLINK_ROUTE is protocol 0.
        Ok(Self(socket_with(family, kind, SocketFlags::CLOEXEC, None)?))
    }

    /// A pair of interfaces, the second one in another network.
    pub(crate) fn pair(&self, name: &str, peer: &str, network: &File) -> io::Result<()> {
        let descriptor = network.as_raw_fd().to_ne_bytes();
        let peer = [link(0, 0), attribute(3, &text(peer)), attribute(28, &descriptor)].concat();
        let data = attribute(2, &attribute(1, &peer));
        let info = [attribute(1, b"veth"), data].concat();
        let body = [link(0, 0), attribute(3, &text(name)), attribute(18, &info)].concat();
        self.make(NEW_LINK, MAKE, &body)
    }

    /// Brings an interface up.
    pub(crate) fn up(&self, index: u32) -> io::Result<()> {
        self.make(NEW_LINK, 1 | 4, &link(index, 1))
    }

    /// Gives an interface an address, which it has at once.
    pub(crate) fn address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        const NO_DUPLICATE_DETECTION: u8 = 2;
        let head = [family(address), prefix, NO_DUPLICATE_DETECTION, 0];
        let bytes = bytes(address);
        let attributes = [attribute(2, &bytes), attribute(1, &bytes)].concat();
        self.make(NEW_ADDRESS, MAKE, &[&head[..], &index.to_ne_bytes(), &attributes].concat())
    }

    /// Sends everything that no other route knows to a router.
    pub(crate) fn default_by(&self, router: IpAddr) -> io::Result<()> {
        self.default_route(router, 1, 0, &attribute(5, &bytes(router)))
    }

    /// Takes everything that no other route knows for an address of this network.
    pub(crate) fn everything_is_here(&self, like: IpAddr, loopback: u32) -> io::Result<()> {
        const HERE: u8 = 254;
        self.default_route(like, 2, HERE, &attribute(4, &loopback.to_ne_bytes()))
    }

    fn default_route(&self, like: IpAddr, kind: u8, scope: u8, to: &[u8]) -> io::Result<()> {
        const BY_HAND: u8 = 4;
        let head = [family(like), 0, 0, 0, MAIN_TABLE, BY_HAND, scope, kind, 0, 0, 0, 0];
        self.make(NEW_ROUTE, MAKE, &[&head[..], to].concat())
    }

    fn make(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let length = (16 + body.len()) as u32;
        let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]];
        send(&self.0, &[&head.concat(), body].concat(), SendFlags::empty())?;
        let mut answer = [0; 4096];
        let (read, _) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        // struct nlmsgerr: the error comes right behind the head.
        let error = answer[..read].get(16..20).and_then(|error| error.try_into().ok());
        match error.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(-error)),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The number of an interface in the calling thread's network.
pub(crate) fn index(name: &str) -> io::Result<u32> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    Ok(rustix::net::netdevice::name_to_index(&socket, name)?)
}

/// struct ifinfomsg.
fn link(index: u32, up: u32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), up.to_ne_bytes(), up.to_ne_bytes()].concat()
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (4 + payload.len()) as u16;
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), payload].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { libc::AF_INET as u8 } else { libc::AF_INET6 as u8 }
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
