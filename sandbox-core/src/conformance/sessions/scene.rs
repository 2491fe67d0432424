//! What a case on sessions is given: a backend, a fresh world, a store, and patience.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::{Sandbox, WORK};
use crate::capability::{Enforcement, Feature, Report};
use crate::conformance::context::{at, ensure, own_program};
use crate::conformance::subject::Keeper;
use crate::conformance::world::{Stage, World};
use crate::conformance::{Stop, Verdict, sys};
use crate::error::SandboxError;
use crate::mount::{FilesystemAccess, FilesystemMount};
use crate::policy::{EnforcementLevel, Policy, PolicyBuilder};
use crate::session::{Labels, SandboxBackend, SandboxSpec};

/// Longer than any call of the suite needs, also on a slow machine under load.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long something may take to come true: less than what a probe does by itself.
const TRIES: Duration = Duration::from_secs(5);

/// Between two looks at something that will come true.
const PAUSE: Duration = Duration::from_millis(10);

/// One case's surroundings.
pub(in crate::conformance) struct Scene<'a> {
    pub(in crate::conformance) backend: Arc<dyn SandboxBackend>,
    pub(super) keeper: &'a Keeper,
    runtime: Runtime,
    features: &'static [Feature],
    gaps: RefCell<Vec<(Feature, Enforcement)>>,
    world: RefCell<World>,
    set: Cell<bool>,
    /// Where the backend keeps its sessions.
    pub(super) store: PathBuf,
    pub(super) ws: PathBuf,
    pub(super) ro: PathBuf,
    pub(super) out: PathBuf,
    /// The word by which the commands of this case are known.
    pub(super) token: String,
    /// The word by which they and whoever keeps its sessions are known.
    root: String,
}

impl<'a> Scene<'a> {
    pub(in crate::conformance) fn new(
        keeper: &'a Keeper,
        stage: &Stage,
        features: &'static [Feature],
    ) -> Verdict<Self> {
        let world = World::new(stage)?;
        let root = world.root();
        let store = root.join("store");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let made = {
            let _entered = runtime.enter();
            keeper.backend(&store)
        };
        let backend =
            made.map_err(|error| Stop::failed(format!("the backend cannot be made: {error}")))?;
        Ok(Self {
            backend,
            keeper,
            runtime,
            features,
            gaps: RefCell::default(),
            ws: world.workspace.clone(),
            ro: world.read_only.clone(),
            out: world.outside.clone(),
            token: at(&root, "a-command"),
            root: root.to_string_lossy().into_owned(),
            world: RefCell::new(world),
            set: Cell::new(false),
            store,
        })
    }

    /// Runs a case, ends its sessions and looks at what is left.
    pub(in crate::conformance) fn judge(&self, run: fn(&Scene<'_>) -> Verdict) -> Verdict {
        let verdict = run(self);
        let ended = self.end_all();
        // Nobody waits for the end of what has failed.
        let gone = if verdict.is_ok() { self.gone(&self.root) } else { Ok(()) };
        sys::end(&sys::processes_named(&self.root));
        verdict?;
        ended?;
        gone?;
        let left = files_below(&self.store);
        ensure(left.is_empty(), || format!("left of sessions that are over: {left:?}"))?;
        let changes = if self.set.get() { self.world.borrow().changes()? } else { Vec::new() };
        ensure(changes.is_empty(), || format!("what nobody may write has changed: {changes:?}"))
    }

    fn end_all(&self) -> Verdict {
        let all = self.wait(self.backend.list(&Labels::new()))??;
        for session in all {
            self.wait(self.backend.terminate(&session.id))??;
        }
        Ok(())
    }

    /// No command of this case is left; where nobody waits for the end it may take a moment.
    pub(super) fn all_gone(&self) -> Verdict {
        self.gone(&self.token)
    }

    fn gone(&self, word: &str) -> Verdict {
        let gone = self.eventually(async || Ok(sys::processes_named(word).is_empty()));
        gone.map_err(|_| {
            let left = sys::processes_named(word);
            Stop::failed(format!("processes outlived their session: {left:?}"))
        })
    }

    /// The usual policy: the probe is visible, a run cannot hang, and what the backend lacks in
    /// other respects does not keep this case from running.
    #[expect(clippy::unused_self, reason = "as the other things that a case asks its scene for")]
    pub(super) fn policy(&self) -> Verdict<PolicyBuilder> {
        let policy = Policy::read_only().read(own_program())?.wall_time(PATIENCE / 2);
        Ok(policy.enforcement(EnforcementLevel::BestEffort))
    }

    /// A session under the usual policy without mounts.
    pub(super) fn bare(&self) -> Verdict<SandboxSpec> {
        Ok(SandboxSpec::new(self.policy()?.build()?))
    }

    /// The usual session: the workspace can be written to at [`WORK`].
    pub(super) fn spec(&self) -> Verdict<SandboxSpec> {
        self.spec_under(self.policy()?)
    }

    pub(super) fn spec_under(&self, policy: PolicyBuilder) -> Verdict<SandboxSpec> {
        let work = FilesystemMount::bind(&self.ws, WORK, FilesystemAccess::ReadWrite)?;
        Ok(SandboxSpec::new(policy.build()?).mount(work))
    }

    /// A session that works on a copy of the workspace.
    pub(super) fn copying(&self) -> Verdict<SandboxSpec> {
        Ok(self.bare()?.mount(FilesystemMount::overlay(&self.ws, WORK)?))
    }

    /// Makes a session, or finds that the backend does not offer what it is made of.
    pub(super) fn open(&self, spec: SandboxSpec) -> Verdict<Sandbox<'_>> {
        let session = self.offered(self.try_open(spec)?)?;
        self.note_gaps(&session.report);
        Ok(Sandbox { scene: self, id: session.id })
    }

