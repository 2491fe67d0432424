//! Sockets: which families, types and protocols, and the options that would widen them.
//!
//! | scope, network | UNIX | INET, INET6, NETLINK(route) | datagram socketpair |
//! |---|---|---|---|
//! | namespaced | yes | yes (without a network: an empty namespace with a loopback) | yes |
//! | shared, host | no | yes | no |
//! | shared, proxy | no | INET, INET6: TCP, made by the launcher | no |
//! | shared, none | no | no | no |
//!
//! In the shared scope nothing stands between connect(2) and a pathname socket such as a
//! container engine's or an SSH agent's, so UNIX sockets come in connected pairs only; a
//! datagram pair would not do, since sendto(2) takes a path.
//!
//! With a proxy the payload makes no socket that could reach anything: socket(2) is answered by the
//! launcher, which makes one that leads to its loopback alone (`egress/supply.rs`). Landlock knows ports and
//! no addresses, so this is what keeps the payload from a stranger's server at the proxy's port.
//! There is nothing to bind and nobody to listen for: a listener that was never bound takes a port
//! by itself, and Landlock does not see it.

use crate::seccomp::args::{Check, Rule, word};
use crate::seccomp::errno::Errno;
use crate::seccomp::ruling::Ruling;
use crate::seccomp::spec::{FilterSpec, Network, Profile, Scope};

const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;
const NETLINK: u64 = 16;

/// `SOCK_TYPE_MASK`: the rest of a type are flags.
const TYPE: u64 = 0xf;
const STREAM: u64 = 1;
const DGRAM: u64 = 2;
const RAW: u64 = 3;
const SEQPACKET: u64 = 5;

/// The protocols of INET sockets: the default of the type, TCP and UDP. Landlock's rules on
/// ports know no other, and SCTP, UDP-Lite and multipath TCP would pass them by.
const INET_PROTOCOLS: [u64; 3] = [0, TCP, 17];
const TCP: u64 = 6;

/// socket(family, type, protocol).
pub(in crate::seccomp) fn socket(spec: &FilterSpec, family: u8) -> Ruling {
    if spec.network == Network::Proxy {
        return asked(family);
    }
    let (withheld, allowed) = families(spec);
    let mut checks = Vec::new();
    if !withheld.is_empty() {
        checks.push(Check::refuse(Errno::EACCES, word(family).one_of(withheld)));
    }
    if allowed.is_empty() {
        checks.push(Check::never(Errno::EAFNOSUPPORT));
    } else {
        checks.push(Check::require(Errno::EAFNOSUPPORT, word(family).one_of(allowed)));
        checks.push(Check::require(Errno::EPERM, types(family)));
        checks.push(Check::refuse(Errno::EPROTONOSUPPORT, foreign_protocols(family)));
    }
    Ruling::of("families, types and protocols", checks)
}

/// Families that the policy withholds, and those it allows; any other does not exist.
fn families(spec: &FilterSpec) -> (&'static [u64], &'static [u64]) {
    match (spec.scope, spec.network) {
        (Scope::Namespaced, _) => (&[], &[UNIX, INET, INET6, NETLINK]),
        (Scope::Shared, Network::Host) => (&[UNIX], &[INET, INET6, NETLINK]),
        (Scope::Shared, _) => (&[UNIX, INET, INET6, NETLINK], &[]),
    }
}

/// The sockets that the launcher makes. Others than those of TCP need not mind the rule on ports.
fn asked(family: u8) -> Ruling {
    let kind = word(family + 1).bits(TYPE, STREAM);
    let checks = vec![
        Check::refuse(Errno::EACCES, word(family).one_of(&[UNIX, NETLINK])),
        Check::require(Errno::EAFNOSUPPORT, word(family).one_of(&[INET, INET6])),
        Check::require(Errno::EACCES, [vec![kind]]),
        Check::require(Errno::EPROTONOSUPPORT, word(family + 2).one_of(&[0, TCP])),
    ];
    Ruling::Asked { why: "TCP, over the loopback alone", checks }
}

/// bind(socket, ...) and listen(socket, ...): whether a payload may have visitors.
pub(in crate::seccomp) fn visitors(spec: &FilterSpec, _: u8) -> Ruling {
    match spec.network {
        Network::Proxy => Ruling::Fail(Errno::EACCES),
        Network::None | Network::Host => Ruling::Allow,
    }
}

/// Raw sockets are for netlink alone, where the word means nothing.
fn types(family: u8) -> Vec<Rule> {
    let kind = |value| word(family + 1).bits(TYPE, value);
    vec![
        vec![kind(STREAM)],
        vec![kind(DGRAM)],
        vec![word(family).is(UNIX), kind(SEQPACKET)],
        vec![word(family).is(NETLINK), kind(RAW)],
    ]
}

