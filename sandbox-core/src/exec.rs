//! One command: what is asked for, and what came of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::capability::Report;
use crate::denial::Denials;
use crate::egress::decision::Summary;
use crate::error::{Result, SandboxError};

/// A command to run: program, arguments, directory, variables, terminal.
///
/// Arguments are bytes and reach the program verbatim; no shell is ever involved unless it is the
/// program.
///
/// ```
/// use sandbox_core::ExecRequest;
/// let request = ExecRequest::new("cargo").args(["test", "--offline"]).env("CI", "1");
/// assert_eq!(request.arguments().len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct ExecRequest {
    program: OsString,
    args: Vec<OsString>,
    cwd: Option<PathBuf>,
    preferred_cwd: Option<PathBuf>,
    env: BTreeMap<OsString, OsString>,
    terminal: Option<TerminalSize>,
    stdin: bool,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl ExecRequest {
    /// A request for `program`: a name that is looked up in the sandbox's `PATH`, or a path.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            cwd: None,
            preferred_cwd: None,
            env: BTreeMap::new(),
            terminal: None,
            stdin: false,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets the working directory, as it is named inside the sandbox. Default: the policy's
    /// workspace, else `/`.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sets the working directory for the case that the sandbox can see it; otherwise the default
    /// of [`ExecRequest::cwd`] holds, and no error says so.
    #[must_use]
    pub fn prefer_cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.preferred_cwd = Some(cwd.into());
        self
    }

    /// Sets a variable for this command, over whatever the policy sets.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Gives the command a terminal of its own; standard output and standard error are then one
    /// stream.
    #[must_use]
    pub fn terminal(mut self, size: TerminalSize) -> Self {
        self.terminal = Some(size);
        self
    }

    /// Opens a stream into the command's standard input. Default: it reads end of file at once.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }

    /// The program as it was named.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments after the program's name.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.args
    }

    /// The working directory, if one was asked for.
    #[must_use]
    pub fn working_directory(&self) -> Option<&Path> {
        self.cwd.as_deref()
    }

    /// The working directory to use if the sandbox can see it.
    #[must_use]
    pub fn preferred_directory(&self) -> Option<&Path> {
        self.preferred_cwd.as_deref()
    }

    /// The variables of this command alone.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.env
    }

    /// The terminal that was asked for.
    #[must_use]
    pub fn terminal_size(&self) -> Option<TerminalSize> {
        self.terminal
    }

    /// Whether standard input is a stream.
    #[must_use]
    pub fn wants_stdin(&self) -> bool {
        self.stdin
    }
}

/// How a command ended. That it failed is a result, never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// The wall-time limit ended it.
    TimedOut,
    /// The memory limit ended it.
    OutOfMemory,
    /// The sandbox ended it for another reason.
    Killed(KillReason),
}

/// Why the sandbox ended a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KillReason {
    /// The CPU-time limit.
    CpuTime,
    /// No output for longer than the idle limit.
    Idle,
    /// The caller asked for it.
    Requested,
    /// The sandbox itself was ended from outside.
    SandboxLost,
}

impl Exit {
    /// Whether the command exited with code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code a shell would show: the code itself, 124 for a command that ran out of time,
    /// 128 + n for signal n, 137 for one that was killed.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::TimedOut => 124,
            Self::OutOfMemory | Self::Killed(_) => 137,
        }
    }
}

/// The bytes a command wrote to one stream, up to the output limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Captured {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Whether more was written than was kept.
    pub truncated: bool,
}

impl Captured {
    /// The bytes as text, with replacement characters where they are not UTF-8.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// What a command used, as far as it was measured: `None` means that nothing measured it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// CPU time, user and system, of the whole tree.
    pub cpu: Option<Duration>,
    /// Peak memory of the whole tree in bytes, or of its largest process where no cgroup measures.
    pub memory_peak: Option<u64>,
    /// Bytes that were given to the file systems of disks, by commands that have ended. What was
    /// removed before it reached a disk counts; files in memory do not.
    pub written: Option<u64>,
    /// How many processes live: of a session, never of a command that has ended.
    pub processes: Option<u64>,
}

impl Usage {
    /// Adds what another command used: its time, what it wrote, and its peak if that is higher.
    pub(crate) fn add(&mut self, other: &Self) {
        if let Some(cpu) = other.cpu {
            self.cpu = Some(self.cpu.unwrap_or_default() + cpu);
        }
        self.memory_peak = self.memory_peak.max(other.memory_peak);
        if let Some(written) = other.written {
            self.written = Some(self.written.unwrap_or_default() + written);
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExecResult {
    /// How it ended.
    pub exit: Exit,
    /// Standard output, unless it was streamed elsewhere.
    pub stdout: Captured,
    /// Standard error, unless it was streamed elsewhere.
    pub stderr: Captured,
    /// From launch to the end of the whole tree.
    pub elapsed: Duration,
    /// What it used.
    pub usage: Usage,
    /// What was refused.
    pub denials: Denials,
    /// What was decided about its connections, where the policy lists hosts and the command had a
    /// sandbox to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Summary>,
    /// What was enforced, and what was not.
    pub report: Report,
}

impl ExecResult {
    /// Turns an unsuccessful command into an error, for callers that go on only after success.
    ///
    /// # Errors
    /// [`SandboxError::CommandFailed`] with the exit and the end of standard error.
    pub fn check(self) -> Result<Self> {
        if self.exit.success() {
            return Ok(self);
        }
        let text = self.stderr.text();
        let start = text.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
        Err(SandboxError::CommandFailed { exit: self.exit, stderr: text[start..].to_owned() })
    }
}
