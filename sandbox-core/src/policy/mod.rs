//! What an untrusted command may do.
//!
//! A [`Policy`] is built, never edited: [`PolicyBuilder::build`] is the only validation, and what
//! it returns is legal. The parts are filesystem rules, environment rules, the network, the system
//! calls and the limits; whatever is not granted is denied.
//!
//! Start from a preset: [`Policy::read_only`], [`Policy::workspace`], [`Policy::developer`], or
//! from nothing with [`Policy::builder`].

pub mod environment;
pub mod file;
pub mod filesystem;
pub mod limits;
pub mod network;
mod presets;
mod saved;
mod sealed;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::{PathError, SandboxPath};
use crate::size::ByteSize;
use environment::{EnvironmentError, EnvironmentPolicy};
use filesystem::{FilesystemError, FilesystemPolicy, Rights};
use limits::{LimitError, ResourceLimits};
use network::{CredentialError, HostRule, HostRuleError, MinimumLevel, NetworkPolicy};

use presets::Caller;

pub use file::{PolicyFile, PolicyFileError, Preset};

/// What happens when something that the policy asks for cannot be enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnforcementLevel {
    /// An error before anything starts. The default.
    #[default]
    Required,
    /// The command runs with what the machine has, and the result names what was lost.
    BestEffort,
    /// Nothing is confined; only the environment is scrubbed. For finding out whether the sandbox
    /// is what breaks a command.
    Off,
}

/// Which system calls reach the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SyscallProfile {
    /// What compilers, interpreters, servers and shells use. The default.
    #[default]
    Default,
    /// Less: no asynchronous I/O contexts, no `memfd` execution, no personality changes.
    Strict,
    /// The default and tracing of the command's own processes, for debuggers.
    Debug,
}

/// What an untrusted command may do. Immutable; see [`PolicyBuilder`]. Reading one back from what
/// was written checks it like a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "saved::Saved")]
#[non_exhaustive]
pub struct Policy {
    filesystem: FilesystemPolicy,
    environment: EnvironmentPolicy,
    network: NetworkPolicy,
    syscalls: SyscallProfile,
    limits: ResourceLimits,
    enforcement: EnforcementLevel,
    workspace: Option<SandboxPath>,
}

