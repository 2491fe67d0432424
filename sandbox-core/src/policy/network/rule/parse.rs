//! Text to rule.
//!
//! A rule is taken apart from the outside: protocol, port, then the host, which is an address, a
//! block or a name, in this order. A name is converted (UTS 46) before its characters are checked,
//! so that nothing which the conversion makes, a dot or a digit of another script, escapes a check.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use ipnet::{IpNet, Ipv6Net};

use super::json::Object;
use super::{Host, HostRule, HostRuleError, Ports, Protocol};
use crate::policy::network::name::HostName;

impl FromStr for HostRule {
    type Err = HostRuleError;

    /// Reads the text of a rule, or its object in JSON.
    fn from_str(text: &str) -> Result<Self, HostRuleError> {
        if !text.starts_with('{') {
            return rule(text);
        }
        let object: Object = serde_json::from_str(text)
            .map_err(|error| HostRuleError { rule: text.to_owned(), why: error.to_string() })?;
        object.into_rule()
    }
}

/// Reads the text of a rule.
pub(super) fn rule(text: &str) -> Result<HostRule, HostRuleError> {
    let fail = |why: String| HostRuleError { rule: text.to_owned(), why };
    check_text(text).map_err(|why| fail(why.to_owned()))?;
    let lower = text.to_ascii_lowercase();
    let (rest, protocol) = match lower.strip_suffix("/udp") {
        Some(rest) => (rest, Protocol::Udp),
        None => (&*lower, Protocol::Tcp),
    };
    let (host, port) = split_port(rest).map_err(|why| fail(why.to_owned()))?;
    let ports = read_ports(port, protocol).map_err(|why| fail(why.to_owned()))?;
    let host = read_host(host).map_err(fail)?;
    let text = canonical(&host, ports, protocol).into();
    Ok(HostRule { host, ports, protocol, private: false, text })
}

/// What people paste instead of a host gets an answer of its own.
fn check_text(text: &str) -> Result<(), &'static str> {
    if text.contains("://") {
        return Err("write the host alone, without a scheme");
    }
    if text.contains('@') {
        return Err("write the host alone, without a user");
    }
    if text.is_empty() {
        return Err("it is empty: write a host, as in \"www.example.org\"");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a host holds no blanks and no control characters");
    }
    Ok(())
}

/// Splits `host:port`, `[v6]:port`, `[v6/bits]:port` or a bare host, name or block.
fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or("the bracket is not closed")?;
        if host.parse::<Ipv6Addr>().is_err() && host.parse::<Ipv6Net>().is_err() {
            return Err("brackets hold an IPv6 address or block");
        }
        return match tail {
            "" => Ok((host, None)),
            tail => {
                Ok((host, Some(tail.strip_prefix(':').ok_or("\":port\" follows the bracket")?)))
            }
        };
    }
    match text.split_once(':') {
        Some((_, tail)) if tail.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn read_ports(port: Option<&str>, protocol: Protocol) -> Result<Ports, &'static str> {
    match (port, protocol) {
        (None, Protocol::Tcp) => Ok(Ports::Web),
        (Some("*"), Protocol::Tcp) => Ok(Ports::Any),
        (None | Some("*"), Protocol::Udp) => {
            Err("a rule for UDP names its port, as in \"host:53/udp\"")
        }
        (Some(port), _) => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
            let number = port.parse().ok().filter(|_| digits);
            number.map(Ports::One).ok_or("a port is a number from 1 to 65535, or \"*\"")
        }
    }
}

fn read_host(host: &str) -> Result<Host, String> {
    if let Ok(address) = host.parse() {
        return check_family(address).map(|()| Host::Address(address));
    }
    if let Some((address, length)) = host.split_once('/') {
        return read_block(address, length).map(Host::Block);
    }
    if host.contains(':') {
        return Err("it is no IPv6 address: write \"[2001:db8::1]:443\", or \"host:443\"".into());
    }
    let (name, wildcard) = match host.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (host, false),
    };
    if name.contains('*') {
        return Err("one \"*\" may stand for the first labels, as in \"*.example.org\"".into());
    }
    let name = read_name(name)?;
    match wildcard {
        true if !name.as_str().contains('.') => {
            Err("a wildcard for a whole top-level domain is refused: name the domain below it, as \
                 in \"*.example.org\""
                .into())
        }
        true => Ok(Host::Below(name)),
        false => Ok(Host::Name(name)),
    }
}

fn read_name(name: &str) -> Result<HostName, String> {
    let converted = Uts46::new().to_ascii(
        name.as_bytes(),
        // What is legal is decided below, for names from everywhere alike.
        AsciiDenyList::EMPTY,
        Hyphens::Allow,
        DnsLength::Ignore,
    );
    let ascii = converted.map_err(
        |_| "it cannot be converted to an ASCII name (UTS 46): write the name as it is registered",
    )?;
    ascii.parse().map_err(|error: crate::egress::HostNameError| error.to_string())
}

fn read_block(address: &str, length: &str) -> Result<IpNet, String> {
    let address: IpAddr =
        address.parse().map_err(|_| "only an address has a \"/\" block; a host has no path")?;
    check_family(address)?;
    let digits = length.len() <= 3 && length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length.parse().ok().filter(|_| digits);
    let block = length.and_then(|length| IpNet::new(address, length).ok());
    let block = block.ok_or("the block's length does not fit the address")?;
    if block.network() != address {
        return Err(format!("the address has bits beyond the length: write {}", block.trunc()));
    }
    Ok(block)
}

/// A client that dials such an address reaches the IPv4 one, so that is what a rule has to say.
fn check_family(address: IpAddr) -> Result<(), String> {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(format!("it is an IPv4 address in disguise: write {v4}")),
            None => Ok(()),
        },
        IpAddr::V4(_) => Ok(()),
    }
}

fn canonical(host: &Host, ports: Ports, protocol: Protocol) -> String {
    let host = match (host, ports) {
        (_, Ports::Web) => host.to_string(),
        (Host::Address(IpAddr::V6(_)) | Host::Block(IpNet::V6(_)), _) => format!("[{host}]"),
        _ => host.to_string(),
    };
    match (ports, protocol) {
        (Ports::Web, _) => host,
        (Ports::Any, _) => format!("{host}:*"),
        (Ports::One(port), Protocol::Tcp) => format!("{host}:{port}"),
        (Ports::One(port), Protocol::Udp) => format!("{host}:{port}/udp"),
    }
}
