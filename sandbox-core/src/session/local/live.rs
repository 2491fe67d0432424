//! One session that lives: its parts, its state, and the commands that start in it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::activity::Activity;
use super::folder::{Folder, LayerFolder};
use super::layers::{Frozen, Stack};
use super::ports::Publication;
use super::provision::{Furnished, Sources};
use crate::capability::Report;
use crate::confine::Enclosure;
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, Usage};
use crate::ids::SessionId;
use crate::mount::FilesystemMount;
use crate::plan::{Host, Mounted, Plan};
use crate::run::Running;
use crate::session::files::Files;
use crate::session::ports::PublishedPort;
use crate::session::spec::{SandboxSession, SandboxSnapshot, SandboxSpec, SandboxState};
use crate::session::task::{Settings, Tasks};

/// A session. What lives in it ends before its folders go: the order of the fields.
pub(super) struct Live {
    enclosure: Arc<dyn Enclosure>,
    inner: Mutex<Inner>,
    folder: Folder,
    id: SessionId,
    created: u64,
    parent: Option<SessionId>,
    pub(super) spec: SandboxSpec,
    activity: Arc<Activity>,
    pub(super) tasks: Tasks,
    pub(super) ports: tokio::sync::Mutex<Vec<Publication>>,
    /// Held by whoever changes the session as a whole.
    pub(super) gate: tokio::sync::Mutex<()>,
}

/// What changes.
pub(super) struct Inner {
    pub(super) state: SandboxState,
    /// The sandbox as it is furnished now.
    pub(super) plan: Plan,
    /// What of it is enforced.
    pub(super) report: Report,
    /// The mounts as they were asked for.
    pub(super) mounts: Vec<FilesystemMount>,
    /// Where the source of each lies, found when it came.
    pub(super) sources: Sources,
    /// The mounts but those with layers.
    pub(super) fixed: Vec<Mounted>,
    pub(super) stacks: Vec<Stack>,
    /// Where the layers are, if there are any.
    pub(super) layer_folder: Option<Arc<LayerFolder>>,
    pub(super) snapshots: Vec<(SandboxSnapshot, Vec<Frozen>)>,
}

/// The parts that a session is made of.
pub(super) struct Parts {
    pub(super) id: SessionId,
    pub(super) parent: Option<SessionId>,
    pub(super) spec: SandboxSpec,
    pub(super) folder: Folder,
    pub(super) enclosure: Arc<dyn Enclosure>,
    pub(super) inner: Inner,
}

