//! Background tasks of local sessions.

use async_trait::async_trait;

use super::LocalSessions;
use crate::confine::Confinement;
use crate::error::Result;
use crate::exec::{ExecRequest, ExecResult, TerminalSize};
use crate::ids::SessionId;
use crate::session::backend::{BackgroundTasks, TaskOutput};
use crate::session::log::{Piece, Start, Watcher};
use crate::session::task::{TaskId, TaskInfo, command_line};

#[async_trait]
impl<C: Confinement + ?Sized> BackgroundTasks for LocalSessions<C> {
    async fn start(&self, session: &SessionId, request: ExecRequest) -> Result<TaskInfo> {
        let live = self.register.get(session)?;
        let (line, terminal) = (command_line(&request), request.terminal_size());
        let running = live.start(request).await?;
        let id = match terminal {
            Some(size) => live.tasks.start_terminal(None, line, size, running),
            None => live.tasks.start(None, line, running),
        };
        live.tasks.info(id?)
    }

    async fn list(&self, session: &SessionId) -> Result<Vec<TaskInfo>> {
        Ok(self.register.get(session)?.tasks.list())
    }

    async fn get(&self, session: &SessionId, task: TaskId) -> Result<TaskInfo> {
        self.register.get(session)?.tasks.info(task)
    }

    async fn log(&self, session: &SessionId, task: TaskId) -> Result<Vec<u8>> {
        Ok(self.register.get(session)?.tasks.log(task)?.tail())
    }

    async fn watch(
        &self,
        session: &SessionId,
        task: TaskId,
        start: Start,
    ) -> Result<Box<dyn TaskOutput>> {
        Ok(Box::new(self.register.get(session)?.tasks.watch(task, start)?))
    }

    async fn wait(&self, session: &SessionId, task: TaskId) -> Result<ExecResult> {
        self.register.get(session)?.tasks.wait(task).await
    }

    async fn kill(&self, session: &SessionId, task: TaskId) -> Result<()> {
        self.register.get(session)?.tasks.kill(task)
    }

    async fn signal(&self, session: &SessionId, task: TaskId, signal: i32) -> Result<()> {
        self.register.get(session)?.tasks.signal(task, signal)
    }

    async fn write(&self, session: &SessionId, task: TaskId, bytes: &[u8]) -> Result<()> {
        self.register.get(session)?.tasks.write_stdin(task, bytes).await
    }

    async fn close_input(&self, session: &SessionId, task: TaskId) -> Result<()> {
        self.register.get(session)?.tasks.close_stdin(task).await
    }

    async fn resize(&self, session: &SessionId, task: TaskId, size: TerminalSize) -> Result<()> {
        self.register.get(session)?.tasks.resize(task, size)
    }

    async fn remove(&self, session: &SessionId, task: TaskId) -> Result<()> {
        self.register.get(session)?.tasks.remove(task)
    }
}

#[async_trait]
impl TaskOutput for Watcher {
    async fn next(&mut self) -> Result<Option<Piece>> {
        Ok(Watcher::next(self).await)
    }
}