    /// The usual session, made.
    pub(super) fn sandbox(&self) -> Verdict<Sandbox<'_>> {
        self.open(self.spec()?)
    }

    /// Makes a session; a refusal is for the case to judge.
    pub(super) fn try_open(
        &self,
        spec: SandboxSpec,
    ) -> Verdict<Result<crate::session::SandboxSession, SandboxError>> {
        if !self.set.replace(true) {
            self.world.borrow_mut().remember()?;
        }
        self.wait(self.backend.provision(spec))
    }

    /// What a call came to; a refusal that was announced skips the case, any other error fails it.
    pub(super) fn offered<T>(&self, result: Result<T, SandboxError>) -> Verdict<T> {
        match result {
            Err(SandboxError::Unsupported { backend, operation })
                if self.keeper.lacks().iter().any(|known| operation.contains(known)) =>
            {
                Err(Stop::Skipped(format!("{backend} does not support {operation}")))
            }
            other => Ok(other?),
        }
    }

    /// Does something within a time.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Verdict<T> {
        let bounded = async { tokio::time::timeout(PATIENCE, work).await };
        let late = |_| Stop::failed(format!("no answer within {} s", PATIENCE.as_secs()));
        self.runtime.block_on(bounded).map_err(late)
    }

    /// Waits until something is so.
    pub(super) fn eventually(&self, is_so: impl AsyncFn() -> Verdict<bool>) -> Verdict {
        self.wait(async {
            let end = Instant::now() + TRIES;
            while !is_so().await? {
                ensure(Instant::now() < end, || "it never came to be so".into())?;
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        })?
    }

    /// Lets time pass, for the session too.
    pub(super) fn pass(&self, time: Duration) -> Verdict {
        self.wait(async { tokio::time::sleep(time).await })
    }

    /// Something beats, and then it does not any more.
    pub(super) fn stands_still(&self, beats: &Path) -> Verdict {
        // What was on its way into the file when it stopped.
        self.pass(Duration::from_millis(100))?;
        let before = weight(beats);
        ensure(before > 0, || "it never came up".into())?;
        self.pass(Duration::from_millis(250))?;
        ensure(weight(beats) == before, || "something still writes".into())
    }

    /// Waits until something beats, or beats again.
    pub(super) fn beats(&self, beats: &Path) -> Verdict {
        let before = weight(beats);
        self.eventually(async || Ok(weight(beats) > before))
    }

    /// What the sessions of this case say is missing, for the features that it measures.
    pub(in crate::conformance) fn gaps(&self) -> Vec<(Feature, Enforcement)> {
        self.gaps.borrow().clone()
    }

    pub(super) fn note_gaps(&self, report: &Report) {
        let less = |feature: &Feature| match report.enforced.get(feature)? {
            Enforcement::Full { .. } => None,
            less => Some((*feature, less.clone())),
        };
        self.gaps.borrow_mut().extend(self.features.iter().filter_map(less));
    }
}

fn weight(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}

/// Every file below a folder; folders without files do not count.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_below(&entry.path()),
        _ => vec![entry.path()],
    };
    entries.flatten().flat_map(below).collect()
}
