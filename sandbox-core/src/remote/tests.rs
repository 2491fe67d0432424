//! What the tests of both sides share: a session's owner without a sandbox, and somebody else.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::process::{Uid, geteuid};
use tokio::sync::Semaphore;

use super::{Launcher, RemoteSessions};
use crate::capability::{Report, SandboxCapabilities};
use crate::egress::decision::Log;
use crate::egress::gateway::Gateway;
use crate::egress::{Level, Rules};
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, Usage};
use crate::ids::SessionId;
use crate::mount::FilesystemAccess;
use crate::path::SandboxPath;
use crate::policy::network::NetworkPolicy;
use crate::run::Running;
use crate::session::files::Files;
use crate::session::{
    Labels, SandboxBackend, SandboxSession, SandboxSpec, SandboxState, SessionHealth,
    SessionNetwork,
};

/// A user who is nobody here.
const STRANGER: u32 = 61_234;

pub(super) fn session() -> SandboxSession {
    SandboxSession {
        id: SessionId::new("s").unwrap(),
        state: SandboxState::Running,
        created: 0,
        labels: Labels::new(),
        metadata: Labels::new(),
        mounts: Vec::new(),
        parent: None,
        network: NetworkPolicy::denied(),
        report: Report::default(),
    }
}

/// Callers that start no owner.
pub(super) struct Nobody;

impl Launcher for Nobody {
    fn name(&self) -> &str {
        "fake"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::default()
    }

    fn supervisor(&self) -> std::io::Result<Command> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

pub(super) fn caller(root: &Path) -> RemoteSessions<Nobody> {
    RemoteSessions::new(Nobody, root)
}

/// One session, of which nothing is true but what a test says.
pub(super) struct Fake {
    pub(super) is_over: AtomicBool,
    pub(super) is_in_trouble: AtomicBool,
    /// How many folders it has.
    pub(super) folders: Mutex<usize>,
    /// Its usage is known as often as there are permits.
    pub(super) usages: Semaphore,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            is_over: AtomicBool::new(false),
            is_in_trouble: AtomicBool::new(false),
            folders: Mutex::new(0),
            usages: Semaphore::new(0),
        }
    }
}

#[async_trait]
impl SandboxBackend for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities::default()
    }

    async fn provision(&self, _: SandboxSpec) -> Result<SandboxSession> {
        Ok(session())
    }

    async fn get(&self, id: &SessionId) -> Result<SandboxSession> {
        if self.is_in_trouble.load(Ordering::Relaxed) {
            return Err(SandboxError::Elsewhere("trouble".into()));
        }
        if self.is_over.load(Ordering::Relaxed) {
            return Err(SandboxError::SessionNotFound { id: id.clone() });
        }
        Ok(session())
    }

    async fn list(&self, _: &Labels) -> Result<Vec<SandboxSession>> {
        Ok(vec![session()])
    }

    async fn network(&self, _: &SessionId, seen: u64) -> Result<SessionNetwork> {
        let log = Arc::new(Log::new());
        let gateway = Gateway::setup("s", Rules::default()).log(Arc::clone(&log)).start();
        gateway.name_refused(&"one.example".parse().unwrap());
        gateway.name_refused(&"two.example".parse().unwrap());
        let (policy, level) = (session().network, Some(Level::ProxyAwareOnly));
        Ok(SessionNetwork { policy, level, summary: log.summary(), decisions: log.since(seen) })
    }

    async fn spawn(&self, _: &SessionId, _: ExecRequest) -> Result<Running> {
        Err(self.unsupported("commands"))
    }

    async fn files(&self, _: &SessionId) -> Result<Files> {
        let folder = |number| {
            let target = SandboxPath::new(format!("/{number}")).unwrap();
            let folder = Dir::open_ambient_dir("/", ambient_authority()).unwrap();
            (target, folder, FilesystemAccess::ReadOnly)
        };
        Ok(Files::new((0..*self.folders.lock().unwrap()).map(folder).collect()))
    }

    async fn suspend(&self, _: &SessionId) -> Result<()> {
        Ok(())
    }

    async fn resume(&self, _: &SessionId) -> Result<()> {
        Ok(())
    }

    async fn usage(&self, _: &SessionId) -> Result<Usage> {
        self.usages.acquire().await.unwrap().forget();
        Ok(Usage::default())
    }

    async fn health(&self, _: &SessionId) -> Result<SessionHealth> {
        Err(self.unsupported("health"))
    }

    async fn terminate(&self, _: &SessionId) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn abandon(&self, _: &SessionId) {}

    async fn reap(&self) -> Result<usize> {
        Ok(0)
    }
}

/// Does something as another user, which only root can; `None` for who is not.
pub(super) fn as_a_stranger<T: Send>(act: impl FnOnce() -> T + Send) -> Option<T> {
    if !geteuid().is_root() {
        return None;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of this thread alone, which ends here.
            let stranger = Uid::from_raw(STRANGER);
            rustix::thread::set_thread_res_uid(stranger, stranger, stranger).unwrap();
            act()
        });
        Some(thread.join().unwrap())
    })
}
