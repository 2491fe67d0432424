//! A place for sessions: a repository of the host's, and a folder for what sessions have.
#![allow(dead_code, reason = "shared by tests that each use a part")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, FilesystemMount, Policy, SandboxPath, SessionId};
use sandbox_linux::{LinuxConfinement, TierChoice};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

pub(crate) struct Stage {
    pub(crate) all: tempfile::TempDir,
    pub(crate) sessions: LocalSessions<LinuxConfinement>,
}

impl Stage {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        Self::of(TierChoice::Namespaces)
    }

    pub(crate) fn of(tier: TierChoice) -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        fs::create_dir(all.path().join("repo"))?;
        fs::write(all.path().join("repo/file"), "host\n")?;
        let confinement = Arc::new(LinuxConfinement::new(tier)?);
        let sessions = LocalSessions::new(confinement, fs::canonicalize(all.path())?.join("root"));
        Ok(Self { all, sessions })
    }

    pub(crate) fn repo(&self) -> Result<PathBuf, Box<dyn Error>> {
        Ok(fs::canonicalize(self.all.path())?.join("repo"))
    }

    pub(crate) fn overlay(&self) -> Result<FilesystemMount, Box<dyn Error>> {
        Ok(FilesystemMount::overlay(self.repo()?, "/work")?)
    }

    /// A session with a copy-on-write `/work`.
    pub(crate) fn spec(&self) -> Result<SandboxSpec, Box<dyn Error>> {
        Ok(SandboxSpec::new(Policy::read_only().build()?).mount(self.overlay()?))
    }

    pub(crate) async fn open(&self, spec: SandboxSpec) -> Result<SessionId, Box<dyn Error>> {
        Ok(self.sessions.provision(spec).await?.id)
    }

    /// What a script prints, its errors with it.
    pub(crate) async fn run(&self, id: &SessionId, script: &str) -> Result<String, Box<dyn Error>> {
        let request = ExecRequest::new("sh").arg("-c").arg(format!("exec 2>&1\n{script}"));
        let result = self.sessions.exec(id, request.cwd("/work")).await?;
        Ok(result.stdout.text().into_owned())
    }

    /// The host's path of what a session has at `/mnt/memory`.
    pub(crate) fn memory(&self, id: &SessionId) -> PathBuf {
        self.all.path().join("root/sessions").join(id.as_str()).join("memory")
    }
}

pub(crate) fn at(path: impl AsRef<Path>) -> Result<SandboxPath, Box<dyn Error>> {
    Ok(SandboxPath::new(path.as_ref())?)
}
