//! Every packet that reached the internet, or left it.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};

use super::sys;

/// Of all protocols, in the network's order.
const ALL: u32 = 0x0003_u16.to_be() as u32;

pub(crate) struct Capture {
    socket: Arc<OwnedFd>,
    packets: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Capture {
    /// Captures in the calling thread's network from now on.
    pub(crate) fn start() -> io::Result<Self> {
        let protocol = std::num::NonZeroU32::new(ALL).map(Protocol::from_raw);
        let (family, kind) = (AddressFamily::PACKET, SocketType::RAW);
        let socket = Arc::new(socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?);
        // As much as the host lets anybody have.
        set_socket_recv_buffer_size(&socket, 8 << 20)?;
        let packets = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let (from, to) = (Arc::clone(&socket), Arc::clone(&packets));
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 17];
            while let Ok((read, _)) = recv(&from, &mut buffer[..], RecvFlags::empty()) {
                to.lock().expect("the packets").push(buffer[..read].to_vec());
            }
        });
        Ok(Self { socket, packets })
    }

    /// Whether a text is in a packet, whatever its case. A name in a question has lengths in the
    /// place of its dots, so that only labels are found everywhere.
    pub(crate) fn mentions(&self, label: &str) -> bool {
        let label = label.to_ascii_lowercase();
        let has = |packet: &Vec<u8>| {
            packet.windows(label.len()).any(|part| part.eq_ignore_ascii_case(label.as_bytes()))
        };
        self.packets.lock().expect("the packets").iter().any(has)
    }

    /// Where packets went to.
    pub(crate) fn destinations(&self) -> BTreeSet<IpAddr> {
        let packets = self.packets.lock().expect("the packets");
        packets.iter().filter_map(|packet| destination(packet)).collect()
    }

    /// How many packets are missing.
    pub(crate) fn lost(&self) -> u32 {
        sys::lost(&self.socket).expect("the capture's numbers")
    }
}

/// The destination of a packet on Ethernet.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.get(12..14)? {
        [0x08, 0x00] => {
            let address: [u8; 4] = packet.get(30..34)?.try_into().ok()?;
            Some(Ipv4Addr::from(address).into())
        }
        [0x86, 0xdd] => {
            let address: [u8; 16] = packet.get(38..54)?.try_into().ok()?;
            Some(Ipv6Addr::from(address).into())
        }
        _ => None,
    }
}
