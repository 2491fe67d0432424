//! The calls on background tasks.

use std::io;
use std::pin::pin;

use super::answer::reply;
use crate::error::Result;
use crate::ids::SessionId;
use crate::remote::link::Link;
use crate::remote::message::{Piece, Reply, TaskCall};
use crate::session::log;
use crate::session::task::TaskId;
use crate::session::{BackgroundTasks, SandboxBackend, TaskOutput};

/// Carries out a call and says what came of it.
pub(super) async fn answer(
    backend: &dyn SandboxBackend,
    id: &SessionId,
    link: &Link,
    call: TaskCall,
) -> io::Result<()> {
    let tasks = match backend.tasks() {
        Ok(tasks) => tasks,
        Err(error) => return reply::<()>(link, Err(error)).await,
    };
    match call {
        TaskCall::Start(command) => reply(link, tasks.start(id, command.into()).await).await,
        TaskCall::List => reply(link, tasks.list(id).await).await,
        TaskCall::Get { task } => reply(link, tasks.get(id, task).await).await,
        TaskCall::Log { task } => log(link, tasks.log(id, task).await).await,
        TaskCall::Watch { task, start } => watch(link, tasks.watch(id, task, start).await).await,
        TaskCall::Wait { task } => {
            // A caller who goes away need not be waited for.
            tokio::select! {
                result = tasks.wait(id, task) => reply(link, result).await,
                _ = link.hear::<()>() => Ok(()),
            }
        }
        TaskCall::Kill { task } => reply(link, tasks.kill(id, task).await).await,
        TaskCall::Signal { task, signal } => {
            reply(link, tasks.signal(id, task, signal).await).await
        }
        TaskCall::Write { task } => {
            let written = write(tasks, id, task, link).await?;
            reply(link, written).await
        }
        TaskCall::CloseInput { task } => reply(link, tasks.close_input(id, task).await).await,
        TaskCall::Resize { task, size } => reply(link, tasks.resize(id, task, size).await).await,
        TaskCall::Remove { task } => reply(link, tasks.remove(id, task).await).await,
    }
}

/// The bytes follow the answer, since they need not be text.
async fn log(link: &Link, log: Result<Vec<u8>>) -> io::Result<()> {
    match log {
        Err(error) => reply::<()>(link, Err(error)).await,
        Ok(bytes) => {
            link.say(&Reply::Done(())).await?;
            link.send(&bytes).await
        }
    }
}

async fn watch(link: &Link, output: Result<Box<dyn TaskOutput>>) -> io::Result<()> {
    let mut output = match output {
        Err(error) => return reply::<()>(link, Err(error)).await,
        Ok(output) => output,
    };
    link.say(&Reply::Done(())).await?;
    let mut gone = pin!(link.hear::<()>());
    loop {
        let piece = tokio::select! {
            piece = output.next() => piece,
            _ = &mut gone => return Ok(()),
        };
        match piece {
            Ok(Some(log::Piece::Bytes { stream, bytes })) => {
                link.say(&Piece::Bytes(stream)).await?;
                link.send(&bytes).await?;
            }
            Ok(Some(log::Piece::Lagged { missed })) => link.say(&Piece::Lagged(missed)).await?,
            // An error ends the watching as the connection's end does.
            Ok(None) | Err(_) => return link.say(&Piece::End).await,
        }
    }
}

/// Writes what comes, until the caller says that it was all.
async fn write(
    tasks: &dyn BackgroundTasks,
    id: &SessionId,
    task: TaskId,
    link: &Link,
) -> io::Result<Result<()>> {
    // One that there is not is told before anything is sent.
    if let Err(error) = tasks.get(id, task).await {
        return Ok(Err(error));
    }
    while let Some(bytes) = link.receive().await? {
        if let Err(error) = tasks.write(id, task, &bytes).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}
