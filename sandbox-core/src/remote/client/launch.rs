//! Starting the process that owns a new session.

use std::io::{self, ErrorKind};
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::Launcher;
use crate::error::{Result, SandboxError};
use crate::remote::message::Reply;
use crate::session::{SandboxSession, SandboxSpec};

/// Has a new process make a session.
///
/// The order goes by a pipe: neither arguments nor variables, which others can read, hold anything
/// of it.
pub(super) async fn launch(launcher: &dyn Launcher, spec: &SandboxSpec) -> Result<SandboxSession> {
    let order = serde_json::to_vec(spec).map_err(|error| {
        SandboxError::InvalidRequest(format!(
            "the session cannot be described to its owner: {error}; every path of it must be UTF-8"
        ))
    })?;
    let failed = || SandboxError::io("starting the session's owner");
    let mut command = Command::from(launcher.supervisor().map_err(failed())?);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed())?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(mut stdout)) = (stdin, stdout) else {
        return Err(failed()(ErrorKind::BrokenPipe.into()));
    };
    let mut answer = Vec::new();
    let give = async {
        stdin.write_all(&order).await?;
        drop(stdin);
        io::Result::Ok(())
    };
    let (given, taken) = tokio::join!(give, stdout.read_to_end(&mut answer));
    taken.map_err(failed())?;
    if answer.is_empty() {
        let status = child.wait().await.map_err(failed())?;
        given.map_err(failed())?;
        let why = format!("it ended before it said anything ({status})");
        return Err(failed()(io::Error::other(why)));
    }
    let reply = serde_json::from_slice::<Reply<SandboxSession>>(&answer);
    reply.map_err(|error| failed()(error.into()))?.into_result()
}
