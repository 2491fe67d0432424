//! The table that diverts connections to the listener, whatever address and port they are for.
//!
//! A packet comes in by loopback, passes this chain, and where a rule matches, the kernel gives it to
//! the listener as if it had been sent there (TPROXY). The connection keeps the destination that the
//! program meant, which is what the gateway asks for. What no rule matches ends where nobody listens,
//! and the program hears so at once (`ECONNREFUSED`).
//!
//! The table is always made anew, as one transaction: there is no moment with half of it. The
//! messages are those of `linux/netfilter/nf_tables.h`; numbers in them are big-endian.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use ipnet::IpNet;
use sandbox_core::egress::{Host, Ports, Protocol, Range, Rules};

use super::netlink::{Attributes, CREATE, EXCLUSIVE, Message, carry_out};

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;
const APPEND: u16 = 0x800;
/// Both families in one table (`NFPROTO_INET`).
const BOTH: u8 = 1;

const TABLE: &[u8] = b"sandbox\0";
const CHAIN: &[u8] = b"divert\0";
const PORTS: &[u8] = b"ports\0";

/// Where a value is kept between two expressions of a rule.
const REGISTER: [u32; 3] = [1, 2, 3];

/// Which ports of a destination are diverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// Those that some rule lists: the set.
    Listed,
    One(u16),
    All,
}

/// The first and last address, and the ports, of what a rule of the table diverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Diverted {
    first: IpAddr,
    last: IpAddr,
    which: Which,
}

/// Has TCP connections that the rules know of diverted to these listeners, for the first time.
///
/// # Errors
/// The kernel has no nf_tables, no TPROXY, or refuses either.
pub(super) fn divert(
    socket: &OwnedFd,
    rules: &Rules,
    range: Range,
    listeners: &[SocketAddr],
) -> io::Result<()> {
    // Nothing is deleted: the kernel would be busy with that for a while, and whoever closes the
    // socket in the meantime, a launch that ends at once say, would wait for it.
    make(socket, &[table(NEW_TABLE)], rules, range, listeners)
}

/// The same, by other rules.
///
/// # Errors
/// As [`divert`].
pub(super) fn divert_again(
    socket: &OwnedFd,
    rules: &Rules,
    range: Range,
    listeners: &[SocketAddr],
) -> io::Result<()> {
    let anew = [table(DELETE_TABLE), table(NEW_TABLE)];
    make(socket, &anew, rules, range, listeners)
}

fn make(
    socket: &OwnedFd,
    beginning: &[Message],
    rules: &Rules,
    range: Range,
    listeners: &[SocketAddr],
) -> io::Result<()> {
    let (ports, any) = rules.ports(Protocol::Tcp);
    let mut messages = [&[begin()], beginning].concat();
    messages.push(chain());
    messages.push(set());
    if !ports.is_empty() {
        messages.push(elements(&ports));
    }
    for diverted in all(rules, range, any) {
        let same = |at: &&SocketAddr| at.is_ipv4() == diverted.first.is_ipv4();
        if let Some(listener) = listeners.iter().find(same) {
            messages.push(rule(diverted, *listener));
        }
    }
    // The answer to the last one is that to the whole transaction; errors come in any case.
    let last = messages.pop().map(Message::answered);
    messages.extend(last);
    messages.push(batch(BATCH_END));
    carry_out(socket, &messages).map_err(|(_, error)| error)
}

/// What is diverted: the names of both families, then what address rules list.
fn all(rules: &Rules, range: Range, any: bool) -> Vec<Diverted> {
    let which = if any { Which::All } else { Which::Listed };
    let (first, last) = range.of_names();
    let mut all = vec![Diverted { first: first.v4.into(), last: last.v4.into(), which }];
    if range.has_v6() {
        all.push(Diverted { first: first.v6.into(), last: last.v6.into(), which });
    }
    for rule in rules.as_slice().iter().filter(|rule| rule.protocol() == Protocol::Tcp) {
        let block = match rule.host() {
            Host::Address(address) => IpNet::from(*address),
            Host::Block(block) => *block,
            _ => continue,
        };
        let whole = |which| Diverted { first: block.network(), last: block.broadcast(), which };
        match rule.ports() {
            Ports::Web => all.extend([80, 443].map(|port| whole(Which::One(port)))),
            Ports::One(port) => all.push(whole(Which::One(port))),
            _ => all.push(whole(Which::All)),
        }
    }
    all
}

fn begin() -> Message {
    batch(BATCH_BEGIN)
}

/// `struct nfgenmsg`: family, version, and the subsystem as resource.
fn batch(kind: u16) -> Message {
    let fixed = [&[0, 0][..], &SUBSYSTEM.to_be_bytes()].concat();
    Message::new(kind, 0, &fixed)
}

fn message(kind: u16, flags: u16) -> Message {
    Message::new(SUBSYSTEM << 8 | kind, flags, &[BOTH, 0, 0, 0])
}

fn table(kind: u16) -> Message {
    const NAME: u16 = 1;
    message(kind, if kind == NEW_TABLE { CREATE | EXCLUSIVE } else { 0 }).with(NAME, TABLE)
}

