//! From the class of a call in the table to what happens to it under one specification.

use super::args::Check;
use super::errno::Errno;
use super::spec::{FilterSpec, Metadata, Profile, Scope};

/// How the table classes a call.
#[derive(Clone, Copy)]
pub(super) enum Class {
    /// Always allowed.
    Allow,
    /// Always fails with this error.
    Fail(Errno),
    /// Allowed but in the strict profile, where it does not exist.
    Lenient,
    /// Allowed in the debug profile alone.
    Debug,
    /// Host-wide IPC by number or name: allowed where the IPC namespace is the payload's own.
    Ipc,
    /// Changes owner or times of a file.
    Attribute,
    /// Changes extended attributes of a file.
    Xattr,
    /// Allowed depending on arguments, of which the guard looks at the one given and perhaps
    /// others.
    Guarded(fn(&FilterSpec, u8) -> Ruling, u8),
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is made.
    Allow,
    /// It fails.
    Fail(Errno),
    /// It is made if its arguments pass the checks; there is at least one.
    Checked {
        /// What is checked, for people.
        why: &'static str,
        /// The checks in order.
        checks: Vec<Check>,
    },
    /// As [`Ruling::Checked`], and it is not made: whoever listens to the filter answers it.
    Asked {
        /// What is checked, for people.
        why: &'static str,
        /// The checks in order.
        checks: Vec<Check>,
    },
}

impl Ruling {
    /// The ruling for a list of checks that may have come out empty.
    pub(super) fn of(why: &'static str, checks: Vec<Check>) -> Self {
        if checks.is_empty() { Self::Allow } else { Self::Checked { why, checks } }
    }
}

impl Class {
    /// What this class means under `spec`.
    pub(super) fn ruling(self, spec: &FilterSpec) -> Ruling {
        let allow_if = |allowed: bool, otherwise| match allowed {
            true => Ruling::Allow,
            false => Ruling::Fail(otherwise),
        };
        match self {
            Self::Allow => Ruling::Allow,
            Self::Fail(errno) => Ruling::Fail(errno),
            Self::Lenient => allow_if(spec.profile != Profile::Strict, Errno::ENOSYS),
            Self::Debug => allow_if(spec.may_debug(), Errno::EPERM),
            Self::Ipc => allow_if(spec.scope == Scope::Namespaced, Errno::ENOSYS),
            Self::Attribute => allow_if(spec.metadata == Metadata::Allow, Errno::EPERM),
            Self::Xattr => allow_if(
                spec.scope == Scope::Namespaced && spec.metadata == Metadata::Allow,
                Errno::EOPNOTSUPP,
            ),
            Self::Guarded(guard, at) => guard(spec, at),
        }
    }
}
