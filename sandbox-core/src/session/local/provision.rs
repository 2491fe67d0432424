//! The making of a session.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::folder::{Folder, LayerFolder};
use super::layers::{Frozen, Stack};
use super::live::{Inner, Live, Parts};
use super::{LocalSessions, Register, network};
use crate::backend::LocalBackend;
use crate::capability::Report;
use crate::confine::{Confinement, Enclosure, Pool, Stamp};
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::mount::{FilesystemAccess, FilesystemMount, MountSource};
use crate::path::{SandboxPath, quoted};
use crate::plan::{self, Content, Host, Mounted, Place, Plan, Shown};
use crate::policy::filesystem::Rights;
use crate::policy::{Policy, PolicyError};
use crate::session::spec::{SandboxSpec, SandboxState};
use crate::{MEMORY_MOUNT, OUTPUTS_MOUNT};

/// What a fork takes from its parent; other sessions take nothing.
#[derive(Clone, Default)]
pub(super) struct Heritage {
    pub(super) parent: Option<SessionId>,
    pub(super) layer_folder: Option<Arc<LayerFolder>>,
    /// By mount, in the order of the parent's.
    pub(super) frozen: Vec<Frozen>,
    /// When the copying of each mount began.
    pub(super) stamps: Vec<Option<Stamp>>,
    /// Where each mount's source lies.
    pub(super) sources: Sources,
    pub(super) furnished: Option<Furnished>,
}

/// A session as it was furnished: the same for a fork, but for the folders.
#[derive(Clone)]
pub(super) struct Furnished {
    pub(super) plan: Plan,
    pub(super) mounted: Vec<Mounted>,
    pub(super) report: Report,
}

impl Furnished {
    /// The plan and the report of a fork with these mounts.
    fn of_fork(self, mounted: &[Mounted], host: &Host<'_>) -> Option<(Plan, Report)> {
        let plan = self.plan.with_folders_of(&self.mounted, mounted, host.files)?;
        Some((plan, self.report))
    }
}

/// The most sandboxes that wait in one pool.
const MOST_WAITING: usize = 256;

impl<C: Confinement + ?Sized> LocalSessions<C> {
    /// Makes a session and registers it.
    pub(super) fn make(&self, mut spec: SandboxSpec, from: Heritage) -> Result<Arc<Live>> {
        check_mounts(&spec.mounts)?;
        // Whoever sees what sessions are made of could reach into others, or out of its own.
        let own = SandboxPath::from_user(&self.root, Path::new("/")).map_err(PolicyError::from)?;
        spec.policy = spec.policy.hiding(own);
        let host = Host::current();
        let sources = match from.parent {
            Some(_) => from.sources,
            None => plan::sources(&spec.policy, &spec.mounts, &[], &host)?,
        };
        let id = match &spec.id {
            Some(id) => id.clone(),
            None => self.free_id()?,
        };
        let folder = Folder::make(&self.root, &id)?;
        let layered = spec.mounts.iter().any(|m| matches!(m.source, MountSource::Overlay { .. }));
        let layer_folder = match from.layer_folder {
            None if layered => Some(Arc::new(LayerFolder::make(&self.root)?)),
            inherited => inherited,
        };
        let mounts: Vec<_> = spec.mounts.iter().zip(&sources).collect();
        let stacks = stacks(&mounts, from.frozen, layer_folder.as_deref())?;
        let fixed = fixed_mounts(&mounts, &folder)?;
        let root = layer_folder.as_ref().map_or(Path::new(""), |layers| layers.path());
        let layers = stacks.iter().map(|stack| stack.mounted(root));
        let mounted: Vec<Mounted> = fixed.iter().cloned().chain(layers).collect();
        let (plan, report) = match from.furnished.and_then(|it| it.of_fork(&mounted, &host)) {
            Some(same) => same,
            None => self.plan(&spec.policy, &mounted, &host)?,
        };
        let log = network::open_log(&spec, &plan)?;
        let enclosure = self.enclose(&plan, spec.pool)?;
        network::record(&*enclosure, &id, log);
        let (state, snapshots) = (SandboxState::Provisioned, Vec::new());
        // A fork is measured by what its parent was.
        let begin = |(at, stack): (usize, Stack)| match from.stamps.get(at) {
            Some(stamp) => Stack { stamp: stamp.clone(), ..stack },
            None => stack.stamped(&*enclosure),
        };
        let stacks = stacks.into_iter().enumerate().map(begin).collect();
        let mounts = spec.mounts.clone();
        let inner =
            Inner { state, plan, report, mounts, sources, fixed, stacks, layer_folder, snapshots };
        let parts = Parts { id, parent: from.parent, spec, folder, enclosure, inner };
        let live = Arc::new(Live::new(parts));
        self.register.add(&live)?;
        Register::keep_time(&self.register, &live);
        Ok(live)
    }

