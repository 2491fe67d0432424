//! The one interface of everything that keeps sessions: this process, another one, a container
//! engine.

mod tasks;

use async_trait::async_trait;

use super::changes::{Applied, Change};
use super::files::Files;
use super::network::SessionNetwork;
use super::ports::PublishedPort;
use super::spec::{Labels, SandboxSession, SandboxSnapshot, SandboxSpec, SessionHealth};
use crate::capability::SandboxCapabilities;
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, ExecResult, Usage};
use crate::ids::{SessionId, SnapshotName};
use crate::mount::FilesystemMount;
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::run::{Running, Sink};

pub use tasks::{BackgroundTasks, TaskOutput};

/// Keeps sessions.
///
/// Every call but [`provision`](Self::provision), [`list`](Self::list) and [`reap`](Self::reap)
/// names a session and fails with [`SandboxError::SessionNotFound`] when there is none of that
/// identifier. What a backend does not offer fails with [`SandboxError::Unsupported`], and
/// [`capabilities`](Self::capabilities) says so beforehand.
#[async_trait]
pub trait SandboxBackend: Send + Sync {
    /// The backend's name, as messages show it.
    fn name(&self) -> &str;

    /// What it can enforce, measured.
    fn capabilities(&self) -> SandboxCapabilities;

    /// Makes a session.
    ///
    /// # Errors
    /// [`SandboxError::AlreadyExists`] for an identifier that is taken; what a policy or a mount
    /// cannot be; [`SandboxError::LevelNotReached`] and [`SandboxError::Unenforceable`] for what the policy requires and this backend
    /// cannot do. Nothing is left of the attempt.
    async fn provision(&self, spec: SandboxSpec) -> Result<SandboxSession>;

    /// One session.
    ///
    /// # Errors
    /// See the trait.
    async fn get(&self, id: &SessionId) -> Result<SandboxSession>;

    /// All sessions that have all of these labels, in the order of their identifiers.
    ///
    /// # Errors
    /// The backend could not be asked.
    async fn list(&self, labels: &Labels) -> Result<Vec<SandboxSession>>;

    /// Adds a mount to a session.
    ///
    /// # Errors
    /// See the trait.
    async fn attach_filesystem(&self, id: &SessionId, mount: FilesystemMount) -> Result<()> {
        let _ = (id, mount);
        Err(self.unsupported("mounts in a session that exists"))
    }

    /// Replaces the network policy of a session, also of one that is suspended: for commands that
    /// run and for those to come, and for sessions that are forked from it later. Connections that
    /// no rule allows any more are reset at once.
    ///
    /// Rules can be replaced by others, or by none, where the session was made with rules. Between
    /// those and the host's network, and from nothing to rules, there is no way.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`] for what the session was not made for;
    /// [`SandboxError::Unenforceable`] as in [`provision`](Self::provision). Nothing has changed
    /// then.
    async fn apply_network_policy(&self, id: &SessionId, policy: NetworkPolicy) -> Result<()> {
        let _ = (id, policy);
        Err(self.unsupported("a network policy that changes"))
    }

    /// Adds rules to a session's network policy, and takes others away first, whether they are
    /// private or not. Nobody else's change comes between: of callers who change rules at once, none
    /// loses what it asked for. Everything else is as in
    /// [`apply_network_policy`](Self::apply_network_policy).
    ///
    /// # Errors
    /// As there; [`SandboxError::InvalidRequest`] for a session that has the whole network, and for
    /// a rule to take away that it does not have.
    async fn change_network_policy(
        &self,
        id: &SessionId,
        allow: Vec<HostRule>,
        deny: Vec<HostRule>,
    ) -> Result<()> {
        let _ = (id, allow, deny);
        Err(self.unsupported("a network policy that changes"))
    }

    /// What a session reaches, and what was decided about its connections; of the decisions those
    /// after the first `seen`. A caller who passes on [`Summary::total`](crate::egress::decision::Summary::total) of the last answer misses
    /// none, unless there were more than [`Log::RECENT`](crate::egress::decision::Log::RECENT) meanwhile.
    ///
    /// # Errors
    /// See the trait.
    async fn network(&self, id: &SessionId, seen: u64) -> Result<SessionNetwork> {
        let _ = (id, seen);
        Err(self.unsupported("decisions about connections"))
    }

    /// Starts a command and hands over its streams. Dropping what comes back ends it.
    ///
    /// # Errors
    /// [`SandboxError::WrongState`] in a session that is suspended or over.
    async fn spawn(&self, id: &SessionId, request: ExecRequest) -> Result<Running>;

    /// Runs a command to its end and keeps its output, up to the policy's limit.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn). A command that fails is a result, not an error.
    async fn exec(&self, id: &SessionId, request: ExecRequest) -> Result<ExecResult> {
        self.spawn(id, request).await?.finish(Sink::Capture, Sink::Capture).await
    }

    /// Commands that go on in the background.
    ///
    /// # Errors
    /// [`SandboxError::Unsupported`].
    fn tasks(&self) -> Result<&dyn BackgroundTasks> {
        Err(self.unsupported("background tasks"))
    }

    /// The files of a session, for calls from outside; as they lie now: after a restore, ask again.
    ///
    /// # Errors
    /// See the trait.
    async fn files(&self, id: &SessionId) -> Result<Files> {
        let _ = id;
        Err(self.unsupported("calls on files"))
    }

