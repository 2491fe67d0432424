//! One call, one answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use serde::Serialize;

use super::{Host, spawned, tasks};
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::remote::fault::Fault;
use crate::remote::link::{Link, MOST};
use crate::remote::message::{Call, Folder, Reply};
use crate::session::files::Files;
use crate::session::{SandboxBackend, SandboxSession};

/// Carries out a call and says what came of it.
pub(super) async fn answer(
    host: &Arc<Host>,
    id: &SessionId,
    link: &Link,
    call: Call,
) -> io::Result<()> {
    let backend = &*host.backend;
    match call {
        Call::Get => reply(link, backend.get(id).await).await,
        Call::Spawn(command) => spawned::carry(link, backend.spawn(id, command.into()).await).await,
        Call::Task(call) => tasks::answer(backend, id, link, call).await,
        Call::Files => files(link, backend, backend.files(id).await).await,
        Call::Fork { count } => reply(link, fork(host, id, count).await).await,
        Call::Attach(mount) => reply(link, backend.attach_filesystem(id, mount).await).await,
        Call::Network(policy) => reply(link, backend.apply_network_policy(id, policy).await).await,
        Call::Rules { allow, deny } => {
            reply(link, backend.change_network_policy(id, allow, deny).await).await
        }
        Call::Reaches { seen } => reply(link, backend.network(id, seen).await).await,
        Call::Publish { inside, host } => {
            reply(link, backend.publish(id, inside, host).await).await
        }
        Call::Ports => reply(link, backend.ports(id).await).await,
        Call::Unpublish { inside } => reply(link, backend.unpublish(id, inside).await).await,
        Call::Snapshot { name } => reply(link, backend.snapshot(id, &name).await).await,
        Call::Snapshots => reply(link, backend.snapshots(id).await).await,
        Call::Restore { name } => reply(link, backend.restore(id, &name).await).await,
        Call::Diff => reply(link, backend.diff(id).await).await,
        Call::Apply => reply(link, backend.apply(id).await).await,
        Call::Discard => reply(link, backend.discard(id).await).await,
        Call::Suspend => reply(link, backend.suspend(id).await).await,
        Call::Resume => reply(link, backend.resume(id).await).await,
        Call::Usage => reply(link, backend.usage(id).await).await,
        Call::Health => reply(link, backend.health(id).await).await,
        Call::Terminate => reply(link, backend.terminate(id).await).await,
    }
}

/// Says what came of a call.
pub(super) async fn reply<T: Serialize>(link: &Link, result: Result<T>) -> io::Result<()> {
    reply_with(link, result, &[]).await
}

/// The same with descriptors. An answer that cannot be sent is an error of the call: a caller that
/// saw the connection end instead would take the session for gone.
pub(super) async fn reply_with<T: Serialize>(
    link: &Link,
    result: Result<T>,
    rights: &[BorrowedFd<'_>],
) -> io::Result<()> {
    match link.message(&Reply::of(result)) {
        Ok(frame) => link.put(&frame, rights).await,
        Err(error) => {
            let call = "sending the answer to another process (the one that owns the session can \
                        have it)";
            let fault = Fault::from(&SandboxError::io(call)(error));
            link.say(&Reply::<()>::Failed(fault)).await
        }
    }
}

/// Forks, and makes every fork reachable, or none.
async fn fork(host: &Arc<Host>, id: &SessionId, count: usize) -> Result<Vec<SandboxSession>> {
    let forks = host.backend.fork(id, count).await?;
    for fork in &forks {
        if let Err(source) = host.add(fork.clone()) {
            for fork in &forks {
                host.backend.terminate(&fork.id).await?;
            }
            return Err(SandboxError::io("making a fork's socket")(source));
        }
    }
    Ok(forks)
}

/// Hands the folders over.
async fn files(link: &Link, backend: &dyn SandboxBackend, files: Result<Files>) -> io::Result<()> {
    let files = match files {
        Ok(files) => files,
        Err(error) => return reply::<Vec<Folder>>(link, Err(error)).await,
    };
    let folders = files.folders().map(|folder| Folder {
        target: folder.target.clone(),
        access: folder.access,
        open: folder.folder.is_some(),
    });
    let rights: Vec<BorrowedFd<'_>> =
        files.folders().filter_map(|folder| folder.folder).map(AsFd::as_fd).collect();
    if rights.len() > MOST {
        let what = format!(
            "file calls from another process on a session of {} open folders, where {MOST} are the \
             most: grant and mount the folders that they lie in instead",
            rights.len()
        );
        return reply::<Vec<Folder>>(link, Err(backend.unsupported(&what))).await;
    }
    reply_with(link, Ok(folders.collect::<Vec<_>>()), &rights).await
}

#[cfg(test)]
mod tests;
