//! Errors on their way to another process: what callers tell apart keeps its form.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::capability::Feature;
use crate::error::SandboxError;
use crate::ids::SessionId;
use crate::policy::network::MinimumLevel;
use crate::session::task::TaskId;

/// An error as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Fault {
    SessionNotFound { id: SessionId },
    WrongState { id: SessionId, state: String, operation: String },
    AlreadyExists { what: String },
    NotFound { what: String },
    InvalidRequest { text: String },
    Unsupported { backend: String, operation: String },
    Unenforceable { backend: String, feature: Feature, why: String },
    LevelNotReached { backend: String, minimum: MinimumLevel, here: String },
    MissingPath { path: OsString, cause: Cause },
    CommandNotFound { program: OsString },
    CommandHidden { program: OsString, path: OsString },
    CommandNotExecutable { path: OsString, cause: Cause },
    Launch { step: String, cause: Cause },
    Io { call: String, cause: Cause },
    TaskNotFound { id: TaskId },
    TaskRunning { id: TaskId },
    Other { text: String },
}

/// What the system said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cause {
    /// The error's number on this system, if it has one.
    number: Option<i32>,
    text: String,
}

impl From<&io::Error> for Cause {
    fn from(error: &io::Error) -> Self {
        let broken = error.kind() == io::ErrorKind::BrokenPipe;
        let own = broken.then(|| rustix::io::Errno::PIPE.raw_os_error());
        Self { number: error.raw_os_error().or(own), text: error.to_string() }
    }
}

impl From<Cause> for io::Error {
    fn from(cause: Cause) -> Self {
        cause.number.map_or_else(|| Self::other(cause.text), Self::from_raw_os_error)
    }
}

impl From<&SandboxError> for Fault {
    fn from(error: &SandboxError) -> Self {
        use SandboxError as E;
        let os = |path: &Path| path.as_os_str().to_owned();
        match error {
            E::SessionNotFound { id } => Self::SessionNotFound { id: id.clone() },
            E::WrongState { id, state, operation } => Self::WrongState {
                id: id.clone(),
                state: state.to_string(),
                operation: operation.to_string(),
            },
            E::AlreadyExists { what } => Self::AlreadyExists { what: what.clone() },
            E::NotFound { what } => Self::NotFound { what: what.clone() },
            E::InvalidRequest(text) => Self::InvalidRequest { text: text.clone() },
            E::Unsupported { backend, operation } => {
                Self::Unsupported { backend: backend.clone(), operation: operation.clone() }
            }
            E::Unenforceable { backend, feature, why } => Self::Unenforceable {
                backend: backend.clone(),
                feature: *feature,
                why: why.clone(),
            },
            E::LevelNotReached { backend, minimum, here } => Self::LevelNotReached {
                backend: backend.clone(),
                minimum: *minimum,
                here: here.clone(),
            },
            E::MissingPath { path, source } => {
                Self::MissingPath { path: os(path), cause: source.into() }
            }
            E::CommandNotFound { program } => Self::CommandNotFound { program: program.clone() },
            E::CommandHidden { program, path } => {
                Self::CommandHidden { program: program.clone(), path: os(path) }
            }
            E::CommandNotExecutable { path, source } => {
                Self::CommandNotExecutable { path: os(path), cause: source.into() }
            }
            E::Launch { step, source } => Self::Launch { step: step.clone(), cause: source.into() },
            E::Io { call, source } => Self::Io { call: call.clone(), cause: source.into() },
            E::TaskNotFound { id } => Self::TaskNotFound { id: *id },
            E::TaskRunning { id } => Self::TaskRunning { id: *id },
            other => Self::Other { text: other.to_string() },
        }
    }
}

impl From<Fault> for SandboxError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::SessionNotFound { id } => Self::SessionNotFound { id },
            Fault::WrongState { id, state, operation } => {
                Self::WrongState { id, state: state.into(), operation: operation.into() }
            }
            Fault::AlreadyExists { what } => Self::AlreadyExists { what },
            Fault::NotFound { what } => Self::NotFound { what },
            Fault::InvalidRequest { text } => Self::InvalidRequest(text),
            Fault::Unsupported { backend, operation } => Self::Unsupported { backend, operation },
            Fault::Unenforceable { backend, feature, why } => {
                Self::Unenforceable { backend, feature, why }
            }
            Fault::LevelNotReached { backend, minimum, here } => {
                Self::LevelNotReached { backend, minimum, here }
            }
            Fault::MissingPath { path, cause } => {
                Self::MissingPath { path: path.into(), source: cause.into() }
            }
            Fault::CommandNotFound { program } => Self::CommandNotFound { program },
            Fault::CommandHidden { program, path } => {
                Self::CommandHidden { program, path: path.into() }
            }
            Fault::CommandNotExecutable { path, cause } => {
                Self::CommandNotExecutable { path: path.into(), source: cause.into() }
            }
            Fault::Launch { step, cause } => Self::Launch { step, source: cause.into() },
            Fault::Io { call, cause } => Self::Io { call, source: cause.into() },
            Fault::TaskNotFound { id } => Self::TaskNotFound { id },
            Fault::TaskRunning { id } => Self::TaskRunning { id },
            Fault::Other { text } => Self::Elsewhere(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_same_on_the_other_side() {
        let id = SessionId::new("s").unwrap();
        let gone = || io::Error::from_raw_os_error(2);
        for error in [
            SandboxError::SessionNotFound { id: id.clone() },
            SandboxError::WrongState { id, state: "suspended".into(), operation: "x".into() },
            SandboxError::AlreadyExists { what: "it".into() },
            SandboxError::NotFound { what: "it".into() },
            SandboxError::InvalidRequest("no".into()),
            SandboxError::Unsupported { backend: "b".into(), operation: "o".into() },
            SandboxError::Unenforceable {
                backend: "b".into(),
                feature: Feature::Disk,
                why: "w".into(),
            },
            SandboxError::LevelNotReached {
                backend: "b".into(),
                minimum: MinimumLevel::Transparent,
                here: "h".into(),
            },
            SandboxError::MissingPath { path: "/a".into(), source: gone() },
            SandboxError::CommandNotFound { program: "p".into() },
            SandboxError::CommandHidden { program: "p".into(), path: "/p".into() },
            SandboxError::CommandNotExecutable { path: "/p".into(), source: gone() },
            SandboxError::Launch { step: "s".into(), source: gone() },
            SandboxError::Io { call: "c".into(), source: io::ErrorKind::BrokenPipe.into() },
            SandboxError::TaskNotFound { id: TaskId::new(1) },
            SandboxError::TaskRunning { id: TaskId::new(1) },
        ] {
            let text = serde_json::to_string(&Fault::from(&error)).unwrap();
            let back = SandboxError::from(serde_json::from_str::<Fault>(&text).unwrap());
            assert_eq!(std::mem::discriminant(&back), std::mem::discriminant(&error), "{text}");
            if !matches!(error, SandboxError::Io { .. }) {
                assert_eq!(back.to_string(), error.to_string());
            }
        }
    }

    #[test]
    fn an_error_without_a_form_keeps_its_words() {
        let error = SandboxError::CommandFailed { exit: crate::Exit::Code(1), stderr: "e".into() };
        let back = SandboxError::from(Fault::from(&error));
        assert_eq!(back.to_string(), error.to_string());
    }

    #[test]
    fn a_broken_pipe_is_one_on_both_sides() {
        let error = SandboxError::Io { call: "c".into(), source: io::ErrorKind::BrokenPipe.into() };
        let SandboxError::Io { source, .. } = Fault::from(&error).into() else { panic!() };
        assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
    }
}
