//! What a session is made from, and what there is to say of one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::capability::Report;
use crate::ids::{SessionId, SnapshotName};
use crate::mount::FilesystemMount;
use crate::policy::Policy;
use crate::policy::network::NetworkPolicy;
use crate::size::Span;

/// Names and values that people find sessions by.
pub type Labels = BTreeMap<String, String>;

/// What a session is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SandboxSpec {
    /// Its identifier; one is made up without.
    pub id: Option<SessionId>,
    /// What its commands may do.
    pub policy: Policy,
    /// What appears where, beside the places of the policy.
    pub mounts: Vec<FilesystemMount>,
    /// What it can be found by.
    pub labels: Labels,
    /// What the caller wants to remember of it; nobody reads it here.
    pub metadata: Labels,
    /// How long it lives at most.
    pub ttl: Option<Span>,
    /// How long nothing may happen in it, and what happens then.
    pub idle: Option<(Span, OnIdle)>,
    /// Each command has a sandbox to itself, made ahead: this many wait. Without, all commands share
    /// one that lasts.
    #[serde(default)]
    pub pool: Option<usize>,
    /// A file of the host that each decision about a connection is written to, a line of JSON each;
    /// forks write to it too.
    #[serde(default)]
    pub net_log: Option<PathBuf>,
}

/// What happens to a session in which nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnIdle {
    /// It is suspended.
    Suspend,
    /// It is terminated.
    Terminate,
}

impl SandboxSpec {
    /// A session under a policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            id: None,
            policy,
            mounts: Vec::new(),
            labels: Labels::new(),
            metadata: Labels::new(),
            ttl: None,
            idle: None,
            pool: None,
            net_log: None,
        }
    }

    /// Names it.
    #[must_use]
    pub fn id(mut self, id: SessionId) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds a mount. A later one lies over an earlier one.
    #[must_use]
    pub fn mount(mut self, mount: FilesystemMount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Adds a note of the caller's.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Ends it after this time, whatever it does.
    #[must_use]
    pub fn ttl(mut self, time: Span) -> Self {
        self.ttl = Some(time);
        self
    }

    /// Gives each command a sandbox to itself, and keeps this many waiting. What lies in the
    /// session's mounts is shared; folders that are copied on write are not possible then.
    #[must_use]
    pub fn pool(mut self, waiting: usize) -> Self {
        self.pool = Some(waiting);
        self
    }

    /// Writes each decision about a connection to the end of a file of the host. It has to lie where
    /// no command of the session may write.
    #[must_use]
    pub fn net_log(mut self, file: impl Into<PathBuf>) -> Self {
        self.net_log = Some(file.into());
        self
    }

    /// Suspends or ends it when no command has run in it for this time.
    #[must_use]
    pub fn idle(mut self, time: Span, then: OnIdle) -> Self {
        self.idle = Some((time, then));
        self
    }
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxState {
    /// It exists, and nothing has run in it yet.
    Provisioned,
    /// Commands run in it, or have.
    Running,
    /// Its processes stand still; none can be started.
    Suspended,
    /// It is over.
    Terminated,
    /// Whoever owns it does not answer.
    Unreachable,
}

impl SandboxState {
    /// The state as messages and JSON name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "provisioned",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What there is to say of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SandboxSession {
    /// Its identifier.
    pub id: SessionId,
    /// Where it is in its life.
    pub state: SandboxState,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// What it can be found by.
    pub labels: Labels,
    /// The caller's notes.
    pub metadata: Labels,
    /// What appears where, with the two mounts that every session has.
    pub mounts: Vec<FilesystemMount>,
    /// The session that it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// What may be reached now.
    pub network: NetworkPolicy,
    /// What is enforced.
    pub report: Report,
}

/// A kept state of a session's folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SandboxSnapshot {
    /// Its name.
    pub name: SnapshotName,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

impl SandboxSnapshot {
    /// A snapshot of now.
    #[must_use]
    pub fn now(name: SnapshotName) -> Self {
        Self { name, created: now() }
    }
}

/// Seconds since 1970; a clock before that counts as 0.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Whether a session works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionHealth {
    /// Whether a command can be run, or could, once it is resumed.
    pub healthy: bool,
    /// What is wrong otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
