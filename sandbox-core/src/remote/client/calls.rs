//! The calls of [`SandboxBackend`] on sessions elsewhere.

use async_trait::async_trait;
use cap_std::fs::Dir;

use super::{Launcher, RemoteSessions, all, handed_over, launch, process, shout};
use crate::capability::SandboxCapabilities;
use crate::confine::OpenFolder;
use crate::error::Result;
use crate::exec::{ExecRequest, Usage};
use crate::ids::{SessionId, SnapshotName};
use crate::mount::FilesystemMount;
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::remote::message::{Call, Folder, Started};
use crate::run::Running;
use crate::session::files::Files;
use crate::session::{
    Applied, BackgroundTasks, Labels, MountChanges, PublishedPort, SandboxBackend, SandboxSession,
    SandboxSnapshot, SandboxSpec, SessionHealth, SessionNetwork,
};

#[async_trait]
impl<L: Launcher> SandboxBackend for RemoteSessions<L> {
    fn name(&self) -> &str {
        self.launcher.name()
    }

    fn capabilities(&self) -> SandboxCapabilities {
        self.launcher.capabilities()
    }

    async fn provision(&self, spec: SandboxSpec) -> Result<SandboxSession> {
        launch::launch(&self.launcher, &spec).await
    }

    async fn get(&self, id: &SessionId) -> Result<SandboxSession> {
        self.call(id, Call::Get).await
    }

    async fn list(&self, labels: &Labels) -> Result<Vec<SandboxSession>> {
        let mut all = all(&self.root).await?;
        all.retain(|it| labels.iter().all(|(name, value)| it.labels.get(name) == Some(value)));
        Ok(all)
    }

    async fn attach_filesystem(&self, id: &SessionId, mount: FilesystemMount) -> Result<()> {
        self.call(id, Call::Attach(mount)).await
    }

    async fn apply_network_policy(&self, id: &SessionId, policy: NetworkPolicy) -> Result<()> {
        self.call(id, Call::Network(policy)).await
    }

    async fn change_network_policy(
        &self,
        id: &SessionId,
        allow: Vec<HostRule>,
        deny: Vec<HostRule>,
    ) -> Result<()> {
        self.call(id, Call::Rules { allow, deny }).await
    }

    async fn network(&self, id: &SessionId, seen: u64) -> Result<SessionNetwork> {
        self.call(id, Call::Reaches { seen }).await
    }

    async fn spawn(&self, id: &SessionId, request: ExecRequest) -> Result<Running> {
        let open = self.open(id, Call::Spawn((&request).into())).await?;
        let (reply, ends) = open.answer_with::<Started>().await?;
        process::running(open, reply, ends)
    }

    fn tasks(&self) -> Result<&dyn BackgroundTasks> {
        Ok(self)
    }

    async fn files(&self, id: &SessionId) -> Result<Files> {
        let open = self.open(id, Call::Files).await?;
        let (folders, rights) = open.answer_with::<Vec<Folder>>().await?;
        let mut rights = rights.into_iter();
        let folder = |Folder { target, access, open }| {
            let folder = if open { Some(handed_over(rights.next(), "a folder")?) } else { None };
            let folder = folder.map(|it| Dir::from_std_file(it.into()));
            Ok(OpenFolder { target, folder, access })
        };
        Ok(Files::of(folders.into_iter().map(folder).collect::<Result<Vec<_>>>()?))
    }

    async fn publish(
        &self,
        id: &SessionId,
        inside: u16,
        host: Option<u16>,
    ) -> Result<PublishedPort> {
        self.call(id, Call::Publish { inside, host }).await
    }

    async fn ports(&self, id: &SessionId) -> Result<Vec<PublishedPort>> {
        self.call(id, Call::Ports).await
    }

    async fn unpublish(&self, id: &SessionId, inside: u16) -> Result<()> {
        self.call(id, Call::Unpublish { inside }).await
    }

    async fn snapshot(&self, id: &SessionId, name: &SnapshotName) -> Result<SandboxSnapshot> {
        self.call(id, Call::Snapshot { name: name.clone() }).await
    }

    async fn snapshots(&self, id: &SessionId) -> Result<Vec<SandboxSnapshot>> {
        self.call(id, Call::Snapshots).await
    }

    async fn restore(&self, id: &SessionId, name: &SnapshotName) -> Result<()> {
        self.call(id, Call::Restore { name: name.clone() }).await
    }

    async fn fork(&self, id: &SessionId, count: usize) -> Result<Vec<SandboxSession>> {
        self.call(id, Call::Fork { count }).await
    }

    async fn diff(&self, id: &SessionId) -> Result<Vec<MountChanges>> {
        self.call(id, Call::Diff).await
    }

    async fn apply(&self, id: &SessionId) -> Result<Applied> {
        self.call(id, Call::Apply).await
    }

    async fn discard(&self, id: &SessionId) -> Result<()> {
        self.call(id, Call::Discard).await
    }

    async fn suspend(&self, id: &SessionId) -> Result<()> {
        self.call(id, Call::Suspend).await
    }

    async fn resume(&self, id: &SessionId) -> Result<()> {
        self.call(id, Call::Resume).await
    }

    async fn usage(&self, id: &SessionId) -> Result<Usage> {
        self.call(id, Call::Usage).await
    }

    async fn health(&self, id: &SessionId) -> Result<SessionHealth> {
        self.call(id, Call::Health).await
    }

    async fn terminate(&self, id: &SessionId) -> Result<()> {
        self.call(id, Call::Terminate).await
    }

    fn abandon(&self, id: &SessionId) {
        // One that is gone is no error, and nobody is left to hear of another one.
        let _ = shout(&self.root, id, &Call::Terminate);
    }

    async fn reap(&self) -> Result<usize> {
        crate::session::sweep_all(&self.root)
    }
}
