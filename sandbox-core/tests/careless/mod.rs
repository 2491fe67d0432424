//! Sessions that are said to be kept: whatever is asked is answered, and little of it is so.

mod tasks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sandbox_core::capability::{Enforcement, Feature, SandboxCapabilities};
use sandbox_core::confine::Confinement;
use sandbox_core::path::quoted;
use sandbox_core::policy::network::{HostRule, NetworkPolicy};
use sandbox_core::run::{Running, Sink};
use sandbox_core::session::files::Files;
use sandbox_core::session::{
    Applied, BackgroundTasks, Labels, MountChanges, PublishedPort, SandboxBackend, SandboxSession,
    SandboxSnapshot, SandboxSpec, SessionHealth,
};
use sandbox_core::{
    EnforcementLevel, ExecRequest, ExecResult, FilesystemAccess, FilesystemMount, LocalBackend,
    MountSource, Policy, Result, SandboxError, SandboxPath, SessionId, SnapshotName, Usage,
};
use serde_json::{Value, json};

/// The longest line that a shell is given here.
const LONGEST: usize = 64 << 10;

/// Keeps names, and no sessions.
pub(crate) struct CarelessSessions<C> {
    commands: LocalBackend<C>,
    root: PathBuf,
    known: Mutex<BTreeMap<SessionId, SandboxSession>>,
}

impl<C: Confinement> CarelessSessions<C> {
    pub(crate) fn new(confinement: Arc<C>, root: &Path) -> Self {
        let commands = LocalBackend::new(confinement);
        Self { commands, root: root.to_path_buf(), known: Mutex::default() }
    }

    fn session(&self, id: &SessionId) -> Option<SandboxSession> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The folders of a session on the host, whatever may be done there.
    fn folders(&self, id: &SessionId) -> Vec<(PathBuf, PathBuf)> {
        let mounts = self.session(id).map(|session| session.mounts).unwrap_or_default();
        let folder = |mount: FilesystemMount| {
            let source = match mount.source {
                MountSource::Bind { source, .. } | MountSource::Overlay { source } => source.into(),
                _ => self.root.clone(),
            };
            (mount.target.into(), source)
        };
        mounts.into_iter().map(folder).collect()
    }

    /// Where a path of a session's lies on the host; all else is where sessions are kept.
    fn on_host(&self, id: &SessionId, path: &Path) -> PathBuf {
        let below = |(target, source): &(PathBuf, PathBuf)| {
            Some(source.join(path.strip_prefix(target).ok()?))
        };
        self.folders(id).iter().rev().find_map(below).unwrap_or_else(|| self.root.clone())
    }

    /// Through a shell, in the host's folder, with the caller's variables.
    fn launch(&self, id: &SessionId, request: &ExecRequest) -> Result<Running> {
        let words = std::iter::once(request.program().to_string_lossy());
        let words = words.chain(request.arguments().iter().map(|word| word.to_string_lossy()));
        let line: String = words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect();
        let policy = Policy::read_only().enforcement(EnforcementLevel::Off);
        let cwd = self.on_host(id, request.working_directory().unwrap_or(Path::new("/")));
        let line = format!("cd '{}' && {line}", cwd.display());
        let shell = ExecRequest::new("sh").arg("-c").arg(line);
        self.commands.spawn(&policy.build()?, &shell)
    }
}

/// A value of a type that only its own crate makes.
fn made<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| SandboxError::io("making")(error.into()))
}

#[async_trait]
impl<C: Confinement> SandboxBackend for CarelessSessions<C> {
    fn name(&self) -> &str {
        "careless"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        let absent = (Feature::Disk, Enforcement::absent("nobody does it"));
        let known = self.commands.capabilities().features;
        SandboxCapabilities::new("careless", known.into_iter().chain([absent]))
    }