/// Why a policy cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A path is not absolute and normalised.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Two filesystem rules contradict each other.
    #[error(transparent)]
    Filesystem(#[from] FilesystemError),
    /// A variable's name cannot be meant.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A host rule cannot be meant.
    #[error(transparent)]
    Host(#[from] HostRuleError),
    /// A credential cannot be meant, or the rest of the policy gives its secret away.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A limit cannot be meant.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A policy file cannot be read.
    #[error(transparent)]
    File(#[from] Box<PolicyFileError>),
    /// The workspace is missing or no folder.
    #[error("the workspace {path:?} cannot be used: {why}")]
    Workspace {
        /// The workspace as it was named.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

impl Policy {
    /// An empty policy: nothing is visible, not even the system's programs.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// The system's programs and libraries are readable; `/tmp` and the home directory are private
    /// and empty; nothing of the user is visible; no network.
    pub fn read_only() -> PolicyBuilder {
        presets::read_only(PolicyBuilder::default(), &Caller::current())
    }

    /// [`Policy::read_only`], and `folder` is writable. Credentials stay hidden even where
    /// `folder` contains them; a git worktree's common directory is writable too.
    ///
    /// # Errors
    /// [`PolicyError::Workspace`] when `folder` is missing or no folder.
    pub fn workspace(folder: impl AsRef<Path>) -> Result<PolicyBuilder, PolicyError> {
        let caller = Caller::current();
        let builder = presets::read_only(PolicyBuilder::default(), &caller);
        presets::workspace(builder, folder.as_ref(), &caller)
    }

    /// [`Policy::workspace`], and the toolchains and package-manager caches of the user are
    /// readable.
    ///
    /// # Errors
    /// As [`Policy::workspace`].
    pub fn developer(folder: impl AsRef<Path>) -> Result<PolicyBuilder, PolicyError> {
        let caller = Caller::current();
        let builder = presets::read_only(PolicyBuilder::default(), &caller);
        Ok(presets::developer(presets::workspace(builder, folder.as_ref(), &caller)?, &caller))
    }

    /// The filesystem rules.
    #[must_use]
    pub fn filesystem(&self) -> &FilesystemPolicy {
        &self.filesystem
    }

    /// The environment rules.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentPolicy {
        &self.environment
    }

    /// The network policy.
    #[must_use]
    pub fn network(&self) -> &NetworkPolicy {
        &self.network
    }

    /// The system-call profile.
    #[must_use]
    pub fn syscalls(&self) -> SyscallProfile {
        self.syscalls
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &ResourceLimits {
        &self.limits
    }

    /// What happens when something cannot be enforced.
    #[must_use]
    pub fn enforcement(&self) -> EnforcementLevel {
        self.enforcement
    }

    /// The same policy, with one more path hidden.
    pub(crate) fn hiding(mut self, path: SandboxPath) -> Self {
        self.filesystem.add(path, Rights::empty());
        self
    }

    /// The same policy, with another network.
    pub(crate) fn reaching(mut self, network: NetworkPolicy) -> Self {
        self.network = network;
        self
    }

    /// The folder that commands work in by default.
    #[must_use]
    pub fn workspace_path(&self) -> Option<&SandboxPath> {
        self.workspace.as_ref()
    }
}

/// Collects the parts of a [`Policy`]. Every method takes and returns the builder.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct PolicyBuilder {
    pub(crate) filesystem: FilesystemPolicy,
    pub(crate) environment: EnvironmentPolicy,
    pub(crate) network: NetworkPolicy,
    pub(crate) syscalls: SyscallProfile,
    pub(crate) limits: ResourceLimits,
    pub(crate) enforcement: EnforcementLevel,
    pub(crate) workspace: Option<SandboxPath>,
}

impl PolicyBuilder {
    /// Lets `path` and all below it be read, listed and executed.
    ///
    /// # Errors
    /// [`PathError`]; so for every method that takes a path.
    pub fn read(self, path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        self.grant(path, Rights::READ_ONLY)
    }

    /// Lets `path` and all below it be read and changed.
    pub fn write(self, path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        self.grant(path, Rights::READ_WRITE)
    }

    /// Hides `path` and all below it, whatever a wider rule grants.
    pub fn hide(self, path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        self.grant(path, Rights::empty())
    }

    /// Grants exactly `rights` on `path` and all below it.
    pub fn grant(mut self, path: impl AsRef<Path>, rights: Rights) -> Result<Self, PolicyError> {
        self.filesystem.add(SandboxPath::new(path)?, rights);
        Ok(self)
    }

    /// Gives the command an empty, writable directory of its own at `path`.
    pub fn private(mut self, path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        self.filesystem.add_private(SandboxPath::new(path)?);
        Ok(self)
    }

    /// Passes a variable of the caller on. A name may end in `*`; such a pattern never passes a
    /// variable whose name looks like a secret.
    pub fn pass_env(mut self, name: &str) -> Result<Self, PolicyError> {
        self.environment.pass(name)?;
        Ok(self)
    }

    /// Sets a variable.
    pub fn set_env(mut self, name: &str, value: impl Into<String>) -> Result<Self, PolicyError> {
        self.environment.set(name, value.into())?;
        Ok(self)
    }

    /// Sets the network policy.
    pub fn network(mut self, network: NetworkPolicy) -> Self {
        self.network = network;
        self
    }

    /// The network as it is now.
    #[must_use]
    pub fn network_policy(&self) -> &NetworkPolicy {
        &self.network
    }

    /// Lets the listed hosts be reached, and no others; see [`HostRule`] for the grammar.
    pub fn allow_hosts<H: AsRef<str>>(
        mut self,
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self, PolicyError> {
        let rules: Result<Vec<_>, _> = hosts.into_iter().map(|h| h.as_ref().parse()).collect();
        let mut rules: Vec<HostRule> = rules?;
        let (mut minimum_level, mut credentials) = (None, Vec::new());
        if let NetworkPolicy::Limited { allowed_hosts, minimum_level: level, credentials: known } =
            self.network
        {
            rules.splice(0..0, allowed_hosts);
            (minimum_level, credentials) = (level, known);
        }
        self.network = NetworkPolicy::Limited { allowed_hosts: rules, minimum_level, credentials };
        Ok(self)
    }

    /// Refuses backends that keep the list of hosts at a lower level; by default any is accepted.
    /// See [`NetworkPolicy::at_least`].
    pub fn minimum_level(mut self, level: MinimumLevel) -> Self {
        self.network = self.network.at_least(level);
        self
    }

    /// Sets the system-call profile.
    pub fn syscalls(mut self, profile: SyscallProfile) -> Self {
        self.syscalls = profile;
        self
    }

    /// Changes the limits.
    pub fn limits(mut self, change: impl FnOnce(&mut ResourceLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Ends the command after this much elapsed time.
    pub fn wall_time(self, limit: Duration) -> Self {
        self.limits(|limits| limits.wall_time = Some(limit.into()))
    }

    /// Limits the memory of the whole tree.
    pub fn memory(self, limit: ByteSize) -> Self {
        self.limits(|limits| limits.memory = Some(limit))
    }

    /// Limits processes and threads together.
    pub fn processes(self, limit: u32) -> Self {
        self.limits(|limits| limits.processes = Some(limit))
    }

    /// Says what happens when something cannot be enforced.
    pub fn enforcement(mut self, level: EnforcementLevel) -> Self {
        self.enforcement = level;
        self
    }

    /// Checks everything and makes the policy.
    ///
    /// # Errors
    /// [`PolicyError`], naming the rule, the reason and the remedy.
    pub fn build(mut self) -> Result<Policy, PolicyError> {
        self.limits.check()?;
        sealed::seal(&self.network, &self.environment, &mut self.filesystem)?;
        self.filesystem.check()?;
        Ok(Policy {
            filesystem: self.filesystem,
            environment: self.environment,
            network: self.network,
            syscalls: self.syscalls,
            limits: self.limits,
            enforcement: self.enforcement,
            workspace: self.workspace,
        })
    }
}

impl fmt::Display for EnforcementLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::BestEffort => "best_effort",
            Self::Off => "off",
        })
    }
}
