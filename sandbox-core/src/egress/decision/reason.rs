//! Why something was denied.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::egress::flight::Malformed;
use crate::egress::http::{Fault, Misuse};
use crate::egress::rules::Refusal;
use crate::policy::network::HostRule;

/// Why something was denied. In JSON an object of `code` and `text`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The address is in the synthetic range and stands for no name.
    #[error("the address stands for no name that was asked for: resolve the name first")]
    UnknownAddress,
    /// Somebody was asked, and did not agree in time.
    #[error("no rule allows it, and it was not approved")]
    NotApproved,
    /// The client named another host than it connected to.
    #[error("the client connected to this host and asked it for {named}")]
    OtherHost {
        /// Whom it named.
        named: String,
    },
    /// What the client sent has no single reading.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The client began a handshake or a request and did not end it.
    #[error("the client began a TLS handshake, a request or a greeting and did not end it in time")]
    Unfinished,
    /// The client asked the server for a tunnel.
    #[error(
        "the client asked the server for a tunnel to a host that no rule could be held against"
    )]
    Tunnel,
    /// The client used a credential's placeholder where it must not be.
    #[error("the placeholder of {credential} {how}")]
    Misused {
        /// The credential's name.
        credential: String,
        /// What is wrong about it.
        how: Misuse,
    },
    /// The server of a host that gets a credential did not prove to be that host.
    #[error("the TLS handshake with the server failed: {why}")]
    Server {
        /// What the handshake came to.
        why: String,
    },
    /// The client did not agree on TLS with the gateway, where a credential is at stake.
    #[error("the TLS handshake with the client failed: {why}")]
    Client {
        /// What the handshake came to.
        why: String,
    },
    /// HTTP/2 without TLS on a web port, or another protocol in which hosts cannot be seen.
    #[error("the client changed to a protocol in which the host of a request cannot be seen")]
    HiddenHosts,
    /// A proxy protocol, or a command of one, that is not offered.
    #[error("the proxy offers HTTP and SOCKS5 CONNECT alone")]
    Unsupported,
    /// A client did not show the key of the proxy, so it is none of the sandbox's.
    #[error("the client did not show the proxy's key, which the proxy variables carry")]
    Unauthenticated,
    /// As many connections as there may be are open.
    #[error("{limit} connections are open, as many as there may be")]
    TooMany {
        /// How many.
        limit: usize,
    },
    /// The connections have carried as much as they may.
    #[error("the connections have carried {limit} bytes, as many as they may")]
    Spent {
        /// How many.
        limit: u64,
    },
    /// It could not be judged or dialled in time, for want of descriptors.
    #[error(
        "the sandbox's process has no descriptors left to judge or dial it: raise its limit \
         (ulimit -n), or open fewer connections at once"
    )]
    NoDescriptors,
    /// What another process told of its own decision.
    #[error("{text}")]
    Told {
        /// The one word.
        code: String,
        /// The reason.
        text: String,
    },
}

/// A reason as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Written<'a> {
    /// One word.
    code: Cow<'a, str>,
    /// The reason, for people.
    text: Cow<'a, str>,
}

impl Reason {
    /// One word for logs and programs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::UnknownAddress => "unknown_address",
            Self::NotApproved => "not_approved",
            Self::OtherHost { .. } => "other_host",
            Self::Malformed(_) => "malformed",
            Self::Unfinished => "unfinished",
            Self::Tunnel => "tunnel",
            Self::Misused { how, .. } => how.code(),
            Self::Server { .. } => "server_tls",
            Self::Client { .. } => "client_tls",
            Self::HiddenHosts => "hidden_hosts",
            Self::Unsupported => "unsupported",
            Self::Unauthenticated => "unauthenticated",
            Self::TooMany { .. } => "too_many_connections",
            Self::Spent { .. } => "bytes_spent",
            Self::NoDescriptors => "no_descriptors",
            Self::Told { code, .. } => code,
        }
    }

    /// The rule that would have allowed it, given the one that names what was asked for; none where
    /// no rule would.
    pub(super) fn suggestion(&self, named: Option<String>) -> Option<String> {
        match self {
            Self::Refused(refusal) => refusal.suggestion(named?),
            Self::NotApproved => named,
            // What the client wrote, which need not be a host.
            Self::OtherHost { named } => {
                named.parse::<HostRule>().ok().map(|rule| rule.to_string())
            }
            _ => None,
        }
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(malformed) => Self::Malformed(malformed),
            Fault::Host(authority) => Self::OtherHost { named: authority.to_string() },
            Fault::Tunnel => Self::Tunnel,
            Fault::Protocol => Self::HiddenHosts,
            Fault::Misused { credential, how } => Self::Misused { credential, how },
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = match self {
            Self::Malformed(malformed) => malformed.code(),
            other => other.code(),
        };
        Written { code: code.into(), text: self.to_string().into() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { code, text } = Written::deserialize(deserializer)?;
        Ok(Self::Told { code: code.into_owned(), text: text.into_owned() })
    }
}

impl JsonSchema for Reason {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