/// Netlink speaks to the routing tables alone (protocol 0), from which libraries read the
/// interfaces.
fn foreign_protocols(family: u8) -> [Rule; 2] {
    let protocol = word(family + 2);
    let mut foreign = vec![word(family).is_not(UNIX)];
    foreign.extend(INET_PROTOCOLS.map(|known| protocol.is_not(known)));
    [vec![word(family).is(NETLINK), protocol.is_not(0)], foreign]
}

/// socketpair(family, type, protocol, pair).
pub(in crate::seccomp) fn socketpair(spec: &FilterSpec, family: u8) -> Ruling {
    let kinds: &[u64] = match spec.scope {
        Scope::Namespaced => &[STREAM, DGRAM, SEQPACKET],
        Scope::Shared => &[STREAM, SEQPACKET],
    };
    let types = kinds.iter().map(|&kind| vec![word(family + 1).bits(TYPE, kind)]);
    Ruling::of(
        "connected UNIX pairs",
        vec![
            Check::require(Errno::EAFNOSUPPORT, [vec![word(family).is(UNIX)]]),
            Check::require(Errno::EACCES, types),
        ],
    )
}

/// `MSG_FASTOPEN`: connects inside a send, where Landlock does not look.
const FAST_OPEN: u64 = 0x2000_0000;

/// sendto, sendmsg and sendmmsg, with the flags at `flags`.
pub(in crate::seccomp) fn send_flags(spec: &FilterSpec, flags: u8) -> Ruling {
    if !spec.guards_connect() {
        return Ruling::Allow;
    }
    let fast = vec![word(flags).all_of(FAST_OPEN)];
    Ruling::of("no connecting by a send", vec![Check::refuse(Errno::EOPNOTSUPP, [fast])])
}

const SOL_IP: u64 = 0;
const SOL_SOCKET: u64 = 1;
const SOL_TCP: u64 = 6;
const SOL_IPV6: u64 = 41;

/// `SO_ATTACH_BPF` and `SO_ATTACH_REUSEPORT_EBPF`.
const EXTENDED_BPF: [u64; 2] = [50, 52];
/// `SO_ATTACH_FILTER` and `SO_ATTACH_REUSEPORT_CBPF`.
const CLASSIC_BPF: [u64; 2] = [26, 51];
/// `TCP_FASTOPEN_CONNECT`.
const FAST_OPEN_CONNECT: u64 = 30;
/// `TCP_ULP`: loads protocol modules (TLS, SMC) into the kernel.
const UPPER_PROTOCOL: u64 = 31;

/// Options that change where packets go: `SO_BINDTODEVICE`, `SO_BINDTOIFINDEX`, `IP_OPTIONS` (source
/// routes), `IPV6_RTHDR`, `IPV6_2292PKTOPTIONS`.
const WAYS: [(u64, u64); 5] =
    [(SOL_SOCKET, 25), (SOL_SOCKET, 62), (SOL_IP, 4), (SOL_IPV6, 57), (SOL_IPV6, 6)];

/// setsockopt(socket, level, option, ...), with the level at `level`.
pub(in crate::seccomp) fn setsockopt(spec: &FilterSpec, level: u8) -> Ruling {
    let named = |at, option| vec![word(level).is(at), word(level + 1).is(option)];
    let mut programs: Vec<Rule> = EXTENDED_BPF.map(|option| named(SOL_SOCKET, option)).into();
    if spec.profile == Profile::Strict {
        programs.extend(CLASSIC_BPF.map(|option| named(SOL_SOCKET, option)));
    }
    // Firewall tables and multicast routing; IPv6 has ordinary options between the two.
    programs.extend([
        vec![word(level).is(SOL_IP), word(level + 1).at_least(64)],
        vec![word(level).is(SOL_IPV6), word(level + 1).bits(!1, 64)],
        vec![word(level).is(SOL_IPV6), word(level + 1).at_least(200)],
    ]);
    if spec.network == Network::Proxy {
        programs.extend(WAYS.map(|(level, option)| named(level, option)));
    }
    let mut protocols = vec![named(SOL_TCP, UPPER_PROTOCOL)];
    if spec.guards_connect() {
        protocols.push(named(SOL_TCP, FAST_OPEN_CONNECT));
    }
    Ruling::of(
        "no programs, firewall tables or upper protocols",
        vec![Check::refuse(Errno::EPERM, programs), Check::refuse(Errno::ENOPROTOOPT, protocols)],
    )
}
