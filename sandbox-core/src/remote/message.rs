//! What the two sides say to each other, as JSON.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::capability::Report;
use crate::confine::Ended;
use crate::denial::Denials;
use crate::error::SandboxError;
use crate::exec::{ExecRequest, Exit, TerminalSize, Usage};
use crate::ids::SnapshotName;
use crate::mount::{FilesystemAccess, FilesystemMount};
use crate::path::SandboxPath;
use crate::policy::limits::ResourceLimits;
use crate::policy::network::NetworkPolicy;
use crate::session::log::{Start, Stream};
use crate::session::task::TaskId;

/// The version of everything here; two sides that differ do not talk.
pub(super) const VERSION: u32 = 1;

/// The first message of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    /// The session's key: see the security notes of the module.
    pub(super) key: String,
    pub(super) call: serde_json::Value,
}

/// What is asked of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    Get,
    Spawn(Command),
    Attach(FilesystemMount),
    Network(NetworkPolicy),
    Files,
    Publish { inside: u16, host: Option<u16> },
    Ports,
    Unpublish { inside: u16 },
    Snapshot { name: SnapshotName },
    Snapshots,
    Restore { name: SnapshotName },
    Fork { count: usize },
    Diff,
    Apply,
    Discard,
    Suspend,
    Resume,
    Usage,
    Health,
    Terminate,
    Task(TaskCall),
}

/// What is asked of a session's tasks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TaskCall {
    Start(Command),
    List,
    Get {
        task: TaskId,
    },
    Log {
        task: TaskId,
    },
    Watch {
        task: TaskId,
        start: Start,
    },
    Wait {
        task: TaskId,
    },
    Kill {
        task: TaskId,
    },
    Signal {
        task: TaskId,
        signal: i32,
    },
    /// The bytes follow.
    Write {
        task: TaskId,
    },
    CloseInput {
        task: TaskId,
    },
    Resize {
        task: TaskId,
        size: TerminalSize,
    },
    Remove {
        task: TaskId,
    },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply<T> {
    Done(T),
    Failed(Fault),
}

impl<T> Reply<T> {
    pub(super) fn of(result: Result<T, SandboxError>) -> Self {
        match result {
            Ok(value) => Self::Done(value),
            Err(error) => Self::Failed(Fault::from(&error)),
        }
    }

    pub(super) fn into_result(self) -> Result<T, SandboxError> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Failed(fault) => Err(fault.into()),
        }
    }
}

/// A command to run; texts that are no UTF-8 stay what they are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    cwd: Option<OsString>,
    preferred_cwd: Option<OsString>,
    variables: Vec<(OsString, OsString)>,
    terminal: Option<TerminalSize>,
    stdin: bool,
}

impl From<&ExecRequest> for Command {
    fn from(request: &ExecRequest) -> Self {
        let variables: &BTreeMap<_, _> = request.variables();
        Self {
            program: request.program().to_owned(),
            arguments: request.arguments().to_vec(),
            cwd: request.working_directory().map(Into::into),
            preferred_cwd: request.preferred_directory().map(Into::into),
            variables: variables.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
            terminal: request.terminal_size(),
            stdin: request.wants_stdin(),
        }
    }
}

impl From<Command> for ExecRequest {
    fn from(command: Command) -> Self {
        let mut request = Self::new(command.program).args(command.arguments);
        if let Some(cwd) = command.cwd {
            request = request.cwd(cwd);
        }
        if let Some(cwd) = command.preferred_cwd {
            request = request.prefer_cwd(cwd);
        }
        if let Some(size) = command.terminal {
            request = request.terminal(size);
        }
        if command.stdin {
            request = request.with_stdin();
        }
        command
            .variables
            .into_iter()
            .fold(request, |request, (name, value)| request.env(name, value))
    }
}

/// A command that was started. The ends of its streams come along: standard output, then those of
/// the others that it has.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) pid: u32,
    pub(super) stdin: bool,
    pub(super) stderr: bool,
    pub(super) limits: ResourceLimits,
    pub(super) report: Report,
}

/// What the caller says to a command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Control {
    Signal(i32),
    Kill,
    Freeze,
    Thaw,
    Resize(TerminalSize),
}

/// How a command ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    exit: Exit,
    usage: Usage,
    denials: Denials,
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self { exit: ended.exit, usage: ended.usage, denials: ended.denials }
    }
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        Self { exit: end.exit, usage: end.usage, denials: end.denials }
    }
}

/// One folder of a session; its descriptor comes along if it is open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Folder {
    pub(super) target: SandboxPath,
    pub(super) access: FilesystemAccess,
    pub(super) open: bool,
}

/// A piece of what a task wrote; the bytes follow, unless some were missed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Piece {
    Bytes(Stream),
    Lagged(u64),
    /// There is no more.
    End,
}
