//! The sockets of the sandbox's network: how many are wanted, and taking them.
//!
//! They are counted before there is a network, from the policy alone, and some more are made than it
//! needs, for rules that come while the sandbox lives.

use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use sandbox_core::egress::{Protocol, Rules};
use sandbox_core::{NetworkPolicy, Result, SandboxError};

use crate::abi::{OWN_STEPS, egress};

/// TCP sockets of each family beside one for each port: two answer names, one takes everything.
const TCP: usize = 3;
/// UDP sockets of each family beside one for each port: both answer names.
const UDP: usize = 2;
/// Ports of each protocol that a sandbox may get while it lives.
const SPARE: usize = 8;
/// The most ports of each protocol that sockets are made for.
const PORTS: usize = 48;

/// How many sockets of each family a helper makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    tcp: usize,
    udp: usize,
}

impl Counts {
    /// What a policy needs; nothing where it lists no hosts.
    pub(crate) fn of(network: &NetworkPolicy) -> Option<Self> {
        let NetworkPolicy::Limited { allowed_hosts, .. } = network else { return None };
        if allowed_hosts.is_empty() {
            return None;
        }
        let rules = Rules::new(allowed_hosts);
        let ports = |protocol| rules.ports(protocol).0.len().min(PORTS) + SPARE;
        Some(Self { tcp: TCP + ports(Protocol::Tcp), udp: UDP + ports(Protocol::Udp) })
    }

    /// As an order has them.
    pub(crate) fn in_order(self) -> i32 {
        let counts = self.udp << egress::UDP_SHIFT | self.tcp;
        i32::try_from(counts).unwrap_or_default()
    }
}

/// Sockets of one family that nothing uses yet.
#[derive(Debug, Default)]
pub(super) struct Family {
    tcp: Vec<OwnedFd>,
    udp: Vec<OwnedFd>,
}

/// The sockets of a sandbox's network.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Netlink, for addresses and routes.
    pub(super) routes: OwnedFd,
    /// Netlink, for filters.
    pub(super) filters: Option<OwnedFd>,
    v4: Family,
    /// Where the kernel has IPv6.
    v6: Option<Family>,
}

impl Sockets {
    /// Takes what a helper hands over.
    ///
    /// # Errors
    /// The step that failed there; the helper is gone.
    pub(crate) fn receive(control: &OwnedFd, counts: Counts) -> Result<Self> {
        let failed = || SandboxError::io("taking the sockets of the way out");
        let mut bytes = [0u8; 64];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(egress::MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(control, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            .map_err(|error| failed()(error.into()))?;
        let handed = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files.collect::<Vec<_>>()),
            _ => None,
        });
        let word = crate::sys::sockets_of(bytes.get(..received.bytes).unwrap_or_default());
        let word = word.ok_or_else(|| failed()(ErrorKind::UnexpectedEof.into()))?;
        if word.errno != 0 {
            let step = OWN_STEPS.get(word.step as usize).copied().unwrap_or("start the helper");
            let source = io::Error::from_raw_os_error(word.errno);
            return Err(SandboxError::Launch { step: step.into(), source });
        }
        let mut handed = handed.unwrap_or_default().into_iter();
        let has = (word.has_filters != 0, word.has_v6 != 0);
        // Fewer than were sent: this process could not hold more.
        Self::sort(&mut handed, counts, has)
            .ok_or_else(|| failed()(io::Error::from_raw_os_error(libc::EMFILE)))
    }

    fn sort(
        handed: &mut impl Iterator<Item = OwnedFd>,
        counts: Counts,
        (has_filters, has_v6): (bool, bool),
    ) -> Option<Self> {
        let routes = handed.next()?;
        let filters = if has_filters { Some(handed.next()?) } else { None };
        let mut family = || {
            let tcp: Vec<_> = handed.take(counts.tcp).collect();
            let udp: Vec<_> = handed.take(counts.udp).collect();
            (udp.len() == counts.udp).then_some(Family { tcp, udp })
        };
        let v4 = family()?;
        let v6 = if has_v6 { Some(family()?) } else { None };
        Some(Self { routes, filters, v4, v6 })
    }

    /// Whether the sandbox's network has IPv6.
    pub(super) fn has_v6(&self) -> bool {
        self.v6.is_some()
    }

    /// A socket of the family that this address has.
    ///
    /// # Errors
    /// None is left.
    pub(super) fn take(&mut self, like: IpAddr, protocol: Protocol) -> io::Result<OwnedFd> {
        let family = match (like, &mut self.v6) {
            (IpAddr::V4(_), _) => &mut self.v4,
            (IpAddr::V6(_), Some(family)) => family,
            (IpAddr::V6(_), None) => return Err(ErrorKind::Unsupported.into()),
        };
        let sockets = match protocol {
            Protocol::Tcp => &mut family.tcp,
            Protocol::Udp => &mut family.udp,
        };
        let none = || {
            io::Error::other(format!(
                "a sandbox has sockets for {PORTS} ports of each protocol, and for {SPARE} that \
                 come later: list fewer ports"
            ))
        };
        sockets.pop().ok_or_else(none)
    }
}
