//! The suite of behaviours, for both tiers, for the sessions of both, and for sessions that processes
//! of their own keep. Run it as root and as an ordinary user.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use sandbox_core::conformance::{self, Keeper, Subject};
use sandbox_core::remote::{Launcher, RemoteSessions, supervise};
use sandbox_core::session::{LocalSessions, SandboxBackend};
use sandbox_core::{Result, SandboxCapabilities, SandboxError};
use sandbox_linux::{LinuxConfinement, TierChoice, backend_with};

/// The first argument of a process that keeps a session; the folder follows.
const KEEP: &str = "--keep-a-session";

/// What a session has that is not made of namespaces.
const NO_NAMESPACES: &[&str] = &[
    "folders that are copied on write",
    "folders in memory",
    "mounts in a sandbox that lives",
    NO_OTHER_NETWORK,
];

const NO_OTHER_NETWORK: &str = "the host's network in a session that was made without it";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == KEEP) {
        return keep(arguments.next().unwrap_or_default());
    }
    conformance::main(|| {
        vec![
            Subject::new("landlock", backend_with(TierChoice::Landlock))
                .with_sessions(local(TierChoice::Landlock).lacking(NO_NAMESPACES)),
            Subject::new("namespaces", backend_with(TierChoice::Namespaces))
                .with_sessions(local(TierChoice::Namespaces).lacking(&[NO_OTHER_NETWORK])),
            Subject::of_sessions("remote", remote().lacking(&[NO_OTHER_NETWORK])),
        ]
    })
}

fn sessions(tier: TierChoice, root: &Path) -> Result<Arc<dyn SandboxBackend>> {
    Ok(Arc::new(LocalSessions::new(Arc::new(LinuxConfinement::new(tier)?), root)))
}

fn local(tier: TierChoice) -> Keeper {
    Keeper::new(move |root| sessions(tier, root)).orphan(plant_orphan)
}

fn remote() -> Keeper {
    let make = |root: &Path| -> Result<Arc<dyn SandboxBackend>> {
        let capabilities = backend_with(TierChoice::Namespaces)?.capabilities();
        let launcher = OwnProgram { root: root.to_path_buf(), capabilities };
        Ok(Arc::new(RemoteSessions::new(launcher, root)))
    };
    Keeper::new(make).orphan(plant_orphan)
}

/// As if a session's owner had been killed: its folder is there, and nobody holds its lock.
fn plant_orphan(root: &Path) -> io::Result<()> {
    let folder = root.join("sessions/orphan");
    std::fs::create_dir_all(folder.join("memory"))?;
    std::fs::write(folder.join("memory/note"), "kept")?;
    std::fs::write(folder.join("lock"), "")
}

/// Has this very program keep sessions.
struct OwnProgram {
    root: PathBuf,
    capabilities: SandboxCapabilities,
}

impl Launcher for OwnProgram {
    fn name(&self) -> &str {
        "linux"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        self.capabilities.clone()
    }

    fn supervisor(&self) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(KEEP).arg(&self.root);
        Ok(command)
    }
}

/// Keeps the session that standard input describes.
fn keep(root: OsString) -> ExitCode {
    let kept = || -> Result<()> {
        let failed = || SandboxError::io("keeping a session");
        let mut order = Vec::new();
        io::stdin().lock().read_to_end(&mut order).map_err(failed())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed())?;
        let (root, tier) = (PathBuf::from(root), TierChoice::Namespaces);
        let local = sessions(tier, &root)?;
        runtime.block_on(supervise(local, root, &order, answer, || {}))
    };
    kept().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// Gives the answer, and closes what it was given on.
fn answer(text: &[u8]) -> io::Result<()> {
    io::stdout().lock().write_all(text)?;
    io::stdout().lock().flush()?;
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}
