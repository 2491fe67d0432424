//! Which addresses are the host's own.
//!
//! A service that listens on all addresses believes that who comes from this host may do more. So a
//! name must not lead to any of them, public ones included.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

use super::shortage::is_shortage;

/// Who knows the host's addresses.
pub trait Own: fmt::Debug + Send + Sync {
    /// Whether a connection to this address would end on this host.
    ///
    /// # Errors
    /// It could not be found out. Where that was for want of descriptors it is asked again; nothing
    /// is dialled without an answer.
    fn is_own(&self, address: IpAddr) -> io::Result<bool>;
}

/// A fixed list.
impl Own for Vec<IpAddr> {
    fn is_own(&self, address: IpAddr) -> io::Result<bool> {
        Ok(self.contains(&address))
    }
}

/// The addresses of the system that this process runs on, asked for each time: they change.
///
/// The question is put to the kernel by binding a socket, which works for the host's own addresses
/// alone. Systems can be told to allow any address there (`ip_nonlocal_bind`); then the source
/// address is asked for that a packet to the address would have, which misses the second addresses
/// of an interface.
///
/// A socket that could not be bound asks the next question as well, so that one about somebody
/// else's address takes no descriptor.
#[derive(Debug, Default)]
pub struct SystemAddresses {
    v4: Mutex<Option<TcpSocket>>,
    v6: Mutex<Option<TcpSocket>>,
}

impl Own for SystemAddresses {
    fn is_own(&self, address: IpAddr) -> io::Result<bool> {
        match self.bind(address) {
            Ok(()) => Ok(!binds_anything(address)? || is_source(address)?),
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Ok(false),
            Err(error) if is_shortage(&error) => Err(error),
            // Where nothing can be asked, nothing is dialled.
            Err(_) => Ok(true),
        }
    }
}

impl SystemAddresses {
    fn bind(&self, address: IpAddr) -> io::Result<()> {
        let (kept, new): (_, fn() -> io::Result<TcpSocket>) = match address {
            IpAddr::V4(_) => (&self.v4, TcpSocket::new_v4),
            IpAddr::V6(_) => (&self.v6, TcpSocket::new_v6),
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = kept.take().map_or_else(new, Ok)?;
        match socket.bind(SocketAddr::new(address, 0)) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                *kept = Some(socket);
                Err(error)
            }
            // A port is what may be missing, or the right to TCP's: datagrams need neither.
            Err(_) => {
                drop(socket);
                UdpSocket::bind(SocketAddr::new(address, 0)).map(drop)
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Whether the system lets sockets be bound to addresses that nobody has (RFC 5737, RFC 9637).
fn binds_anything(like: IpAddr) -> io::Result<bool> {
    let nobodys: [IpAddr; 2] = match like {
        IpAddr::V4(_) => [[192, 0, 2, 213].into(), [203, 0, 113, 213].into()],
        IpAddr::V6(_) => {
            [[0x3fff, 0, 0, 0, 0, 0, 0, 213].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 213].into()]
        }
    };
    for address in nobodys {
        match UdpSocket::bind(SocketAddr::new(address, 0)) {
            Ok(_) => {}
            Err(error) if is_shortage(&error) => return Err(error),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether a packet to the address would come from it.
fn is_source(address: IpAddr) -> io::Result<bool> {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        // Nothing is sent: the socket only learns its way.
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    });
    match source {
        Ok(source) => Ok(source.ip() == address),
        Err(error) if is_shortage(&error) => Err(error),
        // There is no way to it.
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_its_addresses() {
        let system = SystemAddresses::default();
        let is_own = |address: IpAddr| system.is_own(address).unwrap();
        // More than once: what one answer leaves must not change the next.
        for _ in 0..3 {
            assert!(is_own(Ipv4Addr::LOCALHOST.into()));
            assert!(!is_own([192, 0, 2, 1].into()));
            assert!(!is_own([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()));
            // What the system would send from to the world is its own, if it can send there at all.
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            if socket.connect("192.0.2.1:9").is_ok() {
                assert!(is_own(socket.local_addr().unwrap().ip()));
            }
        }
    }
}
