//! What the two sides say to each other, as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

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
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::session::log::{Start, Stream};
use crate::session::task::TaskId;

/// The version of everything here; two sides that differ do not talk.
pub(super) const VERSION: u32 = 4;

/// The first message of a connection, as its caller says it.
#[derive(Debug, Serialize)]
pub(super) struct Hello<'a> {
    pub(super) version: u32,
    /// The session's key: see the security notes of the module.
    pub(super) key: &'a str,
    pub(super) call: &'a Call,
}

/// What is looked at first of that message: nothing else is read from one who does not show the key.
#[derive(Debug, Deserialize)]
pub(super) struct Greeting<'a> {
    pub(super) version: u32,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
}

/// The rest of it.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) call: Call,
}

/// What is asked of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    Get,
    Spawn(Command),
    Attach(FilesystemMount),
    Network(NetworkPolicy),
    Rules { allow: Vec<HostRule>, deny: Vec<HostRule> },
    Reaches { seen: u64 },
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

/// A text of the operating system's; one that is no UTF-8 stays what it is.
#[derive(Debug, Serialize, Deserialize)]
struct Text(#[serde(with = "crate::path::lossless")] PathBuf);

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        Self(text.into())
    }
}

impl From<Text> for OsString {
    fn from(text: Text) -> Self {
        text.0.into()
    }
}

/// A command to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Command {
    program: Text,
    arguments: Vec<Text>,
    cwd: Option<Text>,
    preferred_cwd: Option<Text>,
    variables: Vec<(Text, Text)>,
    terminal: Option<TerminalSize>,
    stdin: bool,
}

impl From<&ExecRequest> for Command {
    fn from(request: &ExecRequest) -> Self {
        let variables: &BTreeMap<OsString, OsString> = request.variables();
        Self {
            program: request.program().into(),
            arguments: request.arguments().iter().map(|it| (&**it).into()).collect(),
            cwd: request.working_directory().map(|it| it.as_os_str().into()),
            preferred_cwd: request.preferred_directory().map(|it| it.as_os_str().into()),
            variables: variables.iter().map(|(n, v)| ((&**n).into(), (&**v).into())).collect(),
            terminal: request.terminal_size(),
            stdin: request.wants_stdin(),
        }
    }
}

impl From<Command> for ExecRequest {
    fn from(command: Command) -> Self {
        let mut request = Self::new(command.program).args(command.arguments);
        if let Some(cwd) = command.cwd {
            request = request.cwd(cwd.0);
        }
        if let Some(cwd) = command.preferred_cwd {
            request = request.prefer_cwd(cwd.0);
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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_command_is_the_same_on_the_other_side_and_not_much_longer() {
        let odd = OsString::from_vec(b"\xff odd".to_vec());
        let request = ExecRequest::new(&odd)
            .args([&odd, &OsString::from("x".repeat(10_000))])
            .cwd(&odd)
            .prefer_cwd("/b")
            .env(&odd, &odd)
            .env("A", "é\n")
            .terminal(TerminalSize { rows: 1, columns: 2 })
            .with_stdin();
        let text = serde_json::to_string(&Command::from(&request)).unwrap();
        let back = ExecRequest::from(serde_json::from_str::<Command>(&text).unwrap());
        assert_eq!(format!("{back:?}"), format!("{request:?}"));
        assert!(text.len() < 11_000, "{}", text.len());
    }
}
