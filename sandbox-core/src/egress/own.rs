//! Which addresses are the host's own.
//!
//! A service that listens on all addresses believes that who comes from this host may do more. So a
//! name must not lead to any of them, public ones included.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Who knows the host's addresses.
pub trait Own: fmt::Debug + Send + Sync {
    /// Whether a connection to this address would end on this host.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// A fixed list.
impl Own for Vec<IpAddr> {
    fn is_own(&self, address: IpAddr) -> bool {
        self.contains(&address)
    }
}

/// The addresses of the system that this process runs on, asked for each time: they change.
///
/// The question is put to the kernel by binding a socket, which works for the host's own addresses
/// alone. Systems can be told to allow any address there (`ip_nonlocal_bind`); then the source
/// address is asked for that a packet to the address would have, which misses the second addresses
/// of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemAddresses;

impl Own for SystemAddresses {
    fn is_own(&self, address: IpAddr) -> bool {
        match UdpSocket::bind(SocketAddr::new(address, 0)) {
            Ok(_) if !binds_anything(address) => true,
            Ok(socket) => drop_and_ask(socket, address),
            // Where nothing can be asked, for want of descriptors, say, nothing is dialled.
            Err(error) => error.kind() != ErrorKind::AddrNotAvailable,
        }
    }
}

/// Whether the system lets sockets be bound to addresses that nobody has (RFC 5737, RFC 9637).
fn binds_anything(like: IpAddr) -> bool {
    let nobodys: [IpAddr; 2] = match like {
        IpAddr::V4(_) => [[192, 0, 2, 213].into(), [203, 0, 113, 213].into()],
        IpAddr::V6(_) => {
            [[0x3fff, 0, 0, 0, 0, 0, 0, 213].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 213].into()]
        }
    };
    nobodys.iter().all(|&address| UdpSocket::bind(SocketAddr::new(address, 0)).is_ok())
}

fn drop_and_ask(bound: UdpSocket, address: IpAddr) -> bool {
    drop(bound);
    let any = if address.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
    };
    let source = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        // Nothing is sent: the socket only learns its way.
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_its_addresses() {
        assert!(SystemAddresses.is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!SystemAddresses.is_own([192, 0, 2, 1].into()));
        assert!(!SystemAddresses.is_own([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()));
        // What the system would send from to the world is its own, if it can send there at all.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            assert!(SystemAddresses.is_own(socket.local_addr().unwrap().ip()));
        }
    }
}
