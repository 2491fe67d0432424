//! Why a connection is refused.

use std::net::IpAddr;

use super::Target;
use crate::egress::address::Kind;
use crate::policy::network::{HostName, HostRule, Protocol};

/// Why a connection is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No rule names the name.
    #[error("no rule names {name}: add it to allowed_hosts if it is meant")]
    UnlistedName {
        /// The name that was asked for.
        name: HostName,
    },
    /// No rule names the address.
    #[error("no rule names the address {address}: add it to allowed_hosts if it is meant")]
    UnlistedAddress {
        /// The address that was asked for.
        address: IpAddr,
    },
    /// Rules name the target with other ports.
    #[error("no rule allows port {port} of {target}: the policy has {listed}")]
    WrongPort {
        /// What was asked for.
        target: Target,
        /// The port that was asked for.
        port: u16,
        /// The rules that name the target; the first few.
        listed: String,
    },
    /// Rules name the target with another protocol.
    #[error("no rule allows {protocol} to port {port} of {target}: the policy has {listed}")]
    WrongProtocol {
        /// What was asked for.
        target: Target,
        /// The port that was asked for.
        port: u16,
        /// The protocol that was asked for.
        protocol: Protocol,
        /// The rules that name the target; the first few.
        listed: String,
    },
    /// The connection would end at an address that no rule opens.
    #[error("the rule {rule} does not open {address}, {kind}: {remedy}")]
    Special {
        /// The rule that names the target.
        rule: String,
        /// Where the connection would end.
        address: IpAddr,
        /// What is special there.
        kind: Kind,
        /// What to write if it is meant.
        remedy: String,
    },
}

impl Refusal {
    /// One word for logs and programs: `unlisted_name`, `unlisted_address`, `wrong_port`,
    /// `wrong_protocol` or `special_address`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnlistedName { .. } => "unlisted_name",
            Self::UnlistedAddress { .. } => "unlisted_address",
            Self::WrongPort { .. } => "wrong_port",
            Self::WrongProtocol { .. } => "wrong_protocol",
            Self::Special { .. } => "special_address",
        }
    }

    /// The rule that named the target and did not allow it, if one alone did.
    pub(in crate::egress) fn rule(&self) -> Option<&str> {
        match self {
            Self::Special { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// The rule that would have allowed it, given the one that names what was asked for.
    pub(in crate::egress) fn suggestion(&self, named: String) -> Option<String> {
        match self {
            Self::Special { kind, .. } if !kind.is_for_private_names() => None,
            Self::Special { .. } => Some(format!("{{\"host\":\"{named}\",\"private\":true}}")),
            _ => Some(named),
        }
    }

    pub(super) fn unmatched(
        target: &Target,
        port: u16,
        protocol: Protocol,
        named: &[&HostRule],
    ) -> Self {
        let target = target.clone();
        match target {
            Target::Name(name) if named.is_empty() => Self::UnlistedName { name },
            Target::Address(address) if named.is_empty() => Self::UnlistedAddress { address },
            _ if named.iter().any(|rule| rule.protocol() == protocol) => {
                Self::WrongPort { target, port, listed: list(named) }
            }
            _ => Self::WrongProtocol { target, port, protocol, listed: list(named) },
        }
    }

    pub(super) fn special(rule: &HostRule, address: IpAddr, kind: Kind) -> Self {
        let remedy = match rule.is_private() || !kind.is_for_private_names() {
            true => format!("if it is meant, add a rule for {address} itself, with private = true"),
            false => "if it is meant, write the rule with private = true".into(),
        };
        Self::Special { rule: rule.as_str().to_owned(), address, kind, remedy }
    }
}

fn list(named: &[&HostRule]) -> String {
    const MOST: usize = 4;
    let shown: Vec<_> = named.iter().take(MOST).map(|rule| rule.as_str()).collect();
    match named.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
