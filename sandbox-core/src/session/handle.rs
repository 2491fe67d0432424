//! A session as people use it: an identifier that keeps its backend at hand and its end in mind.

use std::sync::Arc;

use super::backend::{MountChanges, SandboxBackend};
use super::changes::Applied;
use super::network::SessionNetwork;
use super::spec::{SandboxSession, SandboxSnapshot, SandboxSpec, SessionHealth};
use crate::error::Result;
use crate::exec::{ExecRequest, ExecResult, Usage};
use crate::ids::{NameError, SessionId, SnapshotName};
use crate::mount::FilesystemMount;
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::run::Running;

/// A session. Dropping it ends the session, unless it was [detached](Session::detach).
///
/// ```no_run
/// use std::sync::Arc;
/// use sandbox_core::session::{SandboxBackend, SandboxSpec, Session};
/// use sandbox_core::{ExecRequest, FilesystemMount, Policy};
///
/// # async fn example(backend: Arc<dyn SandboxBackend>) -> Result<(), Box<dyn std::error::Error>> {
/// let policy = Policy::read_only().build()?;
/// let spec = SandboxSpec::new(policy).mount(FilesystemMount::overlay("/srv/repo", "/workspace")?);
/// let session = Session::provision(backend, spec).await?;
/// let before = session.snapshot("before codemod").await?;
/// let result = session.exec(ExecRequest::new("node").arg("codemod.js").cwd("/workspace")).await?;
/// if !result.exit.success() {
///     session.restore(&before).await?;
/// }
/// session.terminate().await?;
/// # Ok(())
/// # }
/// ```
pub struct Session {
    backend: Arc<dyn SandboxBackend>,
    id: SessionId,
    /// Whether dropping this ends the session.
    owned: bool,
}

impl Session {
    /// Makes a session.
    ///
    /// # Errors
    /// As [`SandboxBackend::provision`].
    pub async fn provision(backend: Arc<dyn SandboxBackend>, spec: SandboxSpec) -> Result<Self> {
        let id = backend.provision(spec).await?.id;
        Ok(Self { backend, id, owned: true })
    }

    /// A handle to a session that exists, which does not end with it.
    ///
    /// # Errors
    /// As [`SandboxBackend::get`].
    pub async fn attach(backend: Arc<dyn SandboxBackend>, id: SessionId) -> Result<Self> {
        backend.get(&id).await?;
        Ok(Self { backend, id, owned: false })
    }

    /// The session's identifier.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Lets the session live on without this handle.
    pub fn detach(mut self) -> SessionId {
        self.owned = false;
        self.id.clone()
    }

    /// What there is to say of it.
    ///
    /// # Errors
    /// As [`SandboxBackend::get`]; the same holds for every call below.
    pub async fn info(&self) -> Result<SandboxSession> {
        self.backend.get(&self.id).await
    }

    /// Runs a command to its end.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn exec(&self, request: ExecRequest) -> Result<ExecResult> {
        self.backend.exec(&self.id, request).await
    }

    /// Starts a command and hands over its streams.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn spawn(&self, request: ExecRequest) -> Result<Running> {
        self.backend.spawn(&self.id, request).await
    }

    /// Adds a mount.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn attach_filesystem(&self, mount: FilesystemMount) -> Result<()> {
        self.backend.attach_filesystem(&self.id, mount).await
    }

    /// Replaces the network policy.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn apply_network_policy(&self, policy: NetworkPolicy) -> Result<()> {
        self.backend.apply_network_policy(&self.id, policy).await
    }

    /// Adds rules to the network policy, and takes others away first.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn change_network_policy(
        &self,
        allow: Vec<HostRule>,
        deny: Vec<HostRule>,
    ) -> Result<()> {
        self.backend.change_network_policy(&self.id, allow, deny).await
    }

    /// What it reaches, and the decisions after the first `seen`.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn network(&self, seen: u64) -> Result<SessionNetwork> {
        self.backend.network(&self.id, seen).await
    }

    /// Keeps the present state under a name, see [`SnapshotName`].
    #[expect(clippy::missing_errors_doc, reason = "as info, and a text that is no name")]
    pub async fn snapshot<N>(&self, name: N) -> Result<SandboxSnapshot>
    where
        N: TryInto<SnapshotName, Error = NameError>,
    {
        self.backend.snapshot(&self.id, &name.try_into()?).await
    }

    /// The snapshots, the oldest first.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn snapshots(&self) -> Result<Vec<SandboxSnapshot>> {
        self.backend.snapshots(&self.id).await
    }

    /// Goes back to a snapshot.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn restore(&self, snapshot: &SandboxSnapshot) -> Result<()> {
        self.backend.restore(&self.id, &snapshot.name).await
    }

    /// Makes sessions that begin where this one is. Each ends with its handle.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn fork(&self, count: usize) -> Result<Vec<Self>> {
        let forks = self.backend.fork(&self.id, count).await?;
        let handle = |fork: SandboxSession| Self {
            backend: Arc::clone(&self.backend),
            id: fork.id,
            owned: true,
        };
        Ok(forks.into_iter().map(handle).collect())
    }

    /// What it changed.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn diff(&self) -> Result<Vec<MountChanges>> {
        self.backend.diff(&self.id).await
    }

    /// Writes the changes to the host.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn apply(&self) -> Result<Applied> {
        self.backend.apply(&self.id).await
    }

    /// Forgets the changes.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn discard(&self) -> Result<()> {
        self.backend.discard(&self.id).await
    }

    /// Stops every process where it is.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn suspend(&self) -> Result<()> {
        self.backend.suspend(&self.id).await
    }

    /// Lets the processes go on.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn resume(&self) -> Result<()> {
        self.backend.resume(&self.id).await
    }

    /// What it has used.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn usage(&self) -> Result<Usage> {
        self.backend.usage(&self.id).await
    }

    /// Whether it works.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn health(&self) -> Result<SessionHealth> {
        self.backend.health(&self.id).await
    }

    /// Ends it with everything in it.
    #[expect(clippy::missing_errors_doc, reason = "as info")]
    pub async fn terminate(mut self) -> Result<()> {
        self.owned = false;
        self.backend.terminate(&self.id).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.owned {
            self.backend.abandon(&self.id);
        }
    }
}
