//! What a machine's mechanisms answered when they were tried, for people who ask why.

use serde::Serialize;

/// One mechanism, tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// The mechanism: `landlock`, `user namespaces`, `cgroup memory`, ...
    pub name: String,
    /// What came of trying it.
    pub health: Health,
    /// What was seen: a version, an error, a path.
    pub detail: String,
    /// What to do about it, where something can be done.
    pub remedy: Option<String>,
}

/// What came of trying a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Health {
    /// It works.
    Works,
    /// It works in part; the detail names the gap.
    Partial,
    /// It does not work here.
    Missing,
}

impl Check {
    /// A mechanism that works.
    pub fn works(name: impl Into<String>, detail: impl Into<String>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        Self { name, health: Health::Works, detail, remedy: None }
    }

    /// A mechanism that works in part or not at all, and the remedy.
    pub fn lacks(
        name: impl Into<String>,
        health: Health,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into()).filter(|remedy| !remedy.is_empty());
        Self { name: name.into(), health, detail: detail.into(), remedy }
    }
}
