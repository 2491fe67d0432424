//! A session of a supervisor that is this very process, and its caller.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::remote::{Launcher, RemoteSessions, supervise};
use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{
    ExecRequest, FilesystemMount, Policy, Result as Done, SandboxCapabilities, SessionId,
};
use sandbox_linux::{LinuxConfinement, TierChoice};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// The supervisor of these tests is this process, so nobody else is started.
pub(crate) struct Nobody;

impl Launcher for Nobody {
    fn name(&self) -> &str {
        "linux"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::default()
    }

    fn supervisor(&self) -> std::io::Result<Command> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

pub(crate) struct Stage {
    pub(crate) all: tempfile::TempDir,
    pub(crate) sessions: RemoteSessions<Nobody>,
    pub(crate) supervisor: JoinHandle<Done<()>>,
    pub(crate) id: SessionId,
}

impl Stage {
    pub(crate) async fn new() -> Result<Self, Box<dyn Error>> {
        Self::with(Policy::read_only().build()?).await
    }

    pub(crate) async fn with(policy: Policy) -> Result<Self, Box<dyn Error>> {
        let all = tempfile::tempdir()?;
        let top = fs::canonicalize(all.path())?;
        fs::create_dir(top.join("repo"))?;
        fs::write(top.join("repo/file"), "host\n")?;
        let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
        let local = Arc::new(LocalSessions::new(confinement, top.join("root")));
        let spec = SandboxSpec::new(policy)
            .mount(FilesystemMount::overlay(top.join("repo"), "/work")?)
            .label("for", "test");
        let order = serde_json::to_vec(&spec)?;
        let (say, said) = oneshot::channel();
        let root = top.join("root");
        let supervisor = tokio::spawn(async move {
            let say = move |answer: &[u8]| {
                say.send(answer.to_vec()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
            };
            supervise(local, root, &order, say, || {}).await
        });
        let answer: serde_json::Value = serde_json::from_slice(&said.await?)?;
        let id = answer["done"]["id"].as_str().ok_or_else(|| answer.to_string())?.parse()?;
        let sessions = RemoteSessions::new(Nobody, top.join("root"));
        Ok(Self { all, sessions, supervisor, id })
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.all.path().join("root/sessions").join(self.id.as_str())
    }

    pub(crate) async fn run(&self, script: &str) -> Result<String, Box<dyn Error>> {
        let request = shell(&format!("exec 2>&1\n{script}")).cwd("/work");
        Ok(self.sessions.exec(&self.id, request).await?.stdout.text().into_owned())
    }

    pub(crate) async fn end(self) -> Outcome {
        self.sessions.terminate(&self.id).await?;
        self.supervisor.await??;
        for name in ["sessions", "layers"] {
            assert_eq!(fs::read_dir(self.all.path().join("root").join(name))?.count(), 0);
        }
        Ok(())
    }
}

pub(crate) fn shell(script: &str) -> ExecRequest {
    ExecRequest::new("sh").arg("-c").arg(script)
}

/// Waits until a condition holds.
pub(crate) async fn eventually(
    mut holds: impl AsyncFnMut() -> Result<bool, Box<dyn Error>>,
) -> Outcome {
    for _ in 0..400 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err("it never came true".into())
}

/// What comes of something within a time that nobody is patient for.
pub(crate) async fn soon<T>(it: impl Future<Output = T>) -> Result<T, Box<dyn Error>> {
    Ok(tokio::time::timeout(Duration::from_secs(20), it).await?)
}