impl Live {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { id, parent, spec, folder, enclosure, inner } = parts;
        Self {
            enclosure,
            inner: Mutex::new(inner),
            folder,
            id,
            created: crate::session::spec::now(),
            parent,
            spec,
            activity: Activity::new(),
            tasks: Tasks::new(Settings::default()),
            ports: tokio::sync::Mutex::default(),
            gate: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(super) fn enclosure(&self) -> &dyn Enclosure {
        &*self.enclosure
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to say of it.
    pub(super) fn info(&self) -> SandboxSession {
        let inner = self.inner();
        SandboxSession {
            id: self.id.clone(),
            state: inner.state,
            created: self.created,
            labels: self.spec.labels.clone(),
            metadata: self.spec.metadata.clone(),
            mounts: inner.mounts.clone(),
            parent: self.parent.clone(),
            network: inner.plan.network.clone(),
            report: inner.report.clone(),
        }
    }

    pub(super) fn mounts(&self) -> Vec<FilesystemMount> {
        self.inner().mounts.clone()
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(super) fn layer_folder(&self) -> Option<Arc<LayerFolder>> {
        self.inner().layer_folder.clone()
    }

    /// Where its layers are; made for the first that it gets.
    pub(super) fn layers_at(&self, root: &Path) -> Result<Arc<LayerFolder>> {
        if let Some(folder) = self.layer_folder() {
            return Ok(folder);
        }
        let made = Arc::new(LayerFolder::make(root)?);
        self.inner().layer_folder = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The error of a call that this state does not allow.
    pub(super) fn wrong_state(&self, operation: &'static str) -> SandboxError {
        let (state, operation) = (self.inner().state.name().into(), operation.into());
        SandboxError::WrongState { id: self.id.clone(), state, operation }
    }

    /// Refuses a call unless commands can run.
    pub(super) fn check_awake(&self, operation: &'static str) -> Result<()> {
        let state = self.inner().state;
        match state {
            SandboxState::Provisioned | SandboxState::Running => Ok(()),
            _ => Err(self.wrong_state(operation)),
        }
    }

    /// Starts a command.
    pub(super) async fn start(&self, request: ExecRequest) -> Result<Running> {
        let _gate = self.gate.lock().await;
        self.check_awake("running a command")?;
        let host = Host::of_session();
        let (plan, report) = {
            let inner = self.inner();
            let plan = inner.plan.with_command(&self.spec.policy, &request, &host)?;
            (plan, inner.report.clone())
        };
        let mut launched = self.enclosure.start(&plan)?;
        launched.process = self.activity.follow(launched.process);
        self.inner().state = SandboxState::Running;
        Ok(Running::new(launched, plan.limits, report))
    }

    /// Its files as they lie now.
    pub(super) fn files(&self) -> Result<Files> {
        self.check_alive("a call on files")?;
        let plan = self.inner().plan.clone();
        Ok(Files::of(self.enclosure.folders(&plan)?))
    }

    /// Publishes a port, once.
    pub(super) async fn publish(
        self: &Arc<Self>,
        inside: u16,
        host: Option<u16>,
    ) -> Result<PublishedPort> {
        self.check_alive("publishing a port")?;
        let mut ports = self.ports.lock().await;
        if let Some(known) = ports.iter().find(|known| known.port.inside == inside) {
            return Ok(known.port);
        }
        let publication = Publication::open(self, inside, host).await?;
        let port = publication.port;
        ports.push(publication);
        Ok(port)
    }

    /// What its commands have used.
    pub(super) fn usage(&self) -> Result<Usage> {
        let (measured, summed) = (self.enclosure.usage()?, self.activity.used());
        let cpu = measured.cpu.or(summed.cpu);
        let memory_peak = measured.memory_peak.or(summed.memory_peak);
        let written = measured.written.or(summed.written);
        Ok(Usage { cpu, memory_peak, written, processes: measured.processes })
    }

    /// How it is furnished now.
    pub(super) fn furnished(&self) -> Furnished {
        let mounted = self.mounted();
        let inner = self.inner();
        Furnished { plan: inner.plan.clone(), mounted, report: inner.report.clone() }
    }

    /// Its mounts, as plans have them.
    pub(super) fn mounted(&self) -> Vec<Mounted> {
        let inner = self.inner();
        let root = inner.layer_folder.as_ref().map_or(Path::new(""), |folder| folder.path());
        let layered = inner.stacks.iter().map(|stack| stack.mounted(root));
        inner.fixed.iter().cloned().chain(layered).collect()
    }

    /// Puts another stack in the place of one; with `anyway` also where its files are in use, else
    /// it tells whether they are not. Nothing may run meanwhile.
    pub(super) fn restack(&self, at: usize, stack: &Stack, anyway: bool) -> Result<bool> {
        let Some(folder) = self.layer_folder() else { return Ok(true) };
        let (mut plan, old) = {
            let inner = self.inner();
            (inner.plan.clone(), inner.stacks[at].layers(folder.path()))
        };
        // Nothing else of it changes, so nothing is looked up again: not even where it lies.
        let all = Arc::make_mut(&mut plan.layers);
        let known = all.iter_mut().find(|(_, layers)| layers.upper == old.upper);
        let missing = || SandboxError::NotFound { what: format!("a mount at {}", stack.target) };
        let (path, layers) = known.ok_or_else(missing)?;
        let path = path.clone();
        *layers = stack.layers(folder.path());
        if !self.enclosure.relayer(&plan, &path, anyway)? {
            return Ok(false);
        }
        let mut inner = self.inner();
        inner.stacks[at] = stack.clone();
        inner.plan = plan;
        Ok(true)
    }
}
