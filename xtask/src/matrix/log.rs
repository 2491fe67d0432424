//! The log of one cell, and the running of commands into it.
//!
//! A command's output goes straight to the file, through no pipe: a process that outlives its
//! parent cannot hold the matrix up. Every command has a deadline. Without a terminal it leads
//! a process group, so that the deadline ends everything it started; at a terminal it stays in
//! the foreground group, where Ctrl-C reaches it.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::console::Console;
use crate::sys;

/// How often a cell that runs for long says so.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How often the child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

pub(super) struct Log {
    path: PathBuf,
    file: File,
}

/// How a command ended and what it wrote.
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) output: String,
}

impl Log {
    /// Starts the log of `cell` anew.
    pub(super) fn create(dir: &Path, cell: &str) -> Result<Self> {
        let path = dir.join(format!("{cell}.log"));
        let parent = path.parent().unwrap_or(dir);
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        let _ = fs::remove_file(&path);
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("create {}", path.display()))?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// A line of our own. A full disk shows in the commands, so that it is no error here.
    pub(super) fn note(&mut self, line: &str) {
        let _ = writeln!(self.file, "{line}");
    }

    /// Runs the command with its output in the log.
    pub(super) fn run(
        &mut self,
        command: &mut Command,
        limit: Duration,
        console: Console,
    ) -> Result<Ran> {
        let stdout = self.file.try_clone()?;
        let start = self.announce(command)?;
        let status = self.wait(command, stdout, limit, console)?;
        Ok(Ran { status, output: read_from(&mut self.file, start)? })
    }

    /// Runs the command; what it writes to standard output is returned and not logged.
    pub(super) fn run_apart(
        &mut self,
        command: &mut Command,
        limit: Duration,
        console: Console,
    ) -> Result<Ran> {
        let mut apart = tempfile::tempfile().context("create a temporary file")?;
        self.announce(command)?;
        let status = self.wait(command, apart.try_clone()?, limit, console)?;
        Ok(Ran { status, output: read_from(&mut apart, 0)? })
    }

    fn announce(&mut self, command: &Command) -> Result<u64> {
        self.note(&format!("$ {}", shown(command)));
        self.file.seek(SeekFrom::End(0)).context("find the end of the log")
    }

    fn wait(
        &self,
        command: &mut Command,
        stdout: File,
        limit: Duration,
        console: Console,
    ) -> Result<ExitStatus> {
        command.stdin(Stdio::null()).stdout(stdout).stderr(self.file.try_clone()?);
        if !io::stdin().is_terminal() {
            sys::lead_group(command);
        }
        let mut child = command.spawn().with_context(|| format!("start {}", shown(command)))?;
        supervise(&mut child, limit, console)
            .with_context(|| format!("{} was ended", shown(command)))
    }

    /// The last lines, for the reader of a failure.
    pub(super) fn tail(&self, lines: usize) -> String {
        let text = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        let shown = &all[all.len().saturating_sub(lines)..];
        format!("--- the end of {}\n{}\n---", self.path.display(), shown.join("\n"))
    }
}

fn supervise(child: &mut Child, limit: Duration, console: Console) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut next = HEARTBEAT;
    loop {
        if let Some(status) = child.try_wait().context("wait for the command")? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            sys::end(child).context("end the command")?;
            child.wait().context("wait for the command")?;
            bail!("it took longer than {} s", limit.as_secs());
        }
        if start.elapsed() > next {
            console.line(&format!("   ... for {} s", next.as_secs()));
            next += HEARTBEAT;
        }
        thread::sleep(POLL);
    }
}

fn read_from(file: &mut File, start: u64) -> Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).context("rewind the output")?;
    file.read_to_end(&mut bytes).context("read the output")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The command as one would type it, near enough.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_of_this_command_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::create(dir.path(), "a/b").unwrap();
        log.run(&mut shell("echo one"), LONG, Console::Stderr).unwrap();
        let ran = log.run(&mut shell("echo two; echo err >&2; exit 3"), LONG, Console::Stderr);
        let ran = ran.unwrap();
        assert_eq!(ran.output, "two\nerr\n");
        assert_eq!(ran.status.code(), Some(3));
        let apart = log.run_apart(&mut shell("echo three; echo e >&2"), LONG, Console::Stderr);
        assert_eq!(apart.unwrap().output, "three\n");
        assert!(log.tail(1).contains("\ne\n"));
        assert!(!log.tail(1).contains("two"));
    }

    #[test]
    fn a_deadline_ends_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::create(dir.path(), "slow").unwrap();
        let start = Instant::now();
        let ran = log.run(&mut shell("sleep 50"), Duration::from_millis(100), Console::Stderr);
        assert!(format!("{:#}", ran.err().unwrap()).contains("longer than 0 s"));
        assert!(start.elapsed() < LONG);
    }
}
