//! Errors: the sandbox could not do its work. That a command failed is no error.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::capability::Feature;
use crate::exec::Exit;
use crate::path::quoted;
use crate::policy::PolicyError;

/// Shorthand for a result with [`SandboxError`].
pub type Result<T, E = SandboxError> = std::result::Result<T, E>;

/// Everything that can keep a sandbox from doing its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The policy cannot be built.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy asks for something that this machine cannot enforce.
    #[error("{feature} cannot be enforced by {backend}: {why}")]
    Unenforceable {
        /// The backend that was asked.
        backend: String,
        /// What it cannot enforce.
        feature: Feature,
        /// Why, and what would help.
        why: String,
    },
    /// The backend does not offer an operation.
    #[error("{backend} does not support {operation}")]
    Unsupported {
        /// The backend that was asked.
        backend: String,
        /// The operation.
        operation: String,
    },
    /// A request that cannot be meant.
    #[error("{0}")]
    InvalidRequest(String),
    /// A path of the policy is not there.
    #[error("the policy names {}, which cannot be opened: {source}", quoted(.path))]
    MissingPath {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The command is nowhere in the sandbox's `PATH`.
    #[error("{}: no such command", quoted(.program))]
    CommandNotFound {
        /// The command as it was named.
        program: OsString,
    },
    /// The command exists, but the policy hides it.
    #[error(
        "{} is {}, which the policy does not let the sandbox execute: add --read {}",
        quoted(.program), quoted(.path), quoted(.path.parent().unwrap_or(.path))
    )]
    CommandHidden {
        /// The command as it was named.
        program: OsString,
        /// Where it was found.
        path: PathBuf,
    },
    /// The command exists, but cannot be executed.
    #[error("{} cannot be executed: {source}", quoted(.path))]
    CommandNotExecutable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A step of the launch failed.
    #[error("the sandbox failed at \"{step}\": {source}")]
    Launch {
        /// The step, in words.
        step: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command that was required to succeed did not.
    #[error("the command failed: {exit:?}\n{stderr}")]
    CommandFailed {
        /// How it ended.
        exit: Exit,
        /// The end of its standard error.
        stderr: String,
    },
    /// A system call of the sandbox's own failed.
    #[error("{call}: {source}")]
    Io {
        /// The call, in words.
        call: String,
        /// What the system said.
        source: io::Error,
    },
}

impl SandboxError {
    /// Names the call that an I/O error came from.
    pub fn io(call: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let call = call.into();
        move |source| Self::Io { call, source }
    }
}
