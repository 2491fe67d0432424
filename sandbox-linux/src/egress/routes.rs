//! Addresses and routes: what ends at the listeners, and what ends at once.
//!
//! Everything that may be connected to is local: the range of names, and what address rules list.
//! Packets to it come in by loopback, where the listeners are. Anything else is prohibited, so a
//! program that connects to an address that no rule lists hears so at once (`EACCES`).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use ipnet::IpNet;
use sandbox_core::egress::{Host, Range, Rules};

use super::netlink::{CREATE, Message, carry_out};

const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

/// The only interface, which is always the first (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// How many routes are asked for at once: their answers have to fit into the socket.
const AT_ONCE: usize = 64;

/// The blocks that address rules list, loopback ones aside, which are local anyway.
pub(super) fn listed(rules: &Rules, has_v6: bool) -> BTreeSet<IpNet> {
    let blocks = rules.as_slice().iter().filter_map(|rule| match rule.host() {
        Host::Address(address) => Some(IpNet::from(*address)),
        Host::Block(block) => Some(*block),
        _ => None,
    });
    let is_wanted = |block: &IpNet| has_v6 || block.addr().is_ipv4();
    blocks.filter(is_wanted).filter(|block| !block.addr().is_loopback()).collect()
}

/// Gives the network its addresses and routes.
///
/// # Errors
/// What was refused.
pub(super) fn set_up(socket: &OwnedFd, range: Range) -> io::Result<()> {
    let own = range.own();
    let mut messages = vec![
        address(own.v4.into()),
        route(NEW_ROUTE, range.v4().into(), range),
        prohibit(own.v4.into()),
    ];
    if range.has_v6() {
        messages.extend([
            address(own.v6.into()),
            route(NEW_ROUTE, range.v6().into(), range),
            prohibit(own.v6.into()),
        ]);
    }
    carry_out(socket, &messages).map_err(|(_, error)| error)
}

/// Makes blocks local.
///
/// # Errors
/// The block that was refused, and why.
pub(super) fn add(
    socket: &OwnedFd,
    blocks: &BTreeSet<IpNet>,
    range: Range,
) -> Result<(), (IpNet, io::Error)> {
    change(socket, NEW_ROUTE, blocks, range)
}

/// Makes blocks unreachable again.
///
/// # Errors
/// As [`add`].
pub(super) fn remove(
    socket: &OwnedFd,
    blocks: &BTreeSet<IpNet>,
    range: Range,
) -> Result<(), (IpNet, io::Error)> {
    change(socket, DELETE_ROUTE, blocks, range)
}

fn change(
    socket: &OwnedFd,
    kind: u16,
    blocks: &BTreeSet<IpNet>,
    range: Range,
) -> Result<(), (IpNet, io::Error)> {
    // These two are there in any case.
    let own = [IpNet::from(range.v4()), range.v6().into()];
    let blocks: Vec<_> = blocks.iter().copied().filter(|block| !own.contains(block)).collect();
    for some in blocks.chunks(AT_ONCE) {
        let messages: Vec<_> = some.iter().map(|block| route(kind, *block, range)).collect();
        let named = |(place, error): (usize, io::Error)| (some[place.min(some.len() - 1)], error);
        carry_out(socket, &messages).map_err(named)?;
    }
    Ok(())
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(family).unwrap_or_default()
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// An address of loopback's, for itself alone.
fn address(own: IpAddr) -> Message {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    // At once, without asking who else has it.
    const NODAD: u8 = 2;
    let length = if own.is_ipv4() { 32 } else { 128 };
    let fixed = [&[family(own), length, NODAD, 0][..], &LOOPBACK.to_ne_bytes()].concat();
    let message = Message::new(NEW_ADDRESS, CREATE, &fixed).answered();
    message.with(IFA_LOCAL, &bytes(own)).with(IFA_ADDRESS, &bytes(own))
}

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PREFSRC: u16 = 7;
const BY_ADMINISTRATOR: u8 = 4;

/// The route by which a block is local. Its source is the network's own address: any other would
/// have the answers go where nothing leads.
fn route(kind: u16, block: IpNet, range: Range) -> Message {
    const TABLE_LOCAL: u8 = 255;
    const SCOPE_HOST: u8 = 254;
    const LOCAL: u8 = 2;
    let source: IpAddr = match block {
        IpNet::V4(_) => range.own().v4.into(),
        IpNet::V6(_) => range.own().v6.into(),
    };
    let family = family(block.addr());
    let head = [family, block.prefix_len(), 0, 0, TABLE_LOCAL, BY_ADMINISTRATOR, SCOPE_HOST, LOCAL];
    let flags = if kind == NEW_ROUTE { CREATE } else { 0 };
    let message = Message::new(kind, flags, &[&head[..], &[0; 4]].concat()).answered();
    message
        .with(RTA_DST, &bytes(block.network()))
        .with(RTA_OIF, &LOOPBACK.to_ne_bytes())
        .with(RTA_PREFSRC, &bytes(source))
}

/// The route of everything else.
fn prohibit(like: IpAddr) -> Message {
    const TABLE_MAIN: u8 = 254;
    const PROHIBIT: u8 = 8;
    let head = [family(like), 0, 0, 0, TABLE_MAIN, BY_ADMINISTRATOR, 0, PROHIBIT];
    Message::new(NEW_ROUTE, CREATE, &[&head[..], &[0; 4]].concat()).answered()
}