    /// The plan of a session, and what will be enforced.
    fn plan(
        &self,
        policy: &Policy,
        mounted: &[Mounted],
        host: &Host<'_>,
    ) -> Result<(Plan, Report)> {
        let plan = furnish(policy, mounted, host)?;
        self.check_hidden(&plan)?;
        let report = LocalBackend::new(Arc::clone(&self.confinement)).judge(&plan)?;
        Ok((plan, report))
    }

    /// Refuses a policy that names what sessions are made of, which no wider rule shows.
    fn check_hidden(&self, plan: &Plan) -> Result<()> {
        let root = self.root.canonicalize().map_err(SandboxError::io("finding the sessions"))?;
        let shown = |place: &&Place| {
            let grants = place.content == Content::Host && place.source.is_none();
            grants && place.path.starts_with(&root)
        };
        match plan.places.iter().find(shown) {
            None => Ok(()),
            Some(place) => Err(SandboxError::InvalidRequest(format!(
                "the policy grants {}, which belongs to the sessions in {}: leave it out, or keep \
                 the sessions elsewhere",
                quoted(&place.path),
                quoted(&root)
            ))),
        }
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

/// The variables that name the two mounts that every session has.
const OWN_VARIABLES: [(&str, &str); 2] =
    [("SANDBOX_MEMORY_DIR", MEMORY_MOUNT), ("SANDBOX_OUTPUTS_DIR", OUTPUTS_MOUNT)];

/// The plan of a session with these mounts, which its commands share.
pub(super) fn furnish(policy: &Policy, mounts: &[Mounted], host: &Host<'_>) -> Result<Plan> {
    let mut plan = Plan::furnished(policy, mounts, host)?;
    let own = OWN_VARIABLES.map(|(name, value)| (name.into(), value.into()));
    plan.environment.retain(|(name, _)| own.iter().all(|(own, _)| own != name));
    plan.environment.extend(own);
    plan.environment.sort();
    Ok(plan)
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

/// Where the sources of mounts lie.
pub(super) type Sources = Vec<Option<PathBuf>>;

/// A mount, and where its source lies.
type Found<'a> = (&'a FilesystemMount, &'a Option<PathBuf>);

/// A stack for each mount that is copied on write.
fn stacks(
    mounts: &[Found<'_>],
    frozen: Vec<Frozen>,
    folder: Option<&LayerFolder>,
) -> Result<Vec<Stack>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let mut frozen = frozen.into_iter();
    let mut all = Vec::new();
    for (mount, source) in mounts {
        if let (MountSource::Overlay { .. }, Some(source)) = (&mount.source, source) {
            let below = frozen.next().unwrap_or_default();
            all.push(Stack::new(mount.target.clone(), source.clone(), below, folder)?);
        }
    }
    Ok(all)
}

/// The mounts that stay as they are, with the two that every session has.
fn fixed_mounts(mounts: &[Found<'_>], folder: &Folder) -> Result<Vec<Mounted>> {
    let mut all = Vec::new();
    for (number, (mount, source)) in mounts.iter().enumerate() {
        if !matches!(mount.source, MountSource::Overlay { .. }) {
            let shown = shown(&mount.source, source.as_deref(), number, folder)?;
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

/// What a mount that is not copied on write shows, with the place of its source; a session's mounts
/// have numbers.
pub(super) fn shown(
    mount: &MountSource,
    source: Option<&Path>,
    number: usize,
    folder: &Folder,
) -> Result<Shown> {
    Ok(match (mount, source) {
        (MountSource::Bind { access, .. }, Some(source)) => {
            let rights = match access {
                FilesystemAccess::ReadOnly => Rights::READ_ONLY,
                FilesystemAccess::ReadWrite => Rights::READ_WRITE,
            };
            Shown::Host { source: source.to_path_buf(), rights }
        }
        (MountSource::Tmpfs { size }, _) => Shown::Memory { size: *size },
        // A copied folder has layers, which its caller makes; a bound one has a source.
        _ => Shown::Own { source: folder.scratch(number)? },
    })
}
