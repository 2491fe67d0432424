//! The calls of [`SandboxBackend`] on local sessions.

use std::sync::Arc;

use async_trait::async_trait;

use super::live::Live;
use super::provision::Heritage;
use super::{LocalSessions, folder, network};
use crate::backend::LocalBackend;
use crate::capability::SandboxCapabilities;
use crate::confine::Confinement;
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, Usage};
use crate::ids::{SessionId, SnapshotName};
use crate::mount::FilesystemMount;
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::run::Running;
use crate::session::backend::{BackgroundTasks, MountChanges, SandboxBackend};
use crate::session::changes::Applied;
use crate::session::files::Files;
use crate::session::network::SessionNetwork;
use crate::session::ports::PublishedPort;
use crate::session::spec::{Labels, SandboxSession, SandboxSnapshot, SandboxSpec, SessionHealth};

/// The most sessions that one call makes.
const MOST_FORKS: usize = 256;

#[async_trait]
impl<C: Confinement + ?Sized> SandboxBackend for LocalSessions<C> {
    fn name(&self) -> &str {
        self.confinement.name()
    }

    fn capabilities(&self) -> SandboxCapabilities {
        LocalBackend::new(Arc::clone(&self.confinement)).capabilities()
    }

    async fn provision(&self, spec: SandboxSpec) -> Result<SandboxSession> {
        Ok(self.make(spec, Heritage::default())?.info())
    }

    async fn get(&self, id: &SessionId) -> Result<SandboxSession> {
        Ok(self.register.get(id)?.info())
    }

    async fn list(&self, labels: &Labels) -> Result<Vec<SandboxSession>> {
        let all: Vec<Arc<Live>> = self.register.lock().values().cloned().collect();
        let has =
            |live: &&Arc<Live>| labels.iter().all(|(k, v)| live.spec.labels.get(k) == Some(v));
        Ok(all.iter().filter(has).map(|live| live.info()).collect())
    }

    async fn attach_filesystem(&self, id: &SessionId, mount: FilesystemMount) -> Result<()> {
        self.attach(&self.register.get(id)?, mount).await
    }

    async fn apply_network_policy(&self, id: &SessionId, policy: NetworkPolicy) -> Result<()> {
        let live = self.register.get(id)?;
        let backend = LocalBackend::new(Arc::clone(&self.confinement));
        let change = |_: &_| Ok(policy);
        live.change_network(change, self.name(), |plan| backend.judge(plan)).await
    }

    async fn change_network_policy(
        &self,
        id: &SessionId,
        allow: Vec<HostRule>,
        deny: Vec<HostRule>,
    ) -> Result<()> {
        let live = self.register.get(id)?;
        let backend = LocalBackend::new(Arc::clone(&self.confinement));
        let change = |policy: &_| network::changed(policy, &allow, &deny);
        live.change_network(change, self.name(), |plan| backend.judge(plan)).await
    }

    async fn network(&self, id: &SessionId, seen: u64) -> Result<SessionNetwork> {
        Ok(self.register.get(id)?.network(seen))
    }

    async fn spawn(&self, id: &SessionId, request: ExecRequest) -> Result<Running> {
        self.register.get(id)?.start(request).await
    }

    fn tasks(&self) -> Result<&dyn BackgroundTasks> {
        Ok(self)
    }

    async fn files(&self, id: &SessionId) -> Result<Files> {
        self.register.get(id)?.files()
    }

    async fn publish(
        &self,
        id: &SessionId,
        inside: u16,
        host: Option<u16>,
    ) -> Result<PublishedPort> {
        self.register.get(id)?.publish(inside, host).await
    }

    async fn ports(&self, id: &SessionId) -> Result<Vec<PublishedPort>> {
        let live = self.register.get(id)?;
        let ports = live.ports.lock().await;
        Ok(ports.iter().map(|publication| publication.port).collect())
    }

    async fn unpublish(&self, id: &SessionId, inside: u16) -> Result<()> {
        let live = self.register.get(id)?;
        let mut ports = live.ports.lock().await;
        let known = ports.iter().position(|publication| publication.port.inside == inside);
        let missing = || SandboxError::NotFound { what: format!("published port {inside}") };
        drop(ports.swap_remove(known.ok_or_else(missing)?));
        Ok(())
    }

    async fn snapshot(&self, id: &SessionId, name: &SnapshotName) -> Result<SandboxSnapshot> {
        self.register.get(id)?.snapshot(name).await
    }

    async fn snapshots(&self, id: &SessionId) -> Result<Vec<SandboxSnapshot>> {
        self.register.get(id)?.snapshots()
    }

    async fn restore(&self, id: &SessionId, name: &SnapshotName) -> Result<()> {
        self.register.get(id)?.restore(name).await
    }

    async fn fork(&self, id: &SessionId, count: usize) -> Result<Vec<SandboxSession>> {
        if count > MOST_FORKS {
            let text = format!("{count} forks at once are more than {MOST_FORKS}: fork again");
            return Err(SandboxError::InvalidRequest(text));
        }
        let live = self.register.get(id)?;
        let made = self.forks(&live, count).await?;
        if let Err(error) = live.hand_down(&made).await {
            self.end_all(made).await?;
            return Err(error);
        }
        Ok(made.iter().map(|fork| fork.info()).collect())
    }

    async fn diff(&self, id: &SessionId) -> Result<Vec<MountChanges>> {
        self.register.get(id)?.diff().await
    }

    async fn apply(&self, id: &SessionId) -> Result<Applied> {
        self.register.get(id)?.apply().await
    }

    async fn discard(&self, id: &SessionId) -> Result<()> {
        self.register.get(id)?.discard().await
    }

    async fn suspend(&self, id: &SessionId) -> Result<()> {
        self.register.get(id)?.suspend().await
    }

    async fn resume(&self, id: &SessionId) -> Result<()> {
        self.register.get(id)?.resume().await
    }

    async fn usage(&self, id: &SessionId) -> Result<Usage> {
        self.register.get(id)?.usage()
    }

    async fn health(&self, id: &SessionId) -> Result<SessionHealth> {
        let live = self.register.get(id)?;
        let healthy = live.enclosure().alive();
        let why = (!healthy).then(|| "its processes were ended from outside".to_owned());
        Ok(SessionHealth { healthy, why })
    }

    async fn terminate(&self, id: &SessionId) -> Result<()> {
        self.register.take(id)?.terminate().await
    }

    fn abandon(&self, id: &SessionId) {
        drop(self.register.take(id));
    }

    async fn reap(&self) -> Result<usize> {
        folder::sweep_all(&self.root)
    }
}
