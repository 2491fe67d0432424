//! What a command may reach over the network: nothing, listed hosts, or everything.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The network policy. The default is an empty allow-list: nothing can be reached.
///
/// ```
/// use sandbox_core::NetworkPolicy;
/// let policy: NetworkPolicy =
///     serde_json::from_str(r#"{"mode":"limited","allowed_hosts":["*.example.org:443"]}"#)?;
/// assert!(!policy.is_denied());
/// assert!(NetworkPolicy::default().is_denied());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum NetworkPolicy {
    /// The host's network, without a filter.
    Unrestricted,
    /// Only what a rule names; without rules, nothing.
    Limited {
        /// The rules.
        #[serde(default)]
        allowed_hosts: Vec<HostRule>,
    },
}

impl NetworkPolicy {
    /// Nothing can be reached.
    #[must_use]
    pub const fn denied() -> Self {
        Self::Limited { allowed_hosts: Vec::new() }
    }

    /// Whether nothing can be reached.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Limited { allowed_hosts } if allowed_hosts.is_empty())
    }
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self::denied()
    }
}

/// One host rule: `host` (TCP ports 80 and 443), `host:port`, `host:*`, `host:port/udp`,
/// `*.domain` (any depth, not the domain itself), an address or CIDR block, `[v6]:port`.
///
/// Names are ASCII, compared without case and without a trailing dot; write an international name
/// in its `xn--` form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostRule(String);

/// A text that is no host rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule:?} is no host rule: {why}")]
pub struct HostRuleError {
    rule: String,
    why: &'static str,
}

impl HostRule {
    /// The rule as it is compared: lower case, without a trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostRule {
    type Err = HostRuleError;

    fn from_str(text: &str) -> Result<Self, HostRuleError> {
        let fail = |why| HostRuleError { rule: text.to_owned(), why };
        if text.contains("://") {
            return Err(fail("write the host alone, without a scheme"));
        }
        if text.contains('@') {
            return Err(fail("write the host alone, without a user"));
        }
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(fail("a host holds no blanks and no control characters"));
        }
        let lower = text.to_ascii_lowercase();
        let (rest, udp) = lower.strip_suffix("/udp").map_or((&*lower, ""), |rest| (rest, "/udp"));
        let (host, port) = split_port(rest).map_err(fail)?;
        let host = host.strip_suffix('.').unwrap_or(host);
        check_host(host).map_err(fail)?;
        let port = port.map(check_port).transpose().map_err(fail)?;
        if !udp.is_empty() && port.is_none() {
            return Err(fail("a rule for UDP names its port, as in \"host:53/udp\""));
        }
        let host = if host.parse::<std::net::Ipv6Addr>().is_ok() && port.is_some() {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Ok(Self(match port {
            Some(port) => format!("{host}:{port}{udp}"),
            None => host,
        }))
    }
}

/// Splits `host:port`, `[v6]:port` or a bare host, name or block.
fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or("the bracket is not closed")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("brackets hold an IPv6 address");
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

fn check_port(port: &str) -> Result<&str, &'static str> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port {
        "*" => Ok(port),
        _ if digits && port.parse::<u16>().is_ok_and(|n| n != 0) && !port.starts_with('0') => {
            Ok(port)
        }
        _ => Err("a port is a number from 1 to 65535, or \"*\""),
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if let Some((address, bits)) = host.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| "only an address has a \"/\" block")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
        let fits = digits && bits.parse::<u8>().is_ok_and(|bits| bits <= most);
        return if fits { Ok(()) } else { Err("the block's length does not fit the address") };
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    if name.contains('*') {
        return Err("one \"*\" may stand for the first labels, as in \"*.example.org\"");
    }
    if name.len() != host.len() && !name.contains('.') {
        return Err("a wildcard for a whole top-level domain is refused");
    }
    check_name(name)
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let label = |label: &str| {
        let fits = (1..=63).contains(&label.len());
        let chars = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits && chars && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.is_empty() || name.len() > 253 || !name.split('.').all(label) {
        return Err("a host name is labels of letters, digits and hyphens, joined by dots");
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    // What `inet_aton` takes for an address, in whatever base, is no name.
    if last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a number is no host name: write an address in full, as in \"192.0.2.1\"");
    }
    Ok(())
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HostRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HostRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HostRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "host, host:port, host:*, host:port/udp, *.domain, an address, a CIDR block or [v6]:port.",
        })
    }
}

#[cfg(test)]
mod tests;
