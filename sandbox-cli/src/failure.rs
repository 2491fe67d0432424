//! Why `sandbox` could not do what it was asked: the message, the next step, the exit code.
//!
//! That the command failed is none of these. `main` alone shows a failure, as text or as JSON.

use std::fmt;
use std::io;

use sandbox_core::policy::{PolicyError, PolicyFileError};
use sandbox_core::{Exit, SandboxError};

use crate::exit;

/// A failure of `sandbox` itself.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    help: Option<String>,
}

#[derive(Debug)]
enum Cause {
    /// Options that cannot be meant.
    Usage(String),
    /// The library's answer.
    Sandbox(SandboxError),
    /// What the command wrote could not be passed on, or an answer could not be printed.
    Output(String, io::Error),
    /// A signal asked for the end, more than once.
    Interrupted(i32),
}

impl Failure {
    /// Options that cannot be meant.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Cause::Usage(message.into()).into()
    }

    /// Output that could not be written to `place`.
    pub(crate) fn output(place: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let place = place.into();
        move |error| Cause::Output(place, error).into()
    }

    /// An end that was forced by signal `number`.
    pub(crate) fn interrupted(number: i32) -> Self {
        Cause::Interrupted(number).into()
    }

    /// Adds the next step.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> i32 {
        match &self.cause {
            Cause::Sandbox(
                SandboxError::CommandHidden { .. } | SandboxError::CommandNotExecutable { .. },
            ) => exit::NOT_EXECUTABLE,
            Cause::Sandbox(SandboxError::CommandNotFound { .. }) => exit::NOT_FOUND,
            Cause::Interrupted(signal) => Exit::Signal(*signal).shell_code(),
            _ => exit::SANDBOX_FAILED,
        }
    }

    /// Whether there is nobody left who could read a message.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(&self.cause, Cause::Output(_, error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The kind, as programs know it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.cause {
            Cause::Usage(_) => "usage",
            Cause::Output(..) => "output",
            Cause::Interrupted(_) => "interrupted",
            Cause::Sandbox(error) => match error {
                SandboxError::Policy(_) => "policy",
                SandboxError::Unenforceable { .. } => "unenforceable",
                SandboxError::LevelNotReached { .. } => "level_not_reached",
                SandboxError::Unsupported { .. } => "unsupported",
                SandboxError::InvalidRequest(_) => "invalid_request",
                SandboxError::MissingPath { .. } => "missing_path",
                SandboxError::CommandNotFound { .. } => "command_not_found",
                SandboxError::CommandHidden { .. } => "command_hidden",
                SandboxError::CommandNotExecutable { .. } => "command_not_executable",
                SandboxError::Launch { .. } => "launch",
                SandboxError::Io { .. } => "io",
                SandboxError::SessionNotFound { .. } => "session_not_found",
                SandboxError::TaskNotFound { .. } => "task_not_found",
                SandboxError::WrongState { .. } => "wrong_state",
                SandboxError::AlreadyExists { .. } => "already_exists",
                SandboxError::NotFound { .. } => "not_found",
                SandboxError::File(_) => "file",
                _ => "sandbox",
            },
        }
    }

    /// The next step, where there is one.
    pub(crate) fn help(&self) -> Option<&str> {
        let Cause::Sandbox(error) = &self.cause else { return self.help.as_deref() };
        self.help.as_deref().or(match error {
            SandboxError::Unenforceable { .. } => Some(
                "run \"sandbox doctor\" to see why, or accept less with --enforcement best-effort",
            ),
            SandboxError::LevelNotReached { .. } => {
                Some("run \"sandbox doctor\" to see why, or accept less with --net-level")
            }
            SandboxError::Unsupported { .. } | SandboxError::Launch { .. } => {
                Some("run \"sandbox doctor\" to see what this machine can do")
            }
            SandboxError::MissingPath { .. } => Some("create it, or leave the rule out"),
            SandboxError::CommandNotFound { .. } => {
                Some("check the spelling, or name the program by its path")
            }
            SandboxError::TaskNotFound { .. } => {
                Some("run \"sandbox session tasks ID\" to see which there are")
            }
            _ => None,
        })
    }

    /// The library's error, for callers that can go on after some of them.
    pub(crate) fn sandbox_error(&self) -> Option<&SandboxError> {
        match &self.cause {
            Cause::Sandbox(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Usage(message) => f.write_str(message),
            Cause::Sandbox(error) => error.fmt(f),
            Cause::Output(place, error) => write!(f, "{place} cannot be written: {error}"),
            Cause::Interrupted(signal) => write!(f, "ended by signal {signal}"),
        }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, help: None }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Cause::Sandbox(error).into()
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Cause::Sandbox(error.into()).into()
    }
}

impl From<Box<PolicyFileError>> for Failure {
    fn from(error: Box<PolicyFileError>) -> Self {
        PolicyError::from(error).into()
    }
}
