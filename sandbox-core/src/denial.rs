//! What the sandbox refused while a command ran, if anything was watching.

use serde::{Deserialize, Serialize};

/// One refused operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Denial {
    /// What was tried: `open`, `connect`, `exec`, ...
    pub operation: String,
    /// On what: a path, a host, the name of a system call.
    pub target: String,
    /// The rule that decided, in the words of the policy.
    pub rule: String,
}

/// The denials of a run. *Not observed* and *none* are different answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", content = "list", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Denials {
    /// Nothing watched: an absence of denials says nothing.
    #[default]
    NotObserved,
    /// Everything that was refused, in order.
    Observed(Vec<Denial>),
}
