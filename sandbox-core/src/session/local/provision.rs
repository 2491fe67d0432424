//! The making of a session.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::folder::{Folder, LayerFolder};
use super::layers::{Frozen, Stack};
use super::live::{Inner, Live, Parts};
use super::{LocalSessions, Register};
use crate::backend::LocalBackend;
use crate::confine::{Confinement, Enclosure, Pool, Stamp};
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::mount::{FilesystemAccess, FilesystemMount, MountSource};
use crate::path::SandboxPath;
use crate::plan::{Host, Mounted, Plan, Shown};
use crate::policy::PolicyError;
use crate::policy::filesystem::Rights;
use crate::session::spec::{SandboxSpec, SandboxState};
use crate::{MEMORY_MOUNT, OUTPUTS_MOUNT};

/// What a fork takes from its parent.
#[derive(Clone)]
pub(super) struct Heritage {
    pub(super) parent: SessionId,
    pub(super) layer_folder: Option<Arc<LayerFolder>>,
    /// By mount, in the order of the parent's.
    pub(super) frozen: Vec<Frozen>,
    /// When the copying of each mount began.
    pub(super) stamps: Vec<Option<Stamp>>,
}

/// The most sandboxes that wait in one pool.
const MOST_WAITING: usize = 256;

impl<C: Confinement + ?Sized> LocalSessions<C> {
    /// Makes a session and registers it.
    pub(super) fn make(&self, mut spec: SandboxSpec, from: Option<Heritage>) -> Result<Arc<Live>> {
        check_mounts(&spec.mounts)?;
        // Whoever sees what sessions are made of could reach into others, or out of its own.
        let own = SandboxPath::from_user(&self.root, Path::new("/"));
        spec.policy = spec.policy.hiding(own.map_err(PolicyError::from)?);
        let id = match &spec.id {
            Some(id) => id.clone(),
            None => self.free_id()?,
        };
        let folder = Folder::make(&self.root, &id)?;
        let layered = spec.mounts.iter().any(|m| matches!(m.source, MountSource::Overlay { .. }));
        let (parent, mut layer_folder, frozen, stamps) = match from {
            Some(from) => (Some(from.parent), from.layer_folder, from.frozen, from.stamps),
            None => (None, None, Vec::new(), Vec::new()),
        };
        if layered && layer_folder.is_none() {
            layer_folder = Some(Arc::new(LayerFolder::make(&self.root)?));
        }
        let stacks = stacks(&spec.mounts, frozen, layer_folder.as_deref())?;
        let fixed = fixed_mounts(&spec.mounts, &folder)?;
        let root = layer_folder.as_ref().map_or(Path::new(""), |layers| layers.path());
        let layers = stacks.iter().map(|stack| stack.mounted(root));
        let mounts: Vec<Mounted> = fixed.iter().cloned().chain(layers).collect();
        let plan = Plan::furnished(&spec.policy, &mounts, &Host::current())?;
        let report = LocalBackend::new(Arc::clone(&self.confinement)).judge(&plan)?;
        let enclosure = self.enclose(&plan, spec.pool)?;
        let (state, snapshots) = (SandboxState::Provisioned, Vec::new());
        // A fork is measured by what its parent was.
        let begin = |(at, stack): (usize, Stack)| match stamps.get(at) {
            Some(stamp) => Stack { stamp: stamp.clone(), ..stack },
            None => stack.stamped(&*enclosure),
        };
        let stacks = stacks.into_iter().enumerate().map(begin).collect();
        let mounts = spec.mounts.clone();
        let inner = Inner { state, plan, mounts, fixed, stacks, layer_folder, snapshots };
        let parts = Parts { id, parent, spec, folder, enclosure, report, inner };
        let live = Arc::new(Live::new(parts));
        self.register.add(&live)?;
        Register::keep_time(&self.register, &live);
        Ok(live)
    }

    fn enclose(&self, plan: &Plan, pool: Option<usize>) -> Result<Arc<dyn Enclosure>> {
        let confinement = Arc::clone(&self.confinement);
        match pool {
            None => confinement.enclose(plan),
            Some(size) if size <= MOST_WAITING => Ok(Arc::new(Pool::new(confinement, plan, size)?)),
            Some(size) => Err(SandboxError::InvalidRequest(format!(
                "a pool of {size} is more than {MOST_WAITING}: make several sessions"
            ))),
        }
    }

    /// An identifier that nobody has.
    fn free_id(&self) -> Result<SessionId> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let number = time.as_nanos() as u64 ^ u64::from(process) << 40 ^ u64::from(count) << 20;
        Ok(SessionId::new(format!("s-{number:016x}"))?)
    }
}

/// Refuses mounts at the places that every session has.
pub(super) fn check_mounts(mounts: &[FilesystemMount]) -> Result<()> {
    let own = |mount: &&FilesystemMount| {
        let target = mount.target.as_path();
        [MEMORY_MOUNT, OUTPUTS_MOUNT].iter().any(|own| Path::new(own).starts_with(target))
            || [MEMORY_MOUNT, OUTPUTS_MOUNT].iter().any(|own| target.starts_with(own))
    };
    match mounts.iter().find(own) {
        None => Ok(()),
        Some(mount) => Err(SandboxError::InvalidRequest(format!(
            "nothing can be mounted at {}: every session has {MEMORY_MOUNT} and {OUTPUTS_MOUNT}",
            mount.target
        ))),
    }
}

/// A stack for each mount that is copied on write.
fn stacks(
    mounts: &[FilesystemMount],
    frozen: Vec<Frozen>,
    folder: Option<&LayerFolder>,
) -> Result<Vec<Stack>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let mut frozen = frozen.into_iter();
    let mut all = Vec::new();
    for mount in mounts {
        if let MountSource::Overlay { source } = &mount.source {
            let missing =
                |error| SandboxError::MissingPath { path: source.clone().into(), source: error };
            let source = std::fs::canonicalize(source.as_path()).map_err(missing)?;
            let below = frozen.next().unwrap_or_default();
            all.push(Stack::new(mount.target.clone(), source, below, folder)?);
        }
    }
    Ok(all)
}

/// The mounts that stay as they are, with the two that every session has.
fn fixed_mounts(mounts: &[FilesystemMount], folder: &Folder) -> Result<Vec<Mounted>> {
    let mut all = Vec::new();
    for (number, mount) in mounts.iter().enumerate() {
        if !matches!(mount.source, MountSource::Overlay { .. }) {
            let shown = shown(&mount.source, number, folder)?;
            all.push(Mounted { target: mount.target.clone(), shown });
        }
    }
    for (target, name) in [(MEMORY_MOUNT, "memory"), (OUTPUTS_MOUNT, "outputs")] {
        let target = SandboxPath::new(target).map_err(PolicyError::from)?;
        let shown = Shown::Own { source: folder.path().join(name) };
        all.push(Mounted { target, shown });
    }
    Ok(all)
}

/// What a mount that is not copied on write shows; a session's mounts have numbers.
pub(super) fn shown(source: &MountSource, number: usize, folder: &Folder) -> Result<Shown> {
    Ok(match source {
        MountSource::Bind { source, access } => {
            let rights = match access {
                FilesystemAccess::ReadOnly => Rights::READ_ONLY,
                FilesystemAccess::ReadWrite => Rights::READ_WRITE,
            };
            Shown::Host { source: source.clone().into(), rights }
        }
        MountSource::Tmpfs { size } => Shown::Memory { size: *size },
        // A copied folder has layers, which its caller makes.
        MountSource::Scratch | MountSource::Overlay { .. } => {
            Shown::Own { source: folder.scratch(number)? }
        }
    })
}
