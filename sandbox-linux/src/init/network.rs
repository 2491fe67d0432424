//! A network of the sandbox's own, and the sockets that lead out of it.
//!
//! The network has a loopback and nothing else, so nothing leaves it. A socket belongs to the network
//! that it was made in, whoever has it: so where the policy lists hosts, sockets are made here, while
//! this process may, and handed to the launcher, which binds them, sets the routes and answers. No
//! copy stays: who is inside never has one.
//!
//! Where the network is the host's, and nothing but a proxy may be reached, it is the listener of the
//! filter that is handed over: whoever has it makes the sockets that the payload asks for.

use core::mem::size_of;

use super::abi::{Sockets, egress, fd};
use super::close;
use super::orders::{Failed, Message, Rights, step};
use super::raw::{nr, syscall};

const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const STREAM: u64 = 1;
const DATAGRAM: u64 = 2;
const RAW: u64 = 3;
const CLOEXEC: u64 = 0o2_000_000;
const NETLINK_ROUTE: u64 = 0;
const NETLINK_NETFILTER: u64 = 12;

/// Makes what the value of an order asks for: a namespace, and numbers of sockets.
pub fn make(value: u32) -> Result<(), Failed> {
    let counts = value & (egress::TCP | egress::UDP);
    let namespace = value & !(counts | egress::LISTENER);
    if namespace == 0 {
        return Ok(());
    }
    let made = own_network(u64::from(namespace));
    if counts == 0 {
        return made;
    }
    let mut rights = Rights { size: 0, level: 1, kind: 1, descriptors: [-1; egress::MOST] };
    let mut pile = Pile { rights: &mut rights, count: 0 };
    let mut word = Sockets::default();
    let done = made.and_then(|()| pile.fill(counts, &mut word));
    if let Err((step, errno)) = done {
        (word.step, word.errno) = (step, errno);
    }
    // Whoever waits for the sockets hears in any case how it went.
    let told = pile.hand_over(&word);
    done.and(told)
}

/// Hands the listener of the filter over, or the reason why there is none.
pub fn lend(listener: Result<u64, Failed>) -> Result<(), Failed> {
    let mut rights = Rights { size: 0, level: 1, kind: 1, descriptors: [-1; egress::MOST] };
    let mut word = Sockets::default();
    let mut pile = Pile { rights: &mut rights, count: 0 };
    match listener {
        Ok(listener) => {
            pile.rights.descriptors[0] = listener as i32;
            pile.count = 1;
        }
        Err((step, errno)) => (word.step, word.errno) = (step, errno),
    }
    let told = pile.hand_over(&word);
    listener.and(told)
}

/// Sockets on their way.
struct Pile<'a> {
    rights: &'a mut Rights,
    count: usize,
}

impl Pile<'_> {
    fn fill(&mut self, counts: u32, word: &mut Sockets) -> Result<(), Failed> {
        self.add(AF_NETLINK, RAW, NETLINK_ROUTE)?;
        word.has_filters = u32::from(self.add(AF_NETLINK, RAW, NETLINK_NETFILTER).is_ok());
        self.family(AF_INET, counts)?;
        let first = self.count;
        match self.family(AF_INET6, counts) {
            Ok(()) => word.has_v6 = 1,
            // A kernel without IPv6 has none of them.
            Err(_) if self.count == first => {}
            Err(failed) => return Err(failed),
        }
        Ok(())
    }

    fn family(&mut self, family: u64, counts: u32) -> Result<(), Failed> {
        for _ in 0..counts & egress::TCP {
            self.add(family, STREAM, 0)?;
        }
        for _ in 0..(counts & egress::UDP) >> egress::UDP_SHIFT {
            self.add(family, DATAGRAM, 0)?;
        }
        Ok(())
    }

    fn add(&mut self, family: u64, kind: u64, protocol: u64) -> Result<(), Failed> {
        const EMSGSIZE: i32 = 90;
        let Some(place) = self.rights.descriptors.get_mut(self.count) else {
            return Err((5, EMSGSIZE));
        };
        // SAFETY: a new descriptor.
        let made = unsafe { syscall(nr::SOCKET, [family, kind | CLOEXEC, protocol, 0, 0, 0]) };
        *place = step(5, made)? as i32;
        self.count += 1;
        Ok(())
    }

    /// Sends what was made, with a word on how it went, and closes every copy.
    fn hand_over(&mut self, word: &Sockets) -> Result<(), Failed> {
        const HEADER: u64 = 16;
        const NOSIGNAL: u64 = 0x4000;
        let carried = if word.errno == 0 { self.count as u64 } else { 0 };
        self.rights.size = HEADER + 4 * carried;
        let parts = [word as *const Sockets as u64, size_of::<Sockets>() as u64];
        let message = Message {
            name: [0; 2],
            parts: &raw const parts as u64,
            part_count: 1,
            control: if carried > 0 { &raw const *self.rights as u64 } else { 0 },
            control_size: if carried > 0 { self.rights.size.next_multiple_of(8) } else { 0 },
            flags: 0,
        };
        let address = &raw const message as u64;
        // SAFETY: reads values of this stack and of the caller's, within their sizes.
        let sent = unsafe { syscall(nr::SENDMSG, [fd::CONTROL as u64, address, NOSIGNAL, 0, 0, 0]) };
        for descriptor in &self.rights.descriptors[..self.count.min(egress::MOST)] {
            close(*descriptor);
        }
        step(6, sent).map(drop)
    }
}

/// A network of our own, with nothing but a loopback.
fn own_network(flag: u64) -> Result<(), Failed> {
    const SIOCSIFFLAGS: u64 = 0x8914;
    const UP_AND_RUNNING: u64 = 0x41;
    // struct ifreq: the name in 16 bytes, then the flags.
    let interface = [u64::from_ne_bytes(*b"lo\0\0\0\0\0\0"), 0, UP_AND_RUNNING, 0, 0];
    let address = &raw const interface as u64;
    // SAFETY: moves this process alone.
    step(2, unsafe { syscall(nr::UNSHARE, [flag, 0, 0, 0, 0, 0]) })?;
    let kind = DATAGRAM | CLOEXEC;
    // SAFETY: a new descriptor.
    let socket = step(3, unsafe { syscall(nr::SOCKET, [AF_INET, kind, 0, 0, 0, 0]) })?;
    // SAFETY: reads a value of this stack.
    step(3, unsafe { syscall(nr::IOCTL, [socket, SIOCSIFFLAGS, address, 0, 0, 0]) })?;
    close(socket as i32);
    Ok(())
}