fn chain() -> Message {
    const NAME: (u16, u16) = (1, 3);
    const HOOK: u16 = 4;
    const TYPE: u16 = 7;
    const PREROUTING: u32 = 0;
    // Where packets are changed, before anything is decided about them ("mangle").
    const PRIORITY: i32 = -150;
    let hook =
        Attributes::default().with(1, &PREROUTING.to_be_bytes()).with(2, &PRIORITY.to_be_bytes());
    message(NEW_CHAIN, CREATE)
        .with(NAME.0, TABLE)
        .with(NAME.1, CHAIN)
        .nest(HOOK, &hook)
        .with(TYPE, b"filter\0")
}

/// The set of listed ports.
fn set() -> Message {
    const INET_SERVICE: u32 = 13;
    message(NEW_SET, CREATE)
        .with(1, TABLE)
        .with(2, PORTS)
        .with(3, &0_u32.to_be_bytes())
        .with(4, &INET_SERVICE.to_be_bytes())
        .with(5, &2_u32.to_be_bytes())
        .with(10, &1_u32.to_be_bytes())
}

fn elements(ports: &BTreeSet<u16>) -> Message {
    const ELEMENT: u16 = 1;
    let mut list = Attributes::default();
    for port in ports {
        let key = Attributes::default().nest(1, &value(&port.to_be_bytes()));
        list = list.nest(ELEMENT, &key);
    }
    message(NEW_ELEMENTS, CREATE).with(1, TABLE).with(2, PORTS).nest(3, &list)
}

/// One rule: of this family and protocol, to these addresses and ports, to the listener.
fn rule(diverted: Diverted, listener: SocketAddr) -> Message {
    let is_v4 = diverted.first.is_ipv4();
    let (family, offset) = if is_v4 { (2_u8, 16) } else { (10, 24) };
    let (first, last) = (octets(diverted.first), octets(diverted.last));
    let mut list = Expressions::default()
        .meta(META_FAMILY)
        .compare(EQUAL, &[family])
        .meta(META_PROTOCOL)
        .compare(EQUAL, &[TCP])
        .load(NETWORK_HEADER, offset, first.len())
        .compare(AT_LEAST, &first)
        .compare(AT_MOST, &last);
    list = match diverted.which {
        Which::All => list,
        Which::One(port) => list.load(TRANSPORT_HEADER, 2, 2).compare(EQUAL, &port.to_be_bytes()),
        Which::Listed => list.load(TRANSPORT_HEADER, 2, 2).within(PORTS),
    };
    let list = list
        .immediate(REGISTER[1], &octets(listener.ip()))
        .immediate(REGISTER[2], &listener.port().to_be_bytes())
        .tproxy(family)
        .accept();
    message(NEW_RULE, CREATE | APPEND).with(1, TABLE).with(2, CHAIN).nest(4, &list.0)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// `NFTA_DATA_VALUE`.
fn value(bytes: &[u8]) -> Attributes {
    Attributes::default().with(1, bytes)
}

const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const EQUAL: u32 = 0;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;
const TCP: u8 = 6;

/// The expressions of a rule, in the order in which they are evaluated.
#[derive(Default)]
struct Expressions(Attributes);

impl Expressions {
    fn push(self, name: &[u8], data: &Attributes) -> Self {
        const ELEMENT: u16 = 1;
        let expression = Attributes::default().with(1, name).nest(2, data);
        Self(self.0.nest(ELEMENT, &expression))
    }

    fn numbers<const N: usize>(numbers: [u32; N]) -> Attributes {
        let mut all = Attributes::default();
        for (kind, number) in (1..).zip(numbers) {
            all = all.with(kind, &number.to_be_bytes());
        }
        all
    }

    fn meta(self, key: u32) -> Self {
        self.push(b"meta\0", &Self::numbers([REGISTER[0], key]))
    }

    fn load(self, base: u32, offset: u32, length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or_default();
        self.push(b"payload\0", &Self::numbers([REGISTER[0], base, offset, length]))
    }

    fn compare(self, how: u32, with: &[u8]) -> Self {
        self.push(b"cmp\0", &Self::numbers([REGISTER[0], how]).nest(3, &value(with)))
    }

    fn within(self, set: &[u8]) -> Self {
        let data = Attributes::default().with(1, set).with(2, &REGISTER[0].to_be_bytes());
        self.push(b"lookup\0", &data)
    }

    fn immediate(self, register: u32, bytes: &[u8]) -> Self {
        self.push(b"immediate\0", &Self::numbers([register]).nest(2, &value(bytes)))
    }

    fn tproxy(self, family: u8) -> Self {
        let data = Self::numbers([family.into(), REGISTER[1], REGISTER[2]]);
        self.push(b"tproxy\0", &data)
    }

    fn accept(self) -> Self {
        const VERDICT: u32 = 0;
        const ACCEPT: u32 = 1;
        let code = Attributes::default().with(1, &ACCEPT.to_be_bytes());
        let data = Attributes::default().nest(2, &code);
        self.push(b"immediate\0", &Self::numbers([VERDICT]).nest(2, &data))
    }
}
