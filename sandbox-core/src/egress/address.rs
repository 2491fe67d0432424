//! Addresses that a name must not lead to unless its rule says so.
//!
//! The list is the special-purpose registries of IANA (RFC 6890 and its updates), and every form in
//! which an IPv6 address carries an IPv4 one. A form of translation is special even when what it
//! carries is public: where such an address ends is decided by a router that nobody here knows.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is special about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `0.0.0.0` and `::`, which reach the host itself on some systems.
    Unspecified,
    /// The rest of `0.0.0.0/8`.
    ThisNetwork,
    /// `127.0.0.0/8` and `::1`.
    Loopback,
    /// An address of this host. [`special`] cannot know it; see
    /// [`Rules::admits`](super::Rules::admits).
    Host,
    /// `10.0.0.0/8`, `172.16.0.0/12` and `192.168.0.0/16`.
    Private,
    /// `fc00::/7`.
    UniqueLocal,
    /// `fec0::/10`, deprecated and still routed in places.
    SiteLocal,
    /// `169.254.0.0/16` and `fe80::/10`.
    LinkLocal,
    /// `169.254.169.254`, `fd00:ec2::254` and their like: a cloud's metadata, credentials included.
    Metadata,
    /// `100.64.0.0/10`: behind a provider's address translation.
    CarrierNat,
    /// `192.0.0.0/24`: protocol assignments.
    Protocols,
    /// `198.18.0.0/15` and `2001:2::/48`.
    Benchmarking,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32` and `3fff::/20`.
    Documentation,
    /// `224.0.0.0/4` and `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `240.0.0.0/4`, and what of IPv6 is not handed out.
    Reserved,
    /// `100::/64`: routers drop it.
    Discard,
    /// An IPv6 address that carries an IPv4 one.
    Translated(Form, Ipv4Addr),
}

/// How an IPv6 address carries an IPv4 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// `::ffff:0:0/96`, and the older `::ffff:0:0:0/96` of SIIT.
    Mapped,
    /// `::/96`, deprecated.
    Compatible,
    /// `64:ff9b::/96`.
    Nat64,
    /// `64:ff9b:1::/48`. Where in it the IPv4 address stands is the network's choice; the last four
    /// bytes are a guess.
    Nat64Local,
    /// `2002::/16`.
    SixToFour,
    /// `2001::/32`.
    Teredo,
    /// An interface identifier `[02]00:5efe` before the address, under any prefix.
    Isatap,
}

/// What is special about `address`, if anything.
///
/// ```
/// use sandbox_core::egress::{Kind, special};
/// assert_eq!(special("169.254.169.254".parse()?), Some(Kind::Metadata));
/// assert_eq!(special("93.184.215.14".parse()?), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn special(address: IpAddr) -> Option<Kind> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

impl Kind {
    /// Whether a *name* whose rule is private may resolve to it. What is not may still be reached by
    /// a private rule that names the address itself: the host's own services and a cloud's metadata
    /// are never met by chance.
    #[must_use]
    pub fn is_for_private_names(self) -> bool {
        match self {
            Self::Private
            | Self::UniqueLocal
            | Self::SiteLocal
            | Self::LinkLocal
            | Self::CarrierNat
            | Self::Protocols
            | Self::Benchmarking
            | Self::Documentation => true,
            Self::Translated(Form::Nat64Local, _) => false,
            Self::Translated(_, v4) => special_v4(v4).is_none_or(Self::is_for_private_names),
            _ => false,
        }
    }
}

fn special_v4(v4: Ipv4Addr) -> Option<Kind> {
    match v4.octets() {
        [0, 0, 0, 0] => Some(Kind::Unspecified),
        [0, ..] => Some(Kind::ThisNetwork),
        [127, ..] => Some(Kind::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Kind::Private),
        // EC2 and most others, ECS, EKS; Alibaba, Azure, Oracle.
        [169, 254, 169, 254] | [169, 254, 170, 2 | 23] => Some(Kind::Metadata),
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Some(Kind::Metadata),
        [169, 254, ..] => Some(Kind::LinkLocal),
        [100, 64..=127, ..] => Some(Kind::CarrierNat),
        [192, 0, 0, _] => Some(Kind::Protocols),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Kind::Documentation),
        [192, 88, 99, _] => Some(Kind::Reserved),
        [198, 18..=19, ..] => Some(Kind::Benchmarking),
        [224..=239, ..] => Some(Kind::Multicast),
        [255, 255, 255, 255] => Some(Kind::Broadcast),
        [240..=255, ..] => Some(Kind::Reserved),
        _ => None,
    }
}

fn special_v6(v6: Ipv6Addr) -> Option<Kind> {
    let carried = |form| {
        let [.., a, b, c, d] = v6.octets();
        Some(Kind::Translated(form, Ipv4Addr::new(a, b, c, d)))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Kind::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Kind::Loopback),
        [0, 0, 0, 0, 0, 0, ..] => carried(Form::Compatible),
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => carried(Form::Mapped),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => carried(Form::Nat64),
        [0x64, 0xff9b, 1, ..] => carried(Form::Nat64Local),
        [0x2002, high, low, ..] => Some(Kind::Translated(Form::SixToFour, v4(high, low))),
        // The client's address is written inverted (RFC 4380, section 4).
        [0x2001, 0, .., high, low] => Some(Kind::Translated(Form::Teredo, v4(!high, !low))),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] => Some(Kind::Metadata),
        [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Some(Kind::Metadata),
        [0xfc00..=0xfdff, ..] => Some(Kind::UniqueLocal),
        [0xfe80..=0xfebf, ..] => Some(Kind::LinkLocal),
        [0xfec0..=0xfeff, ..] => Some(Kind::SiteLocal),
        [0xff00..=0xffff, ..] => Some(Kind::Multicast),
        [0x100, 0, 0, 0, ..] => Some(Kind::Discard),
        [0x2001, 2, 0, ..] => Some(Kind::Benchmarking),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(Kind::Documentation),
        // Of 2001::/23 the rest is for protocols; of all other space 2000::/3 is handed out.
        [0x2001, 0x0..=0x1ff, ..] => Some(Kind::Protocols),
        [.., 0 | 0x200, 0x5efe, _, _] => carried(Form::Isatap),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Kind::Reserved),
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// Ready for "it is ...".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "the unspecified address",
            Self::ThisNetwork => "an address of \"this network\"",
            Self::Loopback => "a loopback address",
            Self::Host => "an address of this host",
            Self::Private => "a private address",
            Self::UniqueLocal => "a unique local address",
            Self::SiteLocal => "a site-local address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata",
            Self::CarrierNat => "an address behind a provider's address translation",
            Self::Protocols => "an address for protocol assignments",
            Self::Benchmarking => "an address for benchmarks",
            Self::Documentation => "an address for documentation",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
            Self::Discard => "an address that routers discard",
            Self::Translated(form, v4) => return write!(f, "{v4} in the form of {form}"),
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mapped => "an IPv4-mapped address",
            Self::Compatible => "an IPv4-compatible address",
            Self::Nat64 => "a NAT64 address",
            Self::Nat64Local => "a local NAT64 address",
            Self::SixToFour => "a 6to4 address",
            Self::Teredo => "a Teredo address",
            Self::Isatap => "an ISATAP address",
        })
    }
}

#[cfg(test)]
mod tests;
