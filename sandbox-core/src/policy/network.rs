//! What a command may reach over the network: nothing, listed hosts, or everything.

mod credential;
mod name;
mod rule;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::egress::Level;

pub use credential::{Credential, CredentialError, Format, PathPattern, PlainPath, Source};
pub use name::{HostName, HostNameError};
pub use rule::{Host, HostRule, HostRuleError, Ports, Protocol};

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
        /// For which programs the rules have to hold, at the least. Without it a backend may offer
        /// any level but none at all; the report says which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        minimum_level: Option<MinimumLevel>,
        /// Secrets that stay outside, and go to hosts that rules allow.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        credentials: Vec<Credential>,
    },
}

/// The least [`Level`] that a policy accepts of a backend that keeps a list of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MinimumLevel {
    /// Every program reaches the listed hosts, without knowing of anything.
    Transparent,
    /// Programs that heed the proxy's variables reach them.
    ProxyAwareOnly,
}

impl MinimumLevel {
    /// Whether a backend that offers `level` offers this much.
    #[must_use]
    pub fn is_reached_by(self, level: &Level) -> bool {
        level.reaches(match self {
            Self::Transparent => &Level::Transparent,
            Self::ProxyAwareOnly => &Level::ProxyAwareOnly,
        })
    }
}

impl fmt::Display for MinimumLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transparent => "transparent",
            Self::ProxyAwareOnly => "proxy_aware_only",
        })
    }
}

impl NetworkPolicy {
    /// Nothing can be reached.
    #[must_use]
    pub const fn denied() -> Self {
        Self::limited(Vec::new())
    }

    /// What these rules name can be reached.
    #[must_use]
    pub const fn limited(allowed_hosts: Vec<HostRule>) -> Self {
        Self::Limited { allowed_hosts, minimum_level: None, credentials: Vec::new() }
    }

    /// The same, for a backend that offers this level at the least. Where nothing is limited every
    /// program reaches every host, and nothing is added.
    #[must_use]
    pub fn at_least(self, level: MinimumLevel) -> Self {
        match self {
            Self::Unrestricted => Self::Unrestricted,
            Self::Limited { allowed_hosts, credentials, .. } => {
                Self::Limited { allowed_hosts, minimum_level: Some(level), credentials }
            }
        }
    }

    /// Whether hosts are listed.
    #[must_use]
    pub fn lists_hosts(&self) -> bool {
        !self.is_denied() && *self != Self::Unrestricted
    }

    /// The least level that is demanded of a backend; of a policy that lists no host, none is.
    #[must_use]
    pub fn minimum_level(&self) -> Option<MinimumLevel> {
        match self {
            Self::Limited { minimum_level, .. } if self.lists_hosts() => *minimum_level,
            _ => None,
        }
    }

    /// The secrets that stay outside.
    #[must_use]
    pub fn credentials(&self) -> &[Credential] {
        match self {
            Self::Limited { credentials, .. } => credentials,
            Self::Unrestricted => &[],
        }
    }

    /// Whether nothing can be reached.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Limited { allowed_hosts, .. } if allowed_hosts.is_empty())
    }
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self::denied()
    }
}

#[cfg(test)]
mod tests;
