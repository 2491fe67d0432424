//! What becomes of a workspace: snapshots, restores and forks of one with 20,000 files and 1 GB,
//! beside a plain copy of it; and the end of a session with a tree of processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSnapshot, SandboxSpec};
use sandbox_core::{ExecRequest, FilesystemMount, Policy, SessionId, SnapshotName};
use sandbox_linux::{LinuxConfinement, TierChoice};

use super::contenders::Contender;

/// Folders, files in each, bytes in each: 20,000 files, 1 GB.
const SHAPE: (usize, usize, usize) = (200, 100, 50_000);

/// How many forks are made at once.
const FORKS: usize = 10;

/// The processes of a tree, its first one included.
const TREE: usize = 51;

/// Prepares a contender.
pub(super) fn open(name: &str, workspace: &Path) -> Result<Box<dyn Contender>> {
    fill(workspace)?;
    Ok(match name {
        "copy" => Box::new(Copy::new(workspace)),
        "snapshot" => Box::new(Snapshot(Stage::new(workspace)?, 0)),
        "restore" => Box::new(Restore::new(Stage::new(workspace)?)?),
        "fork" => Box::new(Fork(Stage::new(workspace)?, Vec::new())),
        _ => Box::new(Tree(Stage::new(workspace)?)),
    })
}

/// Makes the workspace, once.
fn fill(workspace: &Path) -> Result<()> {
    let (folders, files, bytes) = SHAPE;
    let done = workspace.with_extension("complete");
    if done.exists() {
        return Ok(());
    }
    let content = vec![b'x'; bytes];
    for folder in 0..folders {
        let folder = workspace.join(folder.to_string());
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        for file in 0..files {
            fs::write(folder.join(file.to_string()), &content).context("write the workspace")?;
        }
    }
    fs::write(&done, "").with_context(|| format!("write {}", done.display()))
}

/// `cp -a`, and the removal of the copy beside the clock.
struct Copy {
    from: PathBuf,
    to: PathBuf,
}

impl Copy {
    fn new(from: &Path) -> Self {
        Self { from: from.into(), to: from.with_extension("copy") }
    }

    fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| format!("remove {}", self.to.display())),
        }
    }
}

impl Contender for Copy {
    fn prepare(&mut self) -> Result<()> {
        self.remove()
    }

    fn run_once(&mut self) -> Result<()> {
        let mut command = Command::new("cp");
        command.arg("-a").arg(&self.from).arg(&self.to).stdin(Stdio::null());
        let status = command.status().context("run cp")?;
        ensure!(status.success(), "cp: {status}");
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A copy that stays costs room and nothing else.
        let _ = self.remove();
    }
}

/// A session over a copy of the workspace.
struct Stage {
    runtime: tokio::runtime::Runtime,
    sessions: LocalSessions<LinuxConfinement>,
    id: SessionId,
    spec: SandboxSpec,
    _root: tempfile::TempDir,
}

impl Stage {
    fn new(workspace: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // On a disk, as a user's state is.
        let near = workspace.parent().context("the workspace's folder")?;
        let root = tempfile::tempdir_in(near)?;
        let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
        let sessions = LocalSessions::new(confinement, root.path().join("root"));
        let mount = FilesystemMount::overlay(workspace, "/work")?;
        let spec = SandboxSpec::new(Policy::read_only().build()?).mount(mount);
        let id = runtime.block_on(sessions.provision(spec.clone()))?.id;
        Ok(Self { runtime, sessions, id, spec, _root: root })
    }

    /// Changes a few files, as a command would between two snapshots.
    fn work(&self) -> Result<()> {
        let script = "for it in 0 1 2 3 4; do echo changed > $it/$it; done; rm 9/9";
        let request = ExecRequest::new("sh").arg("-c").arg(script).cwd("/work");
        self.runtime.block_on(self.sessions.exec(&self.id, request))?;
        Ok(())
    }

    fn snapshot(&self, number: usize) -> Result<SandboxSnapshot> {
        let name = SnapshotName::new(format!("number {number}"))?;
        Ok(self.runtime.block_on(self.sessions.snapshot(&self.id, &name))?)
    }

    /// The same session anew, without what earlier rounds have left.
    fn renew(&mut self) -> Result<()> {
        self.runtime.block_on(self.sessions.terminate(&self.id))?;
        self.id = self.runtime.block_on(self.sessions.provision(self.spec.clone()))?.id;
        Ok(())
    }
}

struct Snapshot(Stage, usize);

impl Contender for Snapshot {
    fn prepare(&mut self) -> Result<()> {
        self.0.renew()?;
        self.0.work()
    }

    fn run_once(&mut self) -> Result<()> {
        self.1 += 1;
        self.0.snapshot(self.1).map(drop)
    }
}

struct Restore {
    stage: Stage,
    state: SandboxSnapshot,
}

impl Restore {
    fn new(stage: Stage) -> Result<Self> {
        stage.work()?;
        let state = stage.snapshot(0)?;
        Ok(Self { stage, state })
    }
}

impl Contender for Restore {
    fn prepare(&mut self) -> Result<()> {
        self.stage.work()
    }

    fn run_once(&mut self) -> Result<()> {
        let restore = self.stage.sessions.restore(&self.stage.id, &self.state.name);
        Ok(self.stage.runtime.block_on(restore)?)
    }
}

struct Fork(Stage, Vec<SessionId>);

impl Contender for Fork {
    fn prepare(&mut self) -> Result<()> {
        for fork in self.1.drain(..) {
            self.0.runtime.block_on(self.0.sessions.terminate(&fork))?;
        }
        self.0.renew()?;
        self.0.work()
    }

    fn run_once(&mut self) -> Result<()> {
        let forks = self.0.runtime.block_on(self.0.sessions.fork(&self.0.id, FORKS))?;
        self.1.extend(forks.into_iter().map(|fork| fork.id));
        Ok(())
    }
}

struct Tree(Stage);

impl Contender for Tree {
    fn prepare(&mut self) -> Result<()> {
        let stage = &mut self.0;
        stage.id = stage.runtime.block_on(async {
            let id = stage.sessions.provision(stage.spec.clone()).await?.id;
            let tree = format!(
                "for it in $(seq {}); do sleep 1000 & done; echo ready; exec sleep 1000",
                TREE - 1
            );
            let request = ExecRequest::new("sh").arg("-c").arg(tree);
            let tasks = stage.sessions.tasks()?;
            let task = tasks.start(&id, request).await?.id;
            while !tasks.log(&id, task).await?.starts_with(b"ready") {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            anyhow::Ok(id)
        })?;
        Ok(())
    }

    fn run_once(&mut self) -> Result<()> {
        Ok(self.0.runtime.block_on(self.0.sessions.terminate(&self.0.id))?)
    }
}
