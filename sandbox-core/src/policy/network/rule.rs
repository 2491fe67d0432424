//! Host rules: their parts, their grammar, and the one text that each has.

mod json;
mod parse;

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::name::HostName;

/// One host rule: `host` (TCP ports 80 and 443), `host:port`, `host:*` (every TCP port),
/// `host:port/udp`, `*.domain` (any depth, not the domain itself), an address or CIDR block,
/// `[v6]:port`.
///
/// In files a rule is a text or an object, `{"host": "db.internal:5432", "private": true}`. Names
/// are compared without case and without a trailing dot. International names are converted to
/// their `xn--` form (UTS 46, non-transitional).
///
/// ```
/// use sandbox_core::policy::network::{Host, HostRule, Protocol};
/// let rule: HostRule = "*.Bücher.example:53/udp".parse()?;
/// assert_eq!(rule.as_str(), "*.xn--bcher-kva.example:53/udp");
/// assert!(matches!(rule.host(), Host::Below(name) if name.as_str() == "xn--bcher-kva.example"));
/// assert!(rule.ports().contains(53) && rule.protocol() == Protocol::Udp && !rule.is_private());
/// # Ok::<(), sandbox_core::policy::network::HostRuleError>(())
/// ```
///
/// # Security
/// Without [`private`](Self::is_private) a rule never leads to an address of a special kind, see
/// [`special`](crate::egress::special), however the name resolves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostRule {
    host: Host,
    ports: Ports,
    protocol: Protocol,
    private: bool,
    text: Box<str>,
}

/// What a rule names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// A name and no other.
    Name(HostName),
    /// Every name below this one, at any depth, and not the name itself.
    Below(HostName),
    /// One address.
    Address(IpAddr),
    /// Every address of a block, whose bits beyond its length are zero.
    Block(IpNet),
}

/// Which ports a rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ports {
    /// 80 and 443: the rule names none.
    Web,
    /// One, never 0.
    One(u16),
    /// All.
    Any,
}

/// Which protocol a rule names.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A text that is no host rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule:?} is no host rule: {why}")]
pub struct HostRuleError {
    rule: String,
    why: String,
}

impl HostRule {
    /// What the rule names.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Which ports.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Which protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the host may be at an address of a special kind: a private network, say. Off unless
    /// the rule says so.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The same rule, with [`is_private`](Self::is_private) as given.
    #[must_use]
    pub fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// The canonical text of host, port and protocol. It does not say whether the rule is private;
    /// [`Display`](fmt::Display) does.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Host {
    /// Whether the rule names this name.
    #[must_use]
    pub fn matches_name(&self, name: &HostName) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Below(own) => name.above().any(|above| above == own.as_str()),
            Self::Address(_) | Self::Block(_) => false,
        }
    }

    /// Whether the rule names this address.
    #[must_use]
    pub fn matches_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Address(own) => *own == address,
            Self::Block(block) => block.contains(&address),
            Self::Name(_) | Self::Below(_) => false,
        }
    }
}

impl Ports {
    /// Whether `port` is one of them. 0 never is.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        match self {
            Self::Web => matches!(port, 80 | 443),
            Self::One(own) => own == port,
            Self::Any => port != 0,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Block(block) => write!(f, "{block}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The text of the rule, and for a private one its object in JSON; both can be read again.
impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No canonical text has a character that JSON would escape.
        match self.private {
            false => f.write_str(&self.text),
            true => write!(f, "{{\"host\":\"{}\",\"private\":true}}", self.text),
        }
    }
}

#[cfg(test)]
mod tests;
