//! The supervisor's side: a listener for each session, an answer for each connection.

mod answer;
mod spawned;
mod tasks;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::Link;
use super::message::{Asked, Greeting, VERSION};
use super::place::{Identity, Place, check_peer};
use crate::error::SandboxError;
use crate::ids::SessionId;
use crate::session::{SandboxBackend, SandboxSession};

/// How often a listener looks whether its session and its folder are still there.
const LOOK: Duration = Duration::from_secs(1);

/// How long a connection may take to say what it wants.
const GREETING: Duration = Duration::from_secs(10);

/// How many connections at once have not shown the key yet. More wait in the socket's queue.
const STRANGERS: usize = 64;

/// How long callers may take to read the last answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sessions of this process and their listeners.
pub(super) struct Host {
    pub(super) backend: Arc<dyn SandboxBackend>,
    pub(super) root: PathBuf,
    opened: mpsc::UnboundedSender<Listener>,
    rest: fn(),
}

/// Serves sessions until the last one is over: this one, and whatever is forked from it.
///
/// # Errors
/// The first session's socket cannot be made.
pub(super) async fn serve(
    backend: Arc<dyn SandboxBackend>,
    root: PathBuf,
    first: SandboxSession,
    ready: impl FnOnce() -> io::Result<()>,
    rest: fn(),
) -> io::Result<()> {
    let (opened, mut more) = mpsc::unbounded_channel::<Listener>();
    let host = Arc::new(Host { backend, root, opened, rest });
    let mut listeners = JoinSet::new();
    listeners.spawn(Listener::open(&host, first)?.serve());
    ready()?;
    loop {
        tokio::select! {
            biased;
            Some(listener) = more.recv() => drop(listeners.spawn(listener.serve())),
            over = listeners.join_next() => if over.is_none() { return Ok(()) },
        }
    }
}

/// One session's socket.
pub(super) struct Listener {
    host: Arc<Host>,
    id: SessionId,
    place: Place,
    socket: UnixListener,
    identity: Identity,
    key: Arc<str>,
    /// A place for each connection that may not have the key.
    strangers: Arc<Semaphore>,
    /// Told when a call may have ended the session.
    over: Arc<Notify>,
}

impl Listener {
    fn open(host: &Arc<Host>, session: SandboxSession) -> io::Result<Self> {
        let id = session.id.clone();
        let place = Place::of(&host.root, &id);
        let (socket, key) = place.open(session)?;
        Ok(Self {
            host: Arc::clone(host),
            id,
            identity: place.identity()?,
            place,
            socket,
            key: key.into(),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
            over: Arc::default(),
        })
    }

    async fn serve(self) {
        let mut connections = JoinSet::new();
        let mut rested = false;
        loop {
            let mut quiet = false;
            tokio::select! {
                accepted = self.accept() => match accepted {
                    Ok((stream, place)) => {
                        drop(connections.spawn(self.connection(stream, place)));
                    }
                    // Out of descriptors, say: those who are served give theirs back.
                    Err(_) => tokio::time::sleep(LOOK).await,
                },
                () = self.over.notified() => {}
                () = tokio::time::sleep(LOOK) => quiet = true,
            }
            while connections.try_join_next().is_some() {}
            if !self.lives().await {
                break;
            }
            if quiet && !rested && connections.is_empty() {
                (self.host.rest)();
            }
            rested = quiet;
        }
        // Who is not served yet need not wait to hear that nobody is here.
        drop(self.socket);
        // What still runs ends with the session; the last answers are on their way.
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(PATIENCE, drained).await;
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.strangers).acquire_owned().await.map_err(io::Error::other)?;
        Ok((self.socket.accept().await?.0, place))
    }

    /// Whether the session can still be reached. One whose folder was taken away is over: nobody
    /// could ever end it otherwise. An error is no answer to the question.
    async fn lives(&self) -> bool {
        let known = self.host.backend.get(&self.id).await;
        if matches!(known, Err(SandboxError::SessionNotFound { .. })) {
            return false;
        }
        if !self.place.has_lost(self.identity) {
            return true;
        }
        // One that is gone meanwhile is gone.
        let _ = self.host.backend.terminate(&self.id).await;
        false
    }

    /// Serves one connection. What goes wrong on it is the caller's business: it sees its end.
    fn connection(
        &self,
        stream: UnixStream,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (host, id) = (Arc::clone(&self.host), self.id.clone());
        let (key, over) = (Arc::clone(&self.key), Arc::clone(&self.over));
        async move {
            let _ = converse(&host, &id, &key, stream, place).await;
            over.notify_one();
        }
    }
}

async fn converse(
    host: &Arc<Host>,
    id: &SessionId,
    key: &str,
    stream: UnixStream,
    place: OwnedSemaphorePermit,
) -> io::Result<()> {
    check_peer(&stream)?;
    let link = Link::to_caller(stream);
    let refuse = async |why: String| {
        answer::reply::<()>(&link, Err(SandboxError::InvalidRequest(why))).await
    };
    let Ok(heard) = timeout(GREETING, link.hear_text()).await else {
        return refuse(format!("the session {id} was asked nothing for {GREETING:?}")).await;
    };
    let Some((text, _)) = heard? else { return Ok(()) };
    let greeting = serde_json::from_slice::<Greeting<'_>>(&text)?;
    // Their hashes, which are compared in a time that tells nothing of where they differ.
    if blake3::hash(greeting.key.as_bytes()) != blake3::hash(key.as_bytes()) {
        return refuse("the key is not this session's".into()).await;
    }
    drop(place);
    if greeting.version != VERSION {
        let theirs = greeting.version;
        let why = format!(
            "the session {id} speaks version {VERSION} of the protocol and not {theirs}: use the \
             `sandbox` that made it"
        );
        return refuse(why).await;
    }
    match serde_json::from_slice::<Asked>(&text) {
        Ok(Asked { call }) => answer::answer(host, id, &link, call).await,
        Err(error) => {
            refuse(format!("the session {id} does not understand the call: {error}")).await
        }
    }
}

impl Host {
    /// Serves a session that was just forked.
    fn add(self: &Arc<Self>, session: SandboxSession) -> io::Result<()> {
        let listener = Listener::open(self, session)?;
        // The other end lives as long as any listener.
        self.opened.send(listener).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
