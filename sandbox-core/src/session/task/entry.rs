//! One task: what is known of it, and what follows it to its end.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::input::Stdin;
use super::{Registry, TaskId};
use crate::confine::Process;
use crate::error::{Result, SandboxError};
use crate::exec::{ExecResult, Exit, TerminalSize};
use crate::run::{Running, Sink};
use crate::session::log::{Log, Stream};
use crate::session::spec::now;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskState {
    /// It has not ended.
    Running,
    /// It has, with everything that it started.
    Exited(Exit),
    /// Nothing can tell how it ended; waiting for it says why.
    Lost,
}

/// A task at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its identifier.
    pub id: TaskId,
    /// The command, for people.
    pub command: String,
    /// What it is doing.
    pub state: TaskState,
    /// When it was started, in seconds since 1970.
    pub started: u64,
    /// When its end was seen, in seconds since 1970.
    pub ended: Option<u64>,
    /// How many bytes of output came into its log.
    pub output: u64,
    /// Whether the log does not have all output: because it is full, or by the output limit.
    pub truncated: bool,
    /// The size of its terminal, if it has one.
    pub terminal: Option<TerminalSize>,
}

pub(in crate::session) struct Task {
    pub(in crate::session) id: TaskId,
    command: String,
    started: u64,
    /// Until it has ended: what a process holds is not to be kept as long as its log.
    process: Mutex<Option<Arc<dyn Process>>>,
    pub(super) log: Log,
    pub(super) input: Stdin,
    pub(in crate::session) terminal: Option<Mutex<TerminalSize>>,
    end: watch::Sender<Option<End>>,
    /// Until it has ended, too: the handle keeps all memory of what it stands for.
    follower: Mutex<Option<AbortHandle>>,
}

/// How a task ended, and when that was seen.
struct End {
    at: u64,
    result: Result<ExecResult, Arc<SandboxError>>,
}

impl Task {
    pub(super) fn new(
        id: TaskId,
        command: String,
        running: &mut Running,
        log: Log,
        terminal: Option<TerminalSize>,
    ) -> Self {
        Self {
            id,
            command,
            started: now(),
            process: Mutex::new(Some(running.process())),
            log,
            input: Stdin::new(running.take_stdin()),
            terminal: terminal.map(Mutex::new),
            end: watch::Sender::new(None),
            follower: Mutex::default(),
        }
    }

    /// Starts what follows the command to its end.
    pub(super) fn follow(self: Arc<Self>, running: Running, registry: Weak<Registry>) {
        let follower = Follower { task: Arc::clone(&self), registry };
        let handle = tokio::spawn(follower.run(running));
        let mut slot = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever ends a task empties the slot after its end is known.
        *slot = (!self.has_ended()).then(|| handle.abort_handle());
    }

    pub(super) fn info(&self) -> TaskInfo {
        let end = self.end.borrow();
        let result = end.as_ref().map(|end| end.result.as_ref());
        let cut = |result: &ExecResult| result.stdout.truncated || result.stderr.truncated;
        TaskInfo {
            id: self.id,
            command: self.command.clone(),
            state: match result {
                None => TaskState::Running,
                Some(Ok(result)) => TaskState::Exited(result.exit),
                Some(Err(_)) => TaskState::Lost,
            },
            started: self.started,
            ended: end.as_ref().map(|end| end.at),
            output: self.log.total(),
            truncated: self.log.dropped() > 0 || result.is_some_and(|r| r.is_ok_and(cut)),
            terminal: self.size(),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// What can be signalled; `None` when there is nothing left to signal.
    pub(in crate::session) fn process(&self) -> Option<Arc<dyn Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn wait(&self) -> Result<ExecResult> {
        let mut end = self.end.subscribe();
        // The sender is ours, so there is no end without a value.
        let end = end.wait_for(Option::is_some).await.ok();
        let result = end.as_ref().and_then(|end| end.as_ref()).map(|end| end.result.clone());
        let result = result.unwrap_or_else(|| Err(Arc::new(abandoned())));
        result.map_err(|source| SandboxError::TaskLost { id: self.id, source })
    }

    pub(super) fn kill(&self) -> Result<()> {
        self.process().map_or(Ok(()), |process| process.kill())
    }

    pub(super) fn signal(&self, signal: i32) -> Result<()> {
        self.process().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Ends it, whatever it takes.
    pub(super) fn end(&self) {
        if self.kill().is_ok() {
            return;
        }
        // Dropping the command is the last means: the process's own guard ends what it can.
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower {
            follower.abort();
        }
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> Result<()> {
        if !self.input.asked_for {
            let why = format!("the task {} has no standard input", self.id);
            return Err(SandboxError::InvalidRequest(why));
        }
        let mut end = self.end.subscribe();
        let ended = async { end.wait_for(Option::is_some).await.map(drop) };
        let written = tokio::select! {
            biased;
            _ = ended => Err(io::ErrorKind::BrokenPipe.into()),
            written = self.input.write(bytes) => written,
        };
        written.map_err(SandboxError::io(format!("writing to the task {}", self.id)))
    }

    /// Publishes the end, once.
    fn conclude(&self, result: Result<ExecResult>) {
        let end = End { at: now(), result: result.map_err(Arc::new) };
        self.end.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(end);
            }
            first
        });
        self.log.close();
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.follower.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Follows a command; when it is dropped, whatever the reason, the task has ended.
struct Follower {
    task: Arc<Task>,
    registry: Weak<Registry>,
}

impl Follower {
    async fn run(self, running: Running) {
        let task = &self.task;
        let mut stdout = task.log.writer(Stream::Stdout);
        let mut stderr = task.log.writer(Stream::Stderr);
        let result = running.finish(Sink::Write(&mut stdout), Sink::Write(&mut stderr)).await;
        task.conclude(result);
        task.input.close().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.conclude(Err(abandoned()));
        if let Some(registry) = self.registry.upgrade() {
            registry.note_end(self.task.id);
        }
    }
}

fn abandoned() -> SandboxError {
    SandboxError::io("following the task")(io::Error::other("its runtime has ended"))
}
