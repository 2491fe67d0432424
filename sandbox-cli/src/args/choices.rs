//! The words that options take, and the library's values that they stand for.

use clap::ValueEnum;
use sandbox_core::EnforcementLevel;
use sandbox_core::policy::network::MinimumLevel;
use sandbox_core::policy::{Preset, SyscallProfile};

/// `--preset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetChoice {
    /// The system's programs can be read, nothing of yours
    #[value(alias = "read_only")]
    ReadOnly,
    /// And one folder can be changed
    Workspace,
    /// And your toolchains and package caches can be read
    Developer,
}

/// `--net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum NetChoice {
    /// Nothing can be reached
    None,
    /// The hosts that the policy and --allow-host list, and nothing else
    Limited,
    /// The host's network, without a filter
    #[value(alias = "host", alias = "open")]
    Unrestricted,
}

/// `--net-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LevelChoice {
    /// Every program reaches the listed hosts, without knowing of anything
    Transparent,
    /// Programs that heed proxy variables reach them
    #[value(alias = "proxy-aware-only", alias = "proxy_aware_only")]
    ProxyAware,
}

/// `--syscalls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SyscallChoice {
    /// What compilers, interpreters, servers and shells use
    Default,
    /// Less: no asynchronous I/O contexts, no execution from memory, no personality changes
    Strict,
    /// The default, and tracing of the command's own processes
    Debug,
}

/// `--enforcement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EnforcementChoice {
    /// Refuse to run with less than the policy asks for
    Required,
    /// Run with what this machine has, and name what is missing
    #[value(alias = "best_effort")]
    BestEffort,
    /// Confine nothing, only clean the environment
    Off,
}

impl BackendChoice {
    /// The word that stands for it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// `--backend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// The strongest that works here
    #[default]
    Auto,
    /// Landlock, system-call filter and resource limits (Linux)
    Landlock,
    /// Namespaces, and everything of landlock (Linux)
    Namespaces,
}

impl PresetChoice {
    /// The word, as it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Workspace => "workspace",
            Self::Developer => "developer",
        }
    }
}

impl From<PresetChoice> for Preset {
    fn from(choice: PresetChoice) -> Self {
        match choice {
            PresetChoice::ReadOnly => Self::ReadOnly,
            PresetChoice::Workspace => Self::Workspace,
            PresetChoice::Developer => Self::Developer,
        }
    }
}

impl From<LevelChoice> for MinimumLevel {
    fn from(choice: LevelChoice) -> Self {
        match choice {
            LevelChoice::Transparent => Self::Transparent,
            LevelChoice::ProxyAware => Self::ProxyAwareOnly,
        }
    }
}

impl From<SyscallChoice> for SyscallProfile {
    fn from(choice: SyscallChoice) -> Self {
        match choice {
            SyscallChoice::Default => Self::Default,
            SyscallChoice::Strict => Self::Strict,
            SyscallChoice::Debug => Self::Debug,
        }
    }
}

impl From<EnforcementChoice> for EnforcementLevel {
    fn from(choice: EnforcementChoice) -> Self {
        match choice {
            EnforcementChoice::Required => Self::Required,
            EnforcementChoice::BestEffort => Self::BestEffort,
            EnforcementChoice::Off => Self::Off,
        }
    }
}
