//! What a command may reach over the network: nothing, listed hosts, or everything.

mod credential;
mod name;
mod rule;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        /// Secrets that stay outside, and go to hosts that rules allow.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        credentials: Vec<Credential>,
    },
}

impl NetworkPolicy {
    /// Nothing can be reached.
    #[must_use]
    pub const fn denied() -> Self {
        Self::Limited { allowed_hosts: Vec::new(), credentials: Vec::new() }
    }

    /// Only these rules, without a credential.
    #[must_use]
    pub const fn limited(allowed_hosts: Vec<HostRule>) -> Self {
        Self::Limited { allowed_hosts, credentials: Vec::new() }
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
