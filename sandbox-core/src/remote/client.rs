//! The caller's side: a backend whose sessions live in other processes.

mod calls;
mod launch;
mod open;
mod process;
mod tasks;

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::call_frame;
use super::message::Call;
use super::place::Place;
use crate::capability::SandboxCapabilities;
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::session::{SandboxSession, SandboxState};
use open::{Open, hello};

/// How long a session's owner may take to say what there is to say of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts the processes that own sessions.
pub trait Launcher: Send + Sync + 'static {
    /// The name of the backend that they use, as messages show it.
    fn name(&self) -> &str;

    /// What that backend can enforce on this machine.
    fn capabilities(&self) -> SandboxCapabilities;

    /// A command that calls [`supervise`](super::supervise) with what it reads from its standard
    /// input up to the end, on sessions below the same root, and writes the answer to its standard
    /// output and closes it.
    ///
    /// # Errors
    /// There is none: this process cannot tell its own program, say.
    fn supervisor(&self) -> io::Result<Command>;
}

/// Sessions that outlast this process, each owned by a small process of its own; forks are owned by
/// the owner of what they were forked from.
///
/// Calls may be made from any process of the same user that knows the root.
#[derive(Debug)]
pub struct RemoteSessions<L> {
    launcher: L,
    root: PathBuf,
}

impl<L: Launcher> RemoteSessions<L> {
    /// Sessions below `root`, a folder of the user's alone that is made if it is missing. What a
    /// launcher starts must use the same.
    pub fn new(launcher: L, root: impl Into<PathBuf>) -> Self {
        Self { launcher, root: root.into() }
    }

    async fn call<T: DeserializeOwned>(&self, id: &SessionId, call: Call) -> Result<T> {
        self.open(id, call).await?.answer().await
    }

    /// Makes a call and leaves the connection open.
    async fn open(&self, id: &SessionId, call: Call) -> Result<Open> {
        Open::begin(&self.root, id, call).await
    }
}

/// What there is to say of each session below a root. One whose owner does not answer is told as it
/// was at its beginning.
async fn all(root: &Path) -> Result<Vec<SandboxSession>> {
    let mut asked = JoinSet::new();
    for id in crate::session::identifiers(root)? {
        let root = root.to_path_buf();
        asked.spawn(async move { one(&root, id).await });
    }
    let mut all: Vec<SandboxSession> = asked.join_all().await.into_iter().flatten().collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

async fn one(root: &Path, id: SessionId) -> Option<SandboxSession> {
    let answer = async { Open::begin(root, &id, Call::Get).await?.answer().await };
    match timeout(PATIENCE, answer).await {
        Ok(Ok(session)) => Some(session),
        // Gone, or not there yet.
        Ok(Err(SandboxError::SessionNotFound { .. })) => None,
        _ => {
            let known = Place::of(root, &id).owner().ok()?.session;
            Some(SandboxSession { state: SandboxState::Unreachable, ..known })
        }
    }
}

/// Makes a call without waiting for anything, from wherever.
fn shout(root: &Path, id: &SessionId, call: &Call) -> io::Result<()> {
    let (mut stream, key) = Place::of(root, id).connect()?;
    stream.set_nonblocking(false)?;
    stream.write_all(&call_frame(&hello(&key, call))?)
}

/// A descriptor that came with an answer. The system leaves those out that a process has no number
/// for.
fn handed_over(descriptor: Option<OwnedFd>, what: &str) -> Result<OwnedFd> {
    descriptor.ok_or_else(|| {
        let why = "its descriptor did not arrive: this process may have as many open files as it \
                   is allowed to; raise the limit (ulimit -n) or close some";
        SandboxError::io(format!("taking {what} of the session over"))(io::Error::other(why))
    })
}

/// A request's value, for messages that have nothing to say.
fn nothing() -> impl Serialize {}