    /// Makes a TCP port of the session's loopback reachable on the host's loopback: at `host`, or at
    /// another port when that is taken or none is named. A port that is published already keeps its
    /// place.
    ///
    /// # Errors
    /// See the trait.
    async fn publish(
        &self,
        id: &SessionId,
        inside: u16,
        host: Option<u16>,
    ) -> Result<PublishedPort> {
        let _ = (id, inside, host);
        Err(self.unsupported("published ports"))
    }

    /// The ports that are published.
    ///
    /// # Errors
    /// See the trait.
    async fn ports(&self, id: &SessionId) -> Result<Vec<PublishedPort>> {
        let _ = id;
        Err(self.unsupported("published ports"))
    }

    /// Takes a port back, by its number inside. Connections that exist are cut.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`] for a port that is not published.
    async fn unpublish(&self, id: &SessionId, inside: u16) -> Result<()> {
        let _ = (id, inside);
        Err(self.unsupported("published ports"))
    }

    /// Keeps the present state of the folders that are copied on write, in a time that does not
    /// depend on what is in them. A session without such folders has those that its commands write
    /// to copied instead: the host's, and its scratch folders. Memory and outputs are never part of
    /// it. Commands that run stand still for that moment.
    ///
    /// # Errors
    /// [`SandboxError::AlreadyExists`] for a name that is taken;
    /// [`SandboxError::InvalidRequest`] for a session in which nothing can be written.
    async fn snapshot(&self, id: &SessionId, name: &SnapshotName) -> Result<SandboxSnapshot> {
        let _ = (id, name);
        Err(self.unsupported("snapshots"))
    }

    /// The snapshots of a session, the oldest first.
    ///
    /// # Errors
    /// See the trait.
    async fn snapshots(&self, id: &SessionId) -> Result<Vec<SandboxSnapshot>> {
        let _ = id;
        Err(self.unsupported("snapshots"))
    }

    /// Goes back to a snapshot. Commands that still use folders that are copied on write keep what
    /// they had; folders that were copied change under them, on the host as well. All of it happens,
    /// or nothing.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`] for a snapshot that does not exist.
    async fn restore(&self, id: &SessionId, name: &SnapshotName) -> Result<()> {
        let _ = (id, name);
        Err(self.unsupported("snapshots"))
    }

    /// Makes `count` sessions, at most 256, that begin with the present state of this one's folders:
    /// those that are copied on write, memory, outputs and scratch folders. Folders of the host that
    /// are mounted directly they have in common with it. They have its policy and its labels, and
    /// none of its processes and snapshots.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`] for more than 256, and for a mount whose source has become a
    /// link; then none is made.
    async fn fork(&self, id: &SessionId, count: usize) -> Result<Vec<SandboxSession>> {
        let _ = (id, count);
        Err(self.unsupported("forks"))
    }

    /// What the session has changed in the folders that are copied on write, by mount; without such
    /// folders, what has changed in those that were copied since the last snapshot.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`] without either.
    async fn diff(&self, id: &SessionId) -> Result<Vec<MountChanges>> {
        let _ = id;
        Err(self.unsupported("differences"))
    }

    /// Writes the changes to the host's folders: of each mount all of them or, if the host has
    /// changed the same paths meanwhile, none. Without a conflict the session goes on from what the
    /// host has then.
    ///
    /// # Errors
    /// See the trait; a conflict is a result, not an error.
    async fn apply(&self, id: &SessionId) -> Result<Applied> {
        let _ = id;
        Err(self.unsupported("applying changes"))
    }

    /// Forgets the changes.
    ///
    /// # Errors
    /// See the trait.
    async fn discard(&self, id: &SessionId) -> Result<()> {
        let _ = id;
        Err(self.unsupported("discarding changes"))
    }

    /// Stops every process of a session where it is.
    ///
    /// # Errors
    /// [`SandboxError::WrongState`] for a session that is over; one that is suspended already stays
    /// so.
    async fn suspend(&self, id: &SessionId) -> Result<()>;

    /// Lets the processes of a session go on.
    ///
    /// # Errors
    /// [`SandboxError::WrongState`] for a session that is over.
    async fn resume(&self, id: &SessionId) -> Result<()>;

    /// What a session has used up to now.
    ///
    /// # Errors
    /// See the trait.
    async fn usage(&self, id: &SessionId) -> Result<Usage>;

    /// Whether a session works.
    ///
    /// # Errors
    /// See the trait.
    async fn health(&self, id: &SessionId) -> Result<SessionHealth>;

    /// Ends a session with everything in it, and takes away what it had on the host.
    ///
    /// # Errors
    /// See the trait.
    async fn terminate(&self, id: &SessionId) -> Result<()>;

    /// Ends a session whose handle was dropped, without waiting for its end. One that is gone is no
    /// error.
    fn abandon(&self, id: &SessionId);

    /// Takes away what sessions left behind whose owner is gone; how many they were.
    ///
    /// # Errors
    /// The backend could not be asked.
    async fn reap(&self) -> Result<usize>;

    /// The error of what this backend does not offer.
    fn unsupported(&self, operation: &str) -> SandboxError {
        SandboxError::Unsupported { backend: self.name().into(), operation: operation.into() }
    }
}

/// What changed in one mount.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MountChanges {
    /// The mount's target.
    pub target: crate::path::SandboxPath,
    /// What changed in it.
    pub changes: Vec<Change>,
}
