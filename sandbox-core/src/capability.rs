//! What a machine can enforce, and what a run was given: facts, never hopes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::egress::Level;

/// One promise that a sandbox makes or does not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feature {
    /// Files outside the policy cannot be read.
    FilesystemRead,
    /// Files outside the policy cannot be changed.
    FilesystemWrite,
    /// Read, list, write, create, delete and execute are told apart.
    FilesystemRights,
    /// Modes, owners, times and attributes of files outside the policy cannot be changed.
    FileMetadata,
    /// Hidden paths stay hidden inside trees that are visible.
    HiddenPaths,
    /// `/tmp`, the home directory and shared memory are the command's own.
    PrivatePlaces,
    /// No address can be reached.
    NetworkDeny,
    /// Only listed hosts can be reached.
    NetworkAllowList,
    /// Unix sockets of host services cannot be reached.
    UnixSockets,
    /// Processes of the host are neither visible nor reachable.
    ProcessIsolation,
    /// Shared memory, semaphores, message queues and keyrings of the host are out of reach.
    IpcIsolation,
    /// Only the system calls of the profile reach the kernel.
    SystemCalls,
    /// No capability, no way to gain one, not the host's root.
    Privileges,
    /// No descriptor but the standard three is inherited.
    Descriptors,
    /// The caller's terminal cannot be opened or fed.
    Terminal,
    /// Only named variables are passed on.
    Environment,
    /// The whole process tree ends with the run, also when the launcher is killed.
    Lifetime,
    /// Limit: elapsed time.
    WallTime,
    /// Limit: CPU time of the whole tree.
    CpuTime,
    /// Limit: CPUs at once.
    CpuCount,
    /// Limit: memory of the whole tree.
    Memory,
    /// Limit: processes and threads.
    Processes,
    /// Limit: open files in a process.
    OpenFiles,
    /// Limit: size of one file.
    FileSize,
    /// Limit: bytes in private places.
    Disk,
    /// Limit: bytes in a workspace that is mounted directly.
    WorkspaceDisk,
    /// Limit: bytes of output kept or passed on.
    Output,
    /// Limit: time without output.
    Idle,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_value(self).ok();
        f.write_str(name.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown"))
    }
}

/// How far a feature is enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Enforcement {
    /// Wholly.
    Full {
        /// The mechanism that does it.
        by: Cow<'static, str>,
    },
    /// With a hole that is known.
    Partial {
        /// The mechanism that does it.
        by: Cow<'static, str>,
        /// What it lets through.
        gap: Cow<'static, str>,
    },
    /// Not at all.
    Absent {
        /// The reason, and what would help.
        why: Cow<'static, str>,
    },
}

impl Enforcement {
    /// Wholly enforced by `by`.
    pub fn full(by: impl Into<Cow<'static, str>>) -> Self {
        Self::Full { by: by.into() }
    }

    /// Enforced by `by`, but for `gap`.
    pub fn partial(by: impl Into<Cow<'static, str>>, gap: impl Into<Cow<'static, str>>) -> Self {
        Self::Partial { by: by.into(), gap: gap.into() }
    }

    /// Not enforced, because of `why`.
    pub fn absent(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Absent { why: why.into() }
    }
}

/// What a backend can enforce on this machine, feature by feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SandboxCapabilities {
    /// The name of the strongest tier that works here.
    pub tier: Cow<'static, str>,
    /// Every feature the backend knows of.
    pub features: BTreeMap<Feature, Enforcement>,
    /// For which programs a list of hosts holds, if the backend says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Level>,
}

impl SandboxCapabilities {
    /// A set of capabilities for `tier`.
    pub fn new(
        tier: impl Into<Cow<'static, str>>,
        features: impl IntoIterator<Item = (Feature, Enforcement)>,
    ) -> Self {
        Self { tier: tier.into(), features: features.into_iter().collect(), egress: None }
    }

    /// The same, with what comes of a list of hosts.
    #[must_use]
    pub fn egress(mut self, level: Option<Level>) -> Self {
        self.egress = level;
        self
    }
}

/// One property that a run did not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// Which.
    pub feature: Feature,
    /// What is let through, or why nothing is enforced.
    pub what: Cow<'static, str>,
    /// Whether nothing at all enforces the feature.
    pub absent: bool,
}

/// What was enforced for one run: only features that the policy asks for appear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The tier that ran the command.
    pub tier: Cow<'static, str>,
    /// What stood between the command and the host.
    pub enforced: BTreeMap<Feature, Enforcement>,
    /// For which programs the policy's list of hosts holds, if it has one and the backend says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Level>,
}

impl Report {
    /// A report for `tier`.
    pub fn new(
        tier: impl Into<Cow<'static, str>>,
        enforced: impl IntoIterator<Item = (Feature, Enforcement)>,
    ) -> Self {
        Self { tier: tier.into(), enforced: enforced.into_iter().collect(), egress: None }
    }

    /// The same, with what came of a list of hosts.
    #[must_use]
    pub fn egress(mut self, level: Option<Level>) -> Self {
        self.egress = level;
        self
    }

    /// Everything that is less than asked for.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let gap = |(&feature, enforcement): (&Feature, &Enforcement)| match enforcement {
            Enforcement::Full { .. } => None,
            Enforcement::Partial { gap, .. } => {
                Some(Gap { feature, what: gap.clone(), absent: false })
            }
            Enforcement::Absent { why } => Some(Gap { feature, what: why.clone(), absent: true }),
        };
        self.enforced.iter().filter_map(gap).collect()
    }

    /// The first feature that nothing enforces.
    #[must_use]
    pub fn first_absent(&self) -> Option<Gap> {
        self.gaps().into_iter().find(|gap| gap.absent)
    }
}
