//! A command that runs in a session elsewhere, as a process of here.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::handed_over;
use super::open::Open;
use crate::confine::{Ended, Launched, Process, Stream};
use crate::error::{Result, SandboxError};
use crate::exec::TerminalSize;
use crate::remote::fault::Fault;
use crate::remote::message::{Control, End, Started};
use crate::run::Running;

/// A command that was started, from the ends of its streams.
pub(super) fn running(open: Open, started: Started, ends: Vec<OwnedFd>) -> Result<Running> {
    let mut ends = ends.into_iter();
    let mut end = || {
        let end = handed_over(ends.next(), "a stream")?;
        Stream::new(end).map_err(SandboxError::io("taking a stream over"))
    };
    let stdout = end()?;
    let stdin = if started.stdin { Some(end()?) } else { None };
    let stderr = if started.stderr { Some(end()?) } else { None };
    let process = Arc::new(Remote::follow(open, started.pid));
    let launched = Launched {
        process,
        stdin: stdin.map(|stream| Box::new(stream) as _),
        stdout: Box::new(stdout),
        stderr: stderr.map(|stream| Box::new(stream) as _),
        report: None,
    };
    Ok(Running::new(launched, started.limits, started.report))
}

/// How the command ended, or why nobody can tell.
type Told = std::result::Result<Ended, Arc<Fault>>;

/// The connection to a command's supervisor. Dropping it ends the command.
struct Remote {
    pid: u32,
    open: Arc<Open>,
    end: watch::Receiver<Option<Told>>,
    listener: AbortHandle,
}

impl Remote {
    fn follow(open: Open, pid: u32) -> Self {
        let (open, (tell, end)) = (Arc::new(open), watch::channel(None));
        let heard = Arc::clone(&open);
        let listen = async move { drop(tell.send(Some(end_of(&heard).await))) };
        Self { pid, open, end, listener: tokio::spawn(listen).abort_handle() }
    }

    fn say(&self, control: &Control) -> Result<()> {
        match self.open.link.say_now(control) {
            // It has ended, and its supervisor listens no more.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            said => said.map_err(SandboxError::io("telling the session's owner")),
        }
    }
}

async fn end_of(open: &Open) -> Told {
    let end = open.answer::<End>().await;
    end.map(Ended::from).map_err(|error| Arc::new(Fault::from(&error)))
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[async_trait]
impl Process for Remote {
    fn id(&self) -> u32 {
        self.pid
    }

    async fn wait(&self) -> Result<Ended> {
        let mut end = self.end.clone();
        let told = end.wait_for(Option::is_some).await;
        let lost = || SandboxError::io("waiting for a command")(ErrorKind::UnexpectedEof.into());
        let told = told.ok().and_then(|told| told.clone()).ok_or_else(lost)?;
        told.map_err(|fault| Fault::clone(&fault).into())
    }

    fn signal(&self, signal: i32) -> Result<()> {
        self.say(&Control::Signal(signal))
    }

    fn kill(&self) -> Result<()> {
        self.say(&Control::Kill)
    }

    fn freeze(&self) -> Result<()> {
        self.say(&Control::Freeze)
    }

    fn thaw(&self) -> Result<()> {
        self.say(&Control::Thaw)
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        self.say(&Control::Resize(size))
    }
}
