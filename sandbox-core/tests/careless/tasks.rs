//! Tasks that are said to be followed.

use async_trait::async_trait;
use sandbox_core::confine::Confinement;
use sandbox_core::session::log::{Piece, Start};
use sandbox_core::session::task::{TaskId, TaskInfo};
use sandbox_core::session::{BackgroundTasks, TaskOutput};
use sandbox_core::{ExecRequest, ExecResult, Result, SessionId, TerminalSize};
use serde_json::json;

use super::{CarelessSessions, made};

/// What everybody is told of a task.
fn info() -> Result<TaskInfo> {
    made(json!({
        "id": TaskId::new(1), "command": "beat", "state": "running", "started": 1,
        "ended": null, "output": 0, "truncated": false, "terminal": null,
    }))
}

#[async_trait]
impl<C: Confinement> BackgroundTasks for CarelessSessions<C> {
    /// It runs, as long as it lives by itself.
    async fn start(&self, session: &SessionId, request: ExecRequest) -> Result<TaskInfo> {
        std::mem::forget(self.launch(session, &request)?);
        info()
    }

    async fn list(&self, _: &SessionId) -> Result<Vec<TaskInfo>> {
        Ok(vec![info()?])
    }

    async fn get(&self, _: &SessionId, _: TaskId) -> Result<TaskInfo> {
        info()
    }

    /// The half of a character, and what people wait for.
    async fn log(&self, _: &SessionId, _: TaskId) -> Result<Vec<u8>> {
        Ok(b"\x82\xachello error ready ok 50x120".to_vec())
    }

    async fn watch(&self, _: &SessionId, _: TaskId, _: Start) -> Result<Box<dyn TaskOutput>> {
        Ok(Box::new(Nothing))
    }

    async fn wait(&self, session: &SessionId, _: TaskId) -> Result<ExecResult> {
        self.launch(session, &ExecRequest::new("true"))?
            .finish(sandbox_core::run::Sink::Discard, sandbox_core::run::Sink::Discard)
            .await
    }

    async fn kill(&self, _: &SessionId, _: TaskId) -> Result<()> {
        Ok(())
    }

    async fn signal(&self, _: &SessionId, _: TaskId, _: i32) -> Result<()> {
        Ok(())
    }

    async fn write(&self, _: &SessionId, _: TaskId, _: &[u8]) -> Result<()> {
        Ok(())
    }

    async fn close_input(&self, _: &SessionId, _: TaskId) -> Result<()> {
        Ok(())
    }

    async fn resize(&self, _: &SessionId, _: TaskId, _: TerminalSize) -> Result<()> {
        Ok(())
    }

    async fn remove(&self, _: &SessionId, _: TaskId) -> Result<()> {
        Ok(())
    }
}

struct Nothing;

#[async_trait]
impl TaskOutput for Nothing {
    async fn next(&mut self) -> Result<Option<Piece>> {
        Ok(None)
    }
}
