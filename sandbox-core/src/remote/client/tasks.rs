//! The calls on background tasks elsewhere.

use async_trait::async_trait;

use super::open::Open;
use super::{Launcher, RemoteSessions};
use crate::error::Result;
use crate::exec::{ExecRequest, ExecResult, TerminalSize};
use crate::ids::SessionId;
use crate::remote::message::{Call, Piece, TaskCall};
use crate::session::log::{self, Start};
use crate::session::task::{TaskId, TaskInfo};
use crate::session::{BackgroundTasks, TaskOutput};

/// How much is written at once.
const CHUNK: usize = 64 << 10;

#[async_trait]
impl<L: Launcher> BackgroundTasks for RemoteSessions<L> {
    async fn start(&self, session: &SessionId, request: ExecRequest) -> Result<TaskInfo> {
        self.call(session, Call::Task(TaskCall::Start((&request).into()))).await
    }

    async fn list(&self, session: &SessionId) -> Result<Vec<TaskInfo>> {
        self.call(session, Call::Task(TaskCall::List)).await
    }

    async fn get(&self, session: &SessionId, task: TaskId) -> Result<TaskInfo> {
        self.call(session, Call::Task(TaskCall::Get { task })).await
    }

    async fn log(&self, session: &SessionId, task: TaskId) -> Result<Vec<u8>> {
        let open = self.open(session, Call::Task(TaskCall::Log { task })).await?;
        open.answer::<()>().await?;
        open.bytes().await
    }

    async fn watch(
        &self,
        session: &SessionId,
        task: TaskId,
        start: Start,
    ) -> Result<Box<dyn TaskOutput>> {
        let open = self.open(session, Call::Task(TaskCall::Watch { task, start })).await?;
        open.answer::<()>().await?;
        Ok(Box::new(Output { open, over: false }))
    }

    async fn wait(&self, session: &SessionId, task: TaskId) -> Result<ExecResult> {
        self.call(session, Call::Task(TaskCall::Wait { task })).await
    }

    async fn kill(&self, session: &SessionId, task: TaskId) -> Result<()> {
        self.call(session, Call::Task(TaskCall::Kill { task })).await
    }

    async fn signal(&self, session: &SessionId, task: TaskId, signal: i32) -> Result<()> {
        self.call(session, Call::Task(TaskCall::Signal { task, signal })).await
    }

    async fn write(&self, session: &SessionId, task: TaskId, bytes: &[u8]) -> Result<()> {
        let open = self.open(session, Call::Task(TaskCall::Write { task })).await?;
        let sent = async {
            for chunk in bytes.chunks(CHUNK) {
                open.link.send(chunk).await?;
            }
            open.link.say(&super::nothing()).await
        };
        // A task that takes no more has said why, whatever could still be sent.
        let sent = sent.await;
        open.answer::<()>().await?;
        open.done(sent).await
    }

    async fn close_input(&self, session: &SessionId, task: TaskId) -> Result<()> {
        self.call(session, Call::Task(TaskCall::CloseInput { task })).await
    }

    async fn resize(&self, session: &SessionId, task: TaskId, size: TerminalSize) -> Result<()> {
        self.call(session, Call::Task(TaskCall::Resize { task, size })).await
    }

    async fn remove(&self, session: &SessionId, task: TaskId) -> Result<()> {
        self.call(session, Call::Task(TaskCall::Remove { task })).await
    }
}

/// A watcher elsewhere.
struct Output {
    open: Open,
    over: bool,
}

#[async_trait]
impl TaskOutput for Output {
    async fn next(&mut self) -> Result<Option<log::Piece>> {
        if self.over {
            return Ok(None);
        }
        match self.open.hear().await? {
            Piece::Bytes(stream) => {
                Ok(Some(log::Piece::Bytes { stream, bytes: self.open.bytes().await? }))
            }
            Piece::Lagged(missed) => Ok(Some(log::Piece::Lagged { missed })),
            Piece::End => {
                self.over = true;
                Ok(None)
            }
        }
    }
}
