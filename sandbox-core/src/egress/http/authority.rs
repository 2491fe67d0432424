//! `host`, `host:port`, `192.0.2.1:80`, `[2001:db8::1]:80`: what Host, CONNECT and absolute targets
//! hold.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::egress::{HostName, Target};

use super::Malformed;

/// A host, and the port if one was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host, normalised.
    pub target: Target,
    /// The port.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed::Host`] for a user, blanks, an open bracket, port 0, a port that is no number, or
    /// what is neither an address nor a name.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (host, port) = split(text).ok_or(Malformed::Host)?;
        let port = port.filter(|port| !port.is_empty()).map(number).transpose()?;
        Ok(Self { target: host, port })
    }

    /// Whether this is the host at this port. A port that is not written is the right one: many
    /// clients leave it out of Host.
    #[must_use]
    pub fn is(&self, target: &Target, port: u16) -> bool {
        self.target == *target && self.port.is_none_or(|own| own == port)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            target => write!(f, "{target}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn split(text: &str) -> Option<(Target, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        let host = Target::Address(IpAddr::V6(host.parse::<Ipv6Addr>().ok()?));
        return match tail {
            "" => Some((host, None)),
            tail => Some((host, Some(tail.strip_prefix(':')?))),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    Some((target(host)?, port))
}

/// An IPv4 address in its one form, or a name. Other spellings of numbers are neither.
pub(crate) fn target(host: &str) -> Option<Target> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(Target::Address(IpAddr::V4(address)));
    }
    let plain = host.bytes().all(|byte| byte.is_ascii_graphic());
    host.parse::<HostName>().ok().filter(|_| plain).map(Target::Name)
}

fn number(port: &str) -> Result<u16, Malformed> {
    let digits = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|&port: &u16| digits && port != 0);
    port.ok_or(Malformed::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_normalised() {
        for (text, normal) in [
            ("Example.ORG", "example.org"),
            ("example.org.:80", "example.org:80"),
            ("example.org:", "example.org"),
            ("192.0.2.1:8080", "192.0.2.1:8080"),
            ("[2001:DB8:0::1]:80", "[2001:db8::1]:80"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(Authority::parse(text).unwrap().to_string(), normal);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":80",
            "a b",
            "user@example.org",
            "example.org:0",
            "example.org:+80",
            "example.org:65536",
            "example.org:80:80",
            "[2001:db8::1",
            "[2001:db8::1]80",
            "[example.org]",
            "[fe80::1%eth0]",
            "2001:db8::1",
            "0x7f.1",
            "2130706433",
            "example.org\0",
            "exa\u{30a}mple.org",
            "example.org,evil.example",
            "example.org/evil",
        ] {
            assert_eq!(Authority::parse(text), Err(Malformed::Host), "{text:?}");
        }
    }

    #[test]
    fn a_port_that_is_written_must_be_the_one() {
        let authority = Authority::parse("example.org:8080").unwrap();
        assert!(authority.is(&authority.target, 8080));
        assert!(!authority.is(&authority.target, 80));
        assert!(Authority::parse("example.org").unwrap().is(&authority.target, 8080));
    }
}
