//! The library itself as a contender: a policy compiled once, launched again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::session::{LocalSessions, SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, Exit, NetworkPolicy, Policy, SessionId};
use sandbox_linux::{LinuxConfinement, Prepared, TierChoice};

use super::contenders::Contender;

/// The time in which a pool fills up again.
const SETTLE: Duration = Duration::from_millis(5);

/// Prepares a tier.
pub(super) fn open(name: &str, program: &Path) -> Result<Box<dyn Contender>> {
    let (tier, network) = match name {
        "landlock" => (TierChoice::Landlock, NetworkPolicy::denied()),
        "namespaces-net" => (TierChoice::Namespaces, NetworkPolicy::Unrestricted),
        _ => (TierChoice::Namespaces, NetworkPolicy::denied()),
    };
    let policy = Policy::read_only().network(network).build()?;
    let plan = Plan::new(&policy, &ExecRequest::new(program), &Host::current())?;
    Ok(Box::new(Launch(Prepared::new(plan, tier)?)))
}

/// Prepares a session, or a pool of this many.
pub(super) fn session(program: &Path, pool: Option<usize>) -> Result<Box<dyn Contender>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let root = tempfile::tempdir()?;
    let confinement = Arc::new(LinuxConfinement::new(TierChoice::Namespaces)?);
    let sessions = LocalSessions::new(confinement, root.path().join("root"));
    let mut spec = SandboxSpec::new(Policy::read_only().build()?);
    spec.pool = pool;
    let id = runtime.block_on(sessions.provision(spec))?.id;
    let (program, refills) = (program.to_path_buf(), pool.is_some());
    Ok(Box::new(Session { runtime, sessions, id, program, refills, _root: root }))
}

/// A further command in a session.
struct Session {
    runtime: tokio::runtime::Runtime,
    sessions: LocalSessions<LinuxConfinement>,
    id: SessionId,
    program: PathBuf,
    /// Whether something is made anew after each command.
    refills: bool,
    _root: tempfile::TempDir,
}

impl Contender for Session {
    fn run_once(&mut self) -> Result<()> {
        let request = ExecRequest::new(&self.program);
        let result = self.runtime.block_on(self.sessions.exec(&self.id, request))?;
        ensure!(result.exit == Exit::Code(0), "the command ended with {:?}", result.exit);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        if self.refills {
            self.runtime.block_on(async { tokio::time::sleep(SETTLE).await });
            std::process::Command::new(&self.program).status()?;
        }
        Ok(())
    }
}

struct Launch(Prepared);

impl Contender for Launch {
    fn run_once(&mut self) -> Result<()> {
        let exit = self.0.status()?;
        ensure!(exit == Exit::Code(0), "the command ended with {exit:?}");
        Ok(())
    }
}
