//! Errors: the sandbox could not do its work. That a command failed is no error.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::capability::Feature;
use crate::exec::Exit;
use crate::ids::{NameError, SessionId};
use crate::path::quoted;
use crate::policy::PolicyError;
use crate::policy::network::MinimumLevel;
use crate::session::files::FileError;
use crate::session::task::TaskId;
use crate::snapshot::SnapshotError;

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
    /// The policy demands that its list of hosts holds for more programs than it does here.
    #[error(
        "{backend} does not reach the level {minimum}, which the policy demands of a list of hosts: \
         {here}. Use another backend, or accept a lower minimum_level"
    )]
    LevelNotReached {
        /// The backend that was asked.
        backend: String,
        /// What is demanded.
        minimum: MinimumLevel,
        /// What is reached, and why not more.
        here: String,
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
    /// A call on the files of a session failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// No task of the session has this identifier, or it is no longer kept.
    #[error("there is no task {id}")]
    TaskNotFound {
        /// The identifier.
        id: TaskId,
    },
    /// Something that needs a task's end was asked before it.
    #[error("the task {id} has not ended")]
    TaskRunning {
        /// The task.
        id: TaskId,
    },
    /// The sandbox cannot tell how a task ended.
    #[error("the task {id} was lost: {source}")]
    TaskLost {
        /// The task.
        id: TaskId,
        /// Why.
        source: Arc<SandboxError>,
    },
    /// There is no session of this identifier.
    #[error("there is no session {id}: `sandbox session list` shows which there are")]
    SessionNotFound {
        /// The identifier.
        id: SessionId,
    },
    /// A session is in a state in which something cannot be done.
    #[error("the session {id} is {state}: {operation} needs another state")]
    WrongState {
        /// The session.
        id: SessionId,
        /// Its state, in a word.
        state: Cow<'static, str>,
        /// What was asked.
        operation: Cow<'static, str>,
    },
    /// Something of that name exists already.
    #[error("{what} exists already")]
    AlreadyExists {
        /// What it is.
        what: String,
    },
    /// Nothing of that name exists.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// Whoever keeps a session met an error that has no form of its own here.
    #[error("{0}")]
    Elsewhere(String),
    /// A snapshot cannot be saved or restored.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A name is no name.
    #[error(transparent)]
    Name(#[from] NameError),
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
