//! The caller's side: a backend whose sessions live in other processes.

mod calls;
mod launch;
mod process;
mod tasks;

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::{Link, message_frame};
use super::message::{Call, Hello, Reply, VERSION};
use super::place::{Place, check_peer};
use crate::capability::SandboxCapabilities;
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::session::{SandboxSession, SandboxState};

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

/// A connection on which a call was made.
struct Open {
    link: Link,
    id: SessionId,
}

impl Open {
    async fn begin(root: &Path, id: &SessionId, call: Call) -> Result<Self> {
        let (stream, key) = Place::of(root, id).connect().map_err(|error| lost(id, error))?;
        let link = async {
            let stream = UnixStream::from_std(stream)?;
            check_peer(&stream)?;
            let link = Link::new(stream);
            link.say(&hello(key, &call)?).await?;
            io::Result::Ok(link)
        };
        Ok(Self { link: link.await.map_err(asking(id))?, id: id.clone() })
    }

    async fn answer<T: DeserializeOwned>(&self) -> Result<T> {
        self.hear::<Reply<T>>().await?.into_result()
    }

    /// The next message, which there must be.
    async fn hear<T: DeserializeOwned>(&self) -> Result<T> {
        let heard = self.link.hear().await.map_err(asking(&self.id))?;
        heard.ok_or_else(|| asking(&self.id)(ErrorKind::UnexpectedEof.into()))
    }
}

fn hello(key: String, call: &Call) -> io::Result<Hello> {
    Ok(Hello { version: VERSION, key, call: serde_json::to_value(call)? })
}

/// The error of a session that cannot be reached.
fn lost(id: &SessionId, error: io::Error) -> SandboxError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            SandboxError::SessionNotFound { id: id.clone() }
        }
        _ => asking(id)(error),
    }
}

/// The error of a connection to an owner. One that is cut off is the end of the session: an owner
/// answers every call for as long as it lives.
fn asking(id: &SessionId) -> impl FnOnce(io::Error) -> SandboxError {
    let id = id.clone();
    move |error| match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            SandboxError::SessionNotFound { id }
        }
        _ => SandboxError::io(format!("asking the owner of the session {id}"))(error),
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
    stream.write_all(&message_frame(&hello(key, call)?)?)
}

/// A request's value, for messages that have nothing to say.
fn nothing() -> impl Serialize {}
