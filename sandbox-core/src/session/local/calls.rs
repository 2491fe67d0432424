//! The calls of [`SandboxBackend`] on local sessions.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::folder::LayerFolder;
use super::layers::{Frozen, Stack};
use super::live::Live;
use super::provision::Heritage;
use super::{LocalSessions, folder};
use crate::backend::LocalBackend;
use crate::capability::SandboxCapabilities;
use crate::confine::Confinement;
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, Usage};
use crate::ids::{SessionId, SnapshotName};
use crate::mount::FilesystemMount;
use crate::plan::Plan;
use crate::policy::network::NetworkPolicy;
use crate::run::Running;
use crate::session::backend::{BackgroundTasks, MountChanges, SandboxBackend};
use crate::session::changes::Applied;
use crate::session::files::Files;
use crate::session::ports::PublishedPort;
use crate::session::spec::{
    Labels, SandboxSession, SandboxSnapshot, SandboxSpec, SandboxState, SessionHealth,
};

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
        Ok(self.make(spec, None)?.info())
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
        if live.inner().plan.network == policy {
            return Ok(());
        }
        // Judged as at the beginning: what could not be enforced then cannot be now.
        let plan = Plan { network: policy, ..live.inner().plan.clone() };
        LocalBackend::new(Arc::clone(&self.confinement)).judge(&plan)?;
        Err(self.unsupported("another network policy in a session that lives: make a new session"))
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
        let live = self.register.get(id)?;
        let inner = live.inner();
        Ok(inner.snapshots.iter().map(|(snapshot, _)| snapshot.clone()).collect())
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
        let frozen = live.freeze_layers().await?;
        let stamps: Vec<_> = live.inner().stacks.iter().map(|s| s.stamp.clone()).collect();
        let mut made = Vec::with_capacity(count);
        for _ in 0..count {
            let heritage = Heritage {
                parent: id.clone(),
                layer_folder: live.layer_folder(),
                frozen: frozen.clone(),
                stamps: stamps.clone(),
            };
            let spec = SandboxSpec { id: None, mounts: live.mounts(), ..live.spec.clone() };
            match self.make(spec, Some(heritage)) {
                Ok(fork) => made.push(fork),
                Err(error) => {
                    for fork in made {
                        self.terminate(fork.id()).await?;
                    }
                    return Err(error);
                }
            }
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

/// The calls that change a session as a whole.
impl Live {
    async fn snapshot(&self, name: &SnapshotName) -> Result<SandboxSnapshot> {
        let _gate = self.gate.lock().await;
        self.check_whole("a snapshot")?;
        if self.inner().snapshots.iter().any(|(known, _)| known.name == *name) {
            return Err(SandboxError::AlreadyExists { what: format!("the snapshot {name:?}") });
        }
        let frozen = self.push()?;
        let snapshot = SandboxSnapshot::now(name.clone());
        self.inner().snapshots.push((snapshot.clone(), frozen));
        Ok(snapshot)
    }

    /// Freezes what was written up to now; the layers of each mount.
    pub(super) async fn freeze_layers(&self) -> Result<Vec<Frozen>> {
        let _gate = self.gate.lock().await;
        self.check_alive("a fork")?;
        match self.layer_folder() {
            Some(_) => self.push(),
            None => Ok(Vec::new()),
        }
    }

    /// With the gate held: what every stack holds now, as layers that never change again.
    fn push(&self) -> Result<Vec<Frozen>> {
        let Some(folder) = self.layer_folder() else { return Ok(Vec::new()) };
        let stacks = self.inner().stacks.clone();
        self.still(|| {
            let numbered = stacks.iter().enumerate();
            numbered.map(|(at, stack)| self.push_one(at, stack, &folder)).collect()
        })
    }

    /// A fresh layer goes on the stack. Where a command has files open in the one that is written
    /// to, it goes on writing there, so that one is copied instead.
    fn push_one(&self, at: usize, stack: &Stack, folder: &LayerFolder) -> Result<Frozen> {
        if self.restack(at, &stack.pushed(folder)?, false)? {
            return Ok(stack.whole());
        }
        stack.copied(folder, self.enclosure())
    }

    async fn restore(&self, name: &SnapshotName) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_whole("going back to a snapshot")?;
        let known = self.inner().snapshots.iter().find(|(known, _)| known.name == *name).cloned();
        let missing = || SandboxError::NotFound { what: format!("snapshot {name:?}") };
        let (_, frozen) = known.ok_or_else(missing)?;
        self.stack_over(frozen)
    }

    async fn diff(&self) -> Result<Vec<MountChanges>> {
        let _gate = self.gate.lock().await;
        self.check_whole("a difference")?;
        let stacks = self.inner().stacks.clone();
        let root = &self.layer_root();
        let changes = |stack: &Stack| {
            let changes = self.enclosure().diff(&stack.source, &stack.layers(root))?;
            Ok(MountChanges { target: stack.target.clone(), changes })
        };
        self.still(|| stacks.iter().map(changes).collect())
    }

    async fn apply(&self) -> Result<Applied> {
        let _gate = self.gate.lock().await;
        self.check_whole("applying changes")?;
        let stacks = self.inner().stacks.clone();
        let mut all = Applied::default();
        for stack in &stacks {
            let applied = self.still(|| self.apply_stack(stack))?;
            all.changes.extend(applied.changes);
            all.conflicts.extend(applied.conflicts);
        }
        if all.conflicts.is_empty() {
            // What was written is the host's now, and the work goes on from there.
            self.stack_over(vec![Vec::new(); stacks.len()])?;
            let stacks = self.inner().stacks.clone();
            let begun = stacks.into_iter().map(|stack| stack.stamped(self.enclosure()));
            self.inner().stacks = begun.collect();
        }
        Ok(all)
    }

    fn apply_stack(&self, stack: &Stack) -> Result<Applied> {
        let stamp = stack.stamp.as_ref().ok_or_else(|| {
            let source = crate::path::quoted(&stack.source);
            SandboxError::InvalidRequest(format!("{source} could not be written to at the start"))
        })?;
        self.enclosure().apply(&stack.source, &stack.layers(&self.layer_root()), stamp)
    }

    fn layer_root(&self) -> PathBuf {
        self.layer_folder().map(|folder| folder.path().to_path_buf()).unwrap_or_default()
    }

    async fn discard(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_whole("discarding changes")?;
        let count = self.inner().stacks.len();
        self.stack_over(vec![Vec::new(); count])
    }

    /// With the gate held: a fresh layer over these.
    fn stack_over(&self, frozen: Vec<Frozen>) -> Result<()> {
        let Some(folder) = self.layer_folder() else { return Ok(()) };
        let stacks = self.inner().stacks.clone();
        let over = stacks.iter().zip(frozen).map(|(stack, frozen)| stack.over(frozen, &folder));
        let over: Vec<_> = over.collect::<Result<_>>()?;
        self.still(|| {
            let mut numbered = over.iter().enumerate();
            numbered.try_for_each(|(at, stack)| self.restack(at, stack, true).map(drop))
        })
    }

    /// Does something while nothing in the session moves.
    fn still<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let moving = self.activity().running() > 0 && self.inner().state != SandboxState::Suspended;
        if moving {
            self.enclosure().freeze()?;
        }
        let done = work();
        if moving {
            self.enclosure().thaw()?;
        }
        done
    }

    pub(super) fn check_alive(&self, operation: &'static str) -> Result<()> {
        match self.inner().state {
            SandboxState::Terminated => {}
            _ => return Ok(()),
        }
        Err(self.wrong_state(operation))
    }

    /// Refuses what only folders that are copied on write have.
    fn check_whole(&self, operation: &'static str) -> Result<()> {
        self.check_alive(operation)?;
        if self.layer_folder().is_some() {
            return Ok(());
        }
        Err(SandboxError::InvalidRequest(format!(
            "{operation} needs a folder that is copied on write: give the session {} an overlay",
            self.id()
        )))
    }

    pub(super) async fn suspend(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("suspending")?;
        if self.inner().state == SandboxState::Suspended {
            return Ok(());
        }
        self.enclosure().freeze()?;
        self.inner().state = SandboxState::Suspended;
        Ok(())
    }

    async fn resume(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("resuming")?;
        if self.inner().state == SandboxState::Suspended {
            self.enclosure().thaw()?;
            self.inner().state = SandboxState::Running;
            self.activity().touch();
        }
        Ok(())
    }

    pub(super) async fn terminate(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.inner().state = SandboxState::Terminated;
        self.ports.lock().await.clear();
        self.enclosure().end().await?;
        // They have ended with the sandbox; who waits for one is told.
        self.tasks.end_all().await;
        Ok(())
    }
}
