//! The network policy as capabilities of an AppContainer.
//!
//! A package has no network at all unless its token carries a capability for it: the firewall of
//! the kernel decides by package and capability. The capabilities know networks, not hosts, so a
//! list of hosts needs a gateway, and without one there is no answer.

use std::fmt;

use sandbox_core::NetworkPolicy;

/// A capability that reaches a network, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// `internetClient`: connections to the internet.
    InternetClient,
    /// `internetClientServer`: connections to and from the internet.
    InternetClientServer,
    /// `privateNetworkClientServer`: connections to and from home and work networks.
    PrivateNetworkClientServer,
}

/// Why a network policy has no capabilities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// Hosts are listed.
    #[error("an AppContainer cannot tell hosts apart: a list of allowed hosts needs a gateway")]
    Hosts,
}

impl Capability {
    /// The name, as `DeriveCapabilitySidsFromName` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InternetClient => "internetClient",
            Self::InternetClientServer => "internetClientServer",
            Self::PrivateNetworkClientServer => "privateNetworkClientServer",
        }
    }

    /// The well-known security identifier.
    #[must_use]
    pub const fn sid(self) -> &'static str {
        match self {
            Self::InternetClient => "S-1-15-3-1",
            Self::InternetClientServer => "S-1-15-3-2",
            Self::PrivateNetworkClientServer => "S-1-15-3-3",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The capabilities that a network policy stands for, in order.
///
/// # Errors
/// [`CapabilityError::Hosts`]: granting the whole network for a few hosts would be a lie.
pub fn compile(network: &NetworkPolicy) -> Result<Vec<Capability>, CapabilityError> {
    match network {
        NetworkPolicy::Unrestricted => Ok(vec![
            Capability::InternetClient,
            Capability::InternetClientServer,
            Capability::PrivateNetworkClientServer,
        ]),
        denied if denied.is_denied() => Ok(Vec::new()),
        NetworkPolicy::Limited { .. } => Err(CapabilityError::Hosts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_network_is_no_capability() {
        assert_eq!(compile(&NetworkPolicy::denied()), Ok(vec![]));
    }

    #[test]
    fn hosts_are_not_widened_to_the_whole_network() {
        let hosts = vec!["example.org".parse().unwrap()];
        let limited = NetworkPolicy::limited(hosts);
        assert_eq!(compile(&limited), Err(CapabilityError::Hosts));
    }

    #[test]
    fn the_open_network_is_three_capabilities() {
        let found = compile(&NetworkPolicy::Unrestricted).unwrap();
        let sids: Vec<_> = found.iter().map(|capability| capability.sid()).collect();
        assert_eq!(sids, ["S-1-15-3-1", "S-1-15-3-2", "S-1-15-3-3"]);
        assert_eq!(found[2].to_string(), "privateNetworkClientServer");
    }
}