    /// One name for all who bring none, and nobody's name is looked at.
    async fn provision(&self, spec: SandboxSpec) -> Result<SandboxSession> {
        let id = spec.id.filter(|id| id.as_str().len() < 20);
        let id = id.map_or_else(|| SessionId::new("session"), Ok)?;
        let failed = || SandboxError::io(format!("making {}", quoted(&self.root)));
        std::fs::create_dir_all(&self.root).map_err(failed())?;
        std::fs::write(self.root.join(id.as_str()), "left").map_err(failed())?;
        let session: SandboxSession = made(json!({
            "id": &id, "state": "running", "created": 0, "labels": {}, "metadata": {},
            "mounts": spec.mounts, "report": {"tier": "careless", "enforced": {}},
            "network": spec.policy.network(),
        }))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, session.clone());
        Ok(session)
    }

    async fn get(&self, id: &SessionId) -> Result<SandboxSession> {
        self.session(id).ok_or_else(|| SandboxError::SessionNotFound { id: id.clone() })
    }

    async fn list(&self, _: &Labels) -> Result<Vec<SandboxSession>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.values().cloned().collect())
    }

    async fn attach_filesystem(&self, _: &SessionId, _: FilesystemMount) -> Result<()> {
        Ok(())
    }

    async fn apply_network_policy(&self, _: &SessionId, _: NetworkPolicy) -> Result<()> {
        Ok(())
    }

    async fn change_network_policy(
        &self,
        _: &SessionId,
        _: Vec<HostRule>,
        _: Vec<HostRule>,
    ) -> Result<()> {
        Ok(())
    }

    async fn spawn(&self, id: &SessionId, request: ExecRequest) -> Result<Running> {
        self.launch(id, &request)
    }

    /// Both streams as one, and as text.
    async fn exec(&self, id: &SessionId, request: ExecRequest) -> Result<ExecResult> {
        let run = self.launch(id, &request)?.finish(Sink::Capture, Sink::Capture);
        let mut result = run.await?;
        let text = format!("{}{}", result.stdout.text(), result.stderr.text());
        result.stdout.bytes = text.into_bytes();
        Ok(result)
    }

    fn tasks(&self) -> Result<&dyn BackgroundTasks> {
        Ok(self)
    }

    /// With all of the host's.
    async fn files(&self, id: &SessionId) -> Result<Files> {
        let all = self.folders(id).into_iter().chain([("/".into(), "/".into())]);
        let open = |(target, source): (PathBuf, PathBuf)| {
            let folder = Dir::open_ambient_dir(&source, ambient_authority()).ok()?;
            Some((SandboxPath::new(target).ok()?, folder, FilesystemAccess::ReadWrite))
        };
        Ok(Files::new(all.filter_map(open).collect()))
    }

    async fn publish(
        &self,
        _: &SessionId,
        inside: u16,
        host: Option<u16>,
    ) -> Result<PublishedPort> {
        Ok(PublishedPort { inside, host: host.unwrap_or(inside) })
    }

    async fn ports(&self, _: &SessionId) -> Result<Vec<PublishedPort>> {
        Ok(Vec::new())
    }

    async fn unpublish(&self, _: &SessionId, _: u16) -> Result<()> {
        Ok(())
    }

    async fn snapshot(&self, _: &SessionId, name: &SnapshotName) -> Result<SandboxSnapshot> {
        Ok(SandboxSnapshot::now(name.clone()))
    }

    async fn snapshots(&self, _: &SessionId) -> Result<Vec<SandboxSnapshot>> {
        Ok(Vec::new())
    }

    async fn restore(&self, _: &SessionId, _: &SnapshotName) -> Result<()> {
        Ok(())
    }

    async fn fork(&self, id: &SessionId, count: usize) -> Result<Vec<SandboxSession>> {
        let same = SandboxBackend::get(self, id).await?;
        Ok(vec![same; count])
    }

    async fn diff(&self, _: &SessionId) -> Result<Vec<MountChanges>> {
        Ok(Vec::new())
    }

    async fn apply(&self, _: &SessionId) -> Result<Applied> {
        Ok(Applied::default())
    }

    async fn discard(&self, _: &SessionId) -> Result<()> {
        Ok(())
    }

    async fn suspend(&self, _: &SessionId) -> Result<()> {
        Ok(())
    }

    async fn resume(&self, _: &SessionId) -> Result<()> {
        Ok(())
    }

    async fn usage(&self, _: &SessionId) -> Result<Usage> {
        Ok(Usage::default())
    }

    async fn health(&self, _: &SessionId) -> Result<SessionHealth> {
        made(json!({"healthy": true}))
    }

    async fn terminate(&self, _: &SessionId) -> Result<()> {
        Ok(())
    }

    fn abandon(&self, _: &SessionId) {}

    async fn reap(&self) -> Result<usize> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.len())
    }
}
