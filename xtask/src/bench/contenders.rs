//! The ways to start a command that are measured, each with `true` as the command.
//!
//! A new contender is a type with [`Contender`], an arm in [`open`] and a row in [`ROWS`]. One
//! that calls a library does its preparation in [`open`] and starts the command in `run_once`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace::on_path;

/// One way to start a command.
pub(super) trait Contender {
    /// Does beside the clock what the next run needs.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Starts the command, waits for it and fails if it failed.
    fn run_once(&mut self) -> Result<()>;

    /// Waits for what goes on beside the clock after a run. The next contender must find the machine
    /// as after any other: a processor that has been idle is slow for a while.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The heap of the process that starts the command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heap {
    Small,
    Big,
}

/// A line of the results.
pub(super) struct Row {
    pub(super) label: &'static str,
    /// What [`open`] calls it.
    pub(super) contender: &'static str,
    pub(super) heap: Heap,
}

/// The first row is what the others are compared with.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { label: "plain spawn", contender: "plain", heap: Heap::Small },
    Row { label: "plain spawn, big heap", contender: "plain", heap: Heap::Big },
    Row { label: "landlock", contender: "landlock", heap: Heap::Small },
    Row { label: "landlock, big heap", contender: "landlock", heap: Heap::Big },
    Row { label: "namespaces", contender: "namespaces", heap: Heap::Small },
    Row { label: "namespaces, big heap", contender: "namespaces", heap: Heap::Big },
    Row { label: "namespaces, host network", contender: "namespaces-net", heap: Heap::Small },
    Row { label: "session exec", contender: "session", heap: Heap::Small },
    Row { label: "pool", contender: "pool", heap: Heap::Small },
    Row { label: "bwrap, no network", contender: "bwrap", heap: Heap::Small },
    Row { label: "bwrap, host network", contender: "bwrap-net", heap: Heap::Small },
    Row { label: "sandbox run", contender: "sandbox", heap: Heap::Small },
    Row { label: "sandbox session exec", contender: "sandbox-session", heap: Heap::Small },
];

/// What is measured with `--state`, beside a plain copy of the same workspace.
#[rustfmt::skip]
pub(super) const STATE: &[Row] = &[
    Row { label: "cp -a", contender: "copy", heap: Heap::Small },
    Row { label: "snapshot", contender: "snapshot", heap: Heap::Small },
    Row { label: "restore", contender: "restore", heap: Heap::Small },
    Row { label: "fork into 10", contender: "fork", heap: Heap::Small },
    Row { label: "end of 51 processes", contender: "tree", heap: Heap::Small },
];

/// What contenders are given.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Given {
    /// The release binary of the command line.
    #[arg(long)]
    pub(super) sandbox: PathBuf,
    /// Where the large workspace is, or will be.
    #[arg(long)]
    pub(super) workspace: PathBuf,
}

/// Prepares a contender.
pub(super) fn open(name: &str, given: &Given) -> Result<Box<dyn Contender>> {
    const BWRAP: &[&str] = &["--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc"];
    let quiet = find("true")?;
    let program = match name {
        "plain" => Program::new(quiet),
        "bwrap" => Program::new(find("bwrap")?).args(BWRAP).args(&["/proc"]).arg(&quiet),
        "bwrap-net" => {
            Program::new(find("bwrap")?).args(BWRAP).args(&["/proc", "--share-net"]).arg(&quiet)
        }
        "sandbox" => Program::new(given.sandbox.clone()).args(&["run", "--"]).arg(&quiet),
        "landlock" | "namespaces" | "namespaces-net" => return super::library::open(name, &quiet),
        "session" => return super::library::session(&quiet, None),
        "pool" => return super::library::session(&quiet, Some(2)),
        "sandbox-session" => return Ok(Box::new(CliSession::new(&given.sandbox, &quiet)?)),
        "copy" | "snapshot" | "restore" | "fork" | "tree" => {
            return super::state::open(name, &given.workspace);
        }
        _ => bail!("there is no contender {name}"),
    };
    Ok(Box::new(program))
}

fn find(program: &str) -> Result<PathBuf> {
    on_path(program).with_context(|| format!("{program} is not on PATH"))
}

/// A contender that is a program with arguments.
struct Program {
    command: Command,
}

impl Program {
    fn new(program: PathBuf) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { command }
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    fn arg(mut self, arg: &Path) -> Self {
        self.command.arg(arg);
        self
    }
}

impl Contender for Program {
    fn run_once(&mut self) -> Result<()> {
        let program = self.command.get_program().to_owned();
        let status = self.command.status().with_context(|| format!("run {}", program.display()))?;
        ensure!(status.success(), "{}: {status}", program.display());
        Ok(())
    }
}

/// A session that the command line keeps, and a command in it.
struct CliSession {
    program: PathBuf,
    state: tempfile::TempDir,
    exec: Program,
}

impl CliSession {
    fn new(sandbox: &Path, quiet: &Path) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let mut create = Command::new(sandbox);
        create.args(["session", "create"]).env("XDG_STATE_HOME", state.path());
        let made = create.stdin(Stdio::null()).output().context("run sandbox")?;
        let errors = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "sandbox session create: {errors}");
        let id = String::from_utf8(made.stdout).context("read the identifier")?;
        let mut exec = Program::new(sandbox.into());
        exec.command.env("XDG_STATE_HOME", state.path());
        let exec = exec.args(&["session", "exec", id.trim(), "--"]).arg(quiet);
        Ok(Self { program: sandbox.into(), state, exec })
    }
}

impl Contender for CliSession {
    fn run_once(&mut self) -> Result<()> {
        self.exec.run_once()
    }
}

impl Drop for CliSession {
    fn drop(&mut self) {
        let mut remove = Command::new(&self.program);
        remove.args(["session", "rm", "--all"]).env("XDG_STATE_HOME", self.state.path());
        // The worker's end is no place to complain.
        let _ = remove.stdin(Stdio::null()).stdout(Stdio::null()).status();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn nothing() -> Given {
        Given { sandbox: "/nonexistent/sandbox".into(), workspace: "/dev/null/none".into() }
    }

    #[test]
    fn every_row_has_a_contender() {
        for row in ROWS.iter().chain(STATE) {
            let opened = open(row.contender, &nothing());
            let error = opened.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!error.contains("no contender"), "{error}");
        }
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(open("plain", &nothing()).unwrap().run_once().is_ok());
        assert!(Program::new(find("false").unwrap()).run_once().is_err());
        assert!(open("sandbox", &nothing()).unwrap().run_once().is_err());
    }
}
