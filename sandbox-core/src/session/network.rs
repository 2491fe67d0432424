//! What a session reaches: its policy, for which programs that holds, and what was decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::egress::Level;
use crate::egress::decision::{Decision, Summary};
use crate::policy::network::NetworkPolicy;

/// The network of a session.
///
/// ```
/// use sandbox_core::session::SessionNetwork;
/// let network: SessionNetwork = serde_json::from_str(
///     r#"{"policy":{"mode":"limited","allowed_hosts":["example.org"]},
///         "level":{"level":"transparent"},"total":0,"denied":[],"uncounted":0,"decisions":[]}"#,
/// )?;
/// assert!(!network.policy.is_denied());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct SessionNetwork {
    /// What may be reached now.
    pub policy: NetworkPolicy,
    /// For which programs the rules hold; none where the session was made without any, so that it
    /// cannot get some.
    pub level: Option<Level>,
    /// How much was decided, and what was denied.
    #[serde(flatten)]
    pub summary: Summary,
    /// The decisions that were asked for, as far as they are remembered, the oldest first. Each is
    /// complete: what goes on is not among them.
    pub decisions: Vec<Decision>,
}
