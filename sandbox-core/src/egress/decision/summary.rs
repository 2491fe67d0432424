//! What was decided, in short.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::network::Protocol;

/// How much was decided, and what was denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Summary {
    /// How many decisions there were.
    pub total: u64,
    /// What was denied, by host and port.
    pub denied: Vec<Denied>,
    /// How many denials are not in `denied`, because there were too many hosts.
    pub uncounted: u64,
}

/// What was denied at one host and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Denied {
    /// The name or address.
    pub host: String,
    /// The port; 0 if it was the name that was refused.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// How often.
    pub count: u64,
    /// When, the last time: milliseconds since 1970.
    #[serde(default)]
    pub last_ms: u64,
    /// Why, the last time.
    pub reason: String,
    /// The rule that would have allowed it the last time; none where no rule would.
    pub rule: Option<String>,
}
