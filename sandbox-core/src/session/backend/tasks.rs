//! Background tasks, as every backend offers them.

use async_trait::async_trait;

use crate::error::Result;
use crate::exec::{ExecRequest, ExecResult, TerminalSize};
use crate::ids::SessionId;
use crate::session::log::{Piece, Start};
use crate::session::task::{TaskId, TaskInfo};

/// Commands of a session that go on without their caller.
///
/// Every call fails with [`SessionNotFound`](crate::SandboxError::SessionNotFound) for a session
/// that there is not, and every call on a task with
/// [`TaskNotFound`](crate::SandboxError::TaskNotFound) for one that there is not.
#[async_trait]
pub trait BackgroundTasks: Send + Sync {
    /// Starts a command in the background. Standard input is open, if it was asked for, until
    /// [`close_input`](Self::close_input).
    ///
    /// # Errors
    /// As [`SandboxBackend::spawn`](super::SandboxBackend::spawn).
    async fn start(&self, session: &SessionId, request: ExecRequest) -> Result<TaskInfo>;

    /// The tasks of a session that run, and those that have ended and are still kept, the oldest
    /// first.
    ///
    /// # Errors
    /// See the trait.
    async fn list(&self, session: &SessionId) -> Result<Vec<TaskInfo>>;

    /// One task.
    ///
    /// # Errors
    /// See the trait.
    async fn get(&self, session: &SessionId, task: TaskId) -> Result<TaskInfo>;

    /// The last that a task has written, both streams in their order, without characters that are
    /// cut in two.
    ///
    /// # Errors
    /// See the trait.
    async fn log(&self, session: &SessionId, task: TaskId) -> Result<Vec<u8>>;

    /// Reads what a task writes, while it writes it.
    ///
    /// # Errors
    /// See the trait.
    async fn watch(
        &self,
        session: &SessionId,
        task: TaskId,
        start: Start,
    ) -> Result<Box<dyn TaskOutput>>;

    /// Waits for the end of everything that the task has started. The result's streams are empty:
    /// what was written is in the log.
    ///
    /// # Errors
    /// See the trait; [`TaskLost`](crate::SandboxError::TaskLost) when nobody can tell the end.
    async fn wait(&self, session: &SessionId, task: TaskId) -> Result<ExecResult>;

    /// Ends a task with everything that it has started. One that has ended is no error.
    ///
    /// # Errors
    /// See the trait.
    async fn kill(&self, session: &SessionId, task: TaskId) -> Result<()>;

    /// Sends a signal to a task's command, by its number on this system.
    ///
    /// # Errors
    /// See the trait.
    async fn signal(&self, session: &SessionId, task: TaskId, signal: i32) -> Result<()>;

    /// Writes to a task's standard input or keyboard, and waits as long as the command does not
    /// read.
    ///
    /// # Errors
    /// See the trait; [`InvalidRequest`](crate::SandboxError::InvalidRequest) for a task without
    /// input, [`Io`](crate::SandboxError::Io) when it was closed.
    async fn write(&self, session: &SessionId, task: TaskId, bytes: &[u8]) -> Result<()>;

    /// Closes a task's standard input.
    ///
    /// # Errors
    /// See the trait.
    async fn close_input(&self, session: &SessionId, task: TaskId) -> Result<()>;

    /// Changes the size of a task's terminal.
    ///
    /// # Errors
    /// See the trait; [`InvalidRequest`](crate::SandboxError::InvalidRequest) for a task without a
    /// terminal or that has ended.
    async fn resize(&self, session: &SessionId, task: TaskId, size: TerminalSize) -> Result<()>;

    /// Forgets a task that has ended.
    ///
    /// # Errors
    /// See the trait; [`TaskRunning`](crate::SandboxError::TaskRunning) for one that has not.
    async fn remove(&self, session: &SessionId, task: TaskId) -> Result<()>;
}

/// What a task writes, piece by piece.
#[async_trait]
pub trait TaskOutput: Send {
    /// The next piece; `None` once the task has ended and everything was read.
    ///
    /// # Errors
    /// Whoever keeps the task is gone.
    async fn next(&mut self) -> Result<Option<Piece>>;
}
