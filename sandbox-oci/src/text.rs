//! What engines cannot be told, and the texts that they can.
//!
//! Both formats are JSON, so every path, argument and variable must be Unicode. Replacing what is
//! not would mount another path than the policy names.

use std::ffi::OsStr;
use std::path::PathBuf;

use sandbox_core::Rights;
use sandbox_core::path::quoted;
use sandbox_core::plan::Plan;

/// Why a plan has no container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A text that is not Unicode.
    #[error("{text} is not Unicode, which container engines require")]
    NotUnicode {
        /// The text, escaped.
        text: String,
    },
    /// The plan has no command.
    #[error("the plan names no file to execute")]
    NoCommand,
    /// The whole host is granted.
    #[error("the whole host cannot be a container's root: name the folders in it")]
    Root,
    /// Rights that mounts cannot tell apart.
    #[error("a mount cannot grant {} on {}", .rights.name(), quoted(.path))]
    Rights {
        /// The place.
        path: PathBuf,
        /// What it grants.
        rights: Rights,
    },
    /// A path that must not come to be, where names can be made.
    #[error("{} is hidden but does not exist, and a mount cannot keep it so", quoted(.path))]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// A link that would show what is hidden.
    #[error("the link {} leads around places of the policy: name its target", quoted(.path))]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Hosts are listed.
    #[error("a container's network is all or nothing: a list of allowed hosts needs a gateway")]
    Hosts,
    /// A limit beyond what an engine can be told.
    #[error("the limit {limit} is too large for a container engine")]
    Limit {
        /// Which.
        limit: &'static str,
    },
    /// A part of the format refused a value.
    #[error("the runtime specification refuses {part}: {why}")]
    Spec {
        /// Which part.
        part: &'static str,
        /// The reason.
        why: String,
    },
}

/// The text of a path, an argument or a variable.
pub(crate) fn unicode(text: impl AsRef<OsStr>) -> Result<String, CompileError> {
    let text = text.as_ref();
    let known = text.to_str().map(str::to_owned);
    known.ok_or_else(|| CompileError::NotUnicode { text: quoted(text) })
}

/// The command with its arguments. The first file that its name can mean is the one.
pub(crate) fn command(plan: &Plan) -> Result<Vec<String>, CompileError> {
    let program = unicode(plan.candidates.first().ok_or(CompileError::NoCommand)?)?;
    let arguments = plan.arguments.iter().skip(1).map(unicode);
    std::iter::once(Ok(program)).chain(arguments).collect()
}

/// The variables, as `NAME=value`.
pub(crate) fn environment(plan: &Plan) -> Result<Vec<String>, CompileError> {
    let pair = |(name, value): &(_, _)| Ok(format!("{}={}", unicode(name)?, unicode(value)?));
    plan.environment.iter().map(pair).collect()
}

/// A limit as engines count: signed.
pub(crate) fn signed(limit: &'static str, value: u64) -> Result<i64, CompileError> {
    i64::try_from(value).map_err(|_| CompileError::Limit { limit })
}

/// CPU time as a process limit counts it: whole seconds, at least one.
pub(crate) fn seconds(time: std::time::Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
