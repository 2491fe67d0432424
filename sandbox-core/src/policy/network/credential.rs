//! Secrets that stay outside: which variable holds a placeholder, and where the secret goes instead.
//!
//! A credential never holds its secret, only where that is read from. So a policy can be written,
//! shown and sent like any other text.

mod format;
mod path;
mod written;

use std::net::IpAddr;

use crate::egress::Target;
use crate::path::SandboxPath;

use super::rule::{Host, HostRule, Ports};
use serde::{Deserialize, Serialize};

pub use format::Format;
pub use path::{PathPattern, PlainPath};
pub use written::Source;

/// A secret that commands use and do not have.
///
/// The variable [`env`](Self::env) holds a placeholder inside. On the way out, in requests over TLS
/// to these hosts, the gateway puts the secret in its place: in one header, in one of the credential's
/// formats, for its methods and paths. A placeholder that is anywhere else in the head of a request
/// has that request refused.
///
/// ```
/// use sandbox_core::policy::network::Credential;
/// let credential: Credential = serde_json::from_str(
///     r#"{"env":"GITHUB_TOKEN","hosts":["api.github.com"],"paths":["/repos/*"]}"#,
/// )?;
/// assert_eq!((credential.env(), credential.header()), ("GITHUB_TOKEN", "authorization"));
/// assert!(credential.paths()[0].matches("/repos/a/b"));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Security
/// The hosts get the secret, and do with it what they do. A host that answers with what it was sent,
/// in a form that this side does not recognise (compressed, encoded, in parts), gives it to the
/// command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "written::Written", into = "written::Written")]
pub struct Credential {
    env: String,
    from: Source,
    hosts: Vec<HostRule>,
    header: String,
    formats: Vec<Format>,
    methods: Vec<String>,
    paths: Vec<PathPattern>,
}

/// A credential that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential {env:?} cannot be used: {why}")]
pub struct CredentialError {
    pub(super) env: String,
    pub(super) why: String,
}

/// The header that a credential goes into where it names none.
const HEADER: &str = "authorization";

impl Credential {
    /// A credential for these hosts, read from the caller's variable of the same name, in the header
    /// `authorization`, with every method and path.
    ///
    /// # Errors
    /// No variable's name; no host, or one that is no name or address with at most one port.
    pub fn new(env: &str, hosts: Vec<HostRule>) -> Result<Self, CredentialError> {
        let from = Source::Env(env.to_owned());
        let (header, formats) = (HEADER.to_owned(), Format::defaults(HEADER));
        let (methods, paths) = (Vec::new(), Vec::new());
        let env = env.to_owned();
        Self { env, from, hosts, header, formats, methods, paths }.checked()
    }

    /// The variable that holds the placeholder inside; also the credential's name.
    #[must_use]
    pub fn env(&self) -> &str {
        &self.env
    }

    /// Where the secret is read from, outside, when the way out is made.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.from
    }

    /// The hosts that get it. A host without a port is meant at 443.
    #[must_use]
    pub fn hosts(&self) -> &[HostRule] {
        &self.hosts
    }

    /// The header that it goes into, lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// What that header's value may look like.
    #[must_use]
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// The methods that it goes with; none means all.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// The paths that it goes with; none means all.
    #[must_use]
    pub fn paths(&self) -> &[PathPattern] {
        &self.paths
    }

    /// Whether this host, at this port, gets it.
    #[must_use]
    pub fn is_for(&self, target: &Target, port: u16) -> bool {
        self.hosts.iter().any(|host| {
            self::port(host) == Some(port)
                && match target {
                    Target::Name(name) => host.host().matches_name(name),
                    Target::Address(address) => host.host().matches_address(address.to_canonical()),
                }
        })
    }

    /// The rules that it takes beside these, for its hosts to be reached at all.
    #[must_use]
    pub fn unreachable_by(&self, rules: &[HostRule]) -> Vec<HostRule> {
        let hosts = self.hosts.iter().filter(|host| !rules.iter().any(|rule| rule.opens(host)));
        hosts.filter_map(|host| narrowest(host).parse().ok()).collect()
    }

    /// The caller's variable that holds the secret, if one does.
    pub(crate) fn variable(&self) -> Option<&str> {
        match &self.from {
            Source::Env(name) => Some(name),
            Source::File(_) => None,
        }
    }

    pub(crate) fn error(&self, why: impl Into<String>) -> CredentialError {
        CredentialError { env: self.env.clone(), why: why.into() }
    }

    /// Everything about it that one value can be wrong by.
    fn checked(mut self) -> Result<Self, CredentialError> {
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if !plain(&self.env) {
            let why = "a variable's name is letters, digits and underscores";
            return Err(self.error(why));
        }
        if let Source::Env(name) = &self.from
            && (name.is_empty() || name.contains(['=', '\0']))
        {
            return Err(self.error("\"from\" names no variable"));
        }
        if self.hosts.is_empty() {
            return Err(self.error("it names no host: add \"hosts\""));
        }
        if let Some(host) = self.hosts.iter().find(|host| port(host).is_none()) {
            let why = format!(
                "{host} is no single host: write a name or an address, and a TCP port if it is not 443"
            );
            return Err(self.error(why));
        }
        self.header.make_ascii_lowercase();
        if !self.header.bytes().all(crate::egress::http::is_token) || self.header.is_empty() {
            return Err(self.error(format!("{:?} is no name of a header", self.header)));
        }
        if FRAMING.contains(&&*self.header) {
            let why = format!("the header {} is part of how a request is read", self.header);
            return Err(self.error(why));
        }
        if self.formats.is_empty() {
            self.formats = Format::defaults(&self.header);
        }
        let token = |method: &String| {
            !method.is_empty() && method.bytes().all(crate::egress::http::is_token)
        };
        if let Some(method) = self.methods.iter().find(|method| !token(method)) {
            return Err(self.error(format!("{method:?} is no method")));
        }
        Ok(self)
    }
}

/// Headers that say where a request ends and whom it is for.
const FRAMING: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "accept-encoding",
    "keep-alive",
];

impl HostRule {
    /// Whether this rule allows what a credential's host means.
    fn opens(&self, meant: &Self) -> bool {
        let named = match meant.host() {
            Host::Name(name) => self.host().matches_name(name),
            Host::Address(address) => self.host().matches_address(*address),
            Host::Below(_) | Host::Block(_) => false,
        };
        let fits = |port| self.ports().contains(port) && self.protocol() == super::Protocol::Tcp;
        named && port(meant).is_some_and(fits)
    }
}

/// The rule for a credential's host, and no port but its own.
fn narrowest(host: &HostRule) -> String {
    let port = port(host).unwrap_or(443);
    match host.host() {
        Host::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

/// The one port at which a credential's host is meant.
fn port(host: &HostRule) -> Option<u16> {
    let single = matches!(host.host(), Host::Name(_) | Host::Address(_));
    match host.ports() {
        _ if !single || host.protocol() != super::Protocol::Tcp || host.is_private() => None,
        Ports::Web => Some(443),
        Ports::One(port) => Some(port),
        Ports::Any => None,
    }
}

#[cfg(test)]
mod tests;
