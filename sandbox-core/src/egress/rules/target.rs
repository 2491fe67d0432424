//! What a connection asks for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::policy::network::{HostName, HostNameError};

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A name.
    Name(HostName),
    /// An address.
    Address(IpAddr),
}

impl Target {
    /// With an IPv4 address for one that is written in IPv6 (mapped).
    pub(super) fn canonical(&self) -> Self {
        match self {
            Self::Name(name) => Self::Name(name.clone()),
            Self::Address(address) => Self::Address(address.to_canonical()),
        }
    }
}

impl From<HostName> for Target {
    fn from(name: HostName) -> Self {
        Self::Name(name)
    }
}

impl From<IpAddr> for Target {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for Target {
    type Err = HostNameError;

    /// Reads an address, an IPv6 address in brackets, or a name.
    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(inner) = bracketed {
            return match inner.parse::<Ipv6Addr>() {
                Ok(address) => Ok(Self::Address(address.into())),
                Err(_) => Err(HostNameError::Character),
            };
        }
        match text.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}
