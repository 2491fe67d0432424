//! The process that owns a session: how it leaves its caller behind, and how it is started.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sandbox_core::remote::{self, Launcher};
use sandbox_core::session::SandboxBackend;
use sandbox_core::{SandboxCapabilities, SandboxError};
use tokio::signal::unix::{SignalKind, signal};

use super::sys;
use crate::args::BackendChoice;

/// Starts this very program as the owner of a session.
pub(crate) struct Program {
    pub(crate) choice: BackendChoice,
    pub(crate) capabilities: fn(BackendChoice) -> SandboxCapabilities,
}

impl Launcher for Program {
    fn name(&self) -> &str {
        "local"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        (self.capabilities)(self.choice)
    }

    fn supervisor(&self) -> io::Result<Command> {
        // By the kernel's own link where there is one: the file may have been replaced.
        let link = Path::new("/proc/self/exe");
        let program = if link.exists() { link.to_path_buf() } else { std::env::current_exe()? };
        let mut command = Command::new(program);
        command.arg("supervise").arg("--backend").arg(self.choice.name());
        Ok(command)
    }
}

/// Leaves everything of the caller's but the order and the way to answer it, and reads the order.
pub(crate) fn detach() -> io::Result<Vec<u8>> {
    let mut order = Vec::new();
    io::stdin().lock().read_to_end(&mut order)?;
    let null = OpenOptions::new().read(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    drop(null);
    sys::close_all_but_standard();
    // Without a terminal, nothing that happens to the caller's reaches this process. One that leads
    // a session already is detached already.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::env::set_current_dir("/")?;
    Ok(order)
}

/// Owns the session that the order describes, until it is over or somebody ends this process kindly.
pub(crate) async fn serve(
    sessions: Arc<dyn SandboxBackend>,
    root: PathBuf,
    order: &[u8],
) -> Result<(), SandboxError> {
    // Before anybody is told of the session: whoever is may end this process at once.
    let asked = asked_to_end().map_err(SandboxError::io("listening for signals"))?;
    tokio::select! {
        served = remote::supervise(sessions, root, order, answer, sys::forget_code) => served,
        // What it owned ends with it.
        () = asked => Ok(()),
    }
}

/// Gives the answer, and closes what it was given on.
fn answer(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    drop(out);
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    // Most of what made the session is never needed again, and this process stays.
    sys::forget_code();
    Ok(())
}

fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            // Nobody can hang up on a process without a terminal.
            () = async { while hang_up.recv().await.is_some() {} } => {}
        }
    })
}
