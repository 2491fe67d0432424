//! Background tasks: commands that go on while their caller does other things.
//!
//! # Theory of operation
//! A task is a [`Running`] that a Tokio task of its own drives to its end: so every limit holds as
//! it does for a command that is waited for, and both streams go into one [`Log`] live. Its end is
//! published once, by whoever saw it, in a cell that also remembers it: whoever asks before, after
//! or at that moment gets the same answer. By then all output is in the log; the log is closed
//! after the end is known, so a watcher that has read everything finds the task ended.
//!
//! The registry is the guard: dropping it ends every task. What follows a task holds the registry
//! only weakly. Numbers go up and are never given twice.

mod entry;
mod id;
mod input;
mod settings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::log::{Log, Start, Watcher};
use crate::error::{Result, SandboxError};
use crate::exec::{ExecRequest, ExecResult, TerminalSize};
use crate::path::quoted;
use crate::run::Running;
pub(super) use entry::Task;

pub use entry::{TaskInfo, TaskState};
pub use id::{TaskId, TaskIdError};
pub use settings::Settings;

/// The tasks of one session. Dropping it ends them.
#[derive(Debug)]
pub struct Tasks {
    registry: Arc<Registry>,
}

#[derive(Debug)]
pub(super) struct Registry {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tasks: BTreeMap<TaskId, Arc<Task>>,
    /// The highest number that was ever given.
    last: u64,
    /// Those that have ended, the oldest first.
    ended: VecDeque<TaskId>,
    closed: bool,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { registry: Arc::new(Registry { settings, state: Mutex::default() }) }
    }

    /// Follows a command to its end; `command` is what people are shown, see [`command_line`].
    /// Without an `id` the task has the next number. Standard input is open, if it was asked for,
    /// until [`Tasks::close_stdin`].
    ///
    /// Called on a runtime with time enabled. When that runtime ends, so do its tasks.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`] for an `id` that does not come after all others, and after
    /// [`Tasks::end_all`]. The command is ended then.
    pub fn start(
        &self,
        id: Option<TaskId>,
        command: impl Into<String>,
        running: Running,
    ) -> Result<TaskId> {
        self.launch(id, command.into(), running, None)
    }

    pub(super) fn launch(
        &self,
        id: Option<TaskId>,
        command: String,
        mut running: Running,
        terminal: Option<TerminalSize>,
    ) -> Result<TaskId> {
        let mut state = self.registry.lock();
        let id = state.next_id(id)?;
        let log = self.registry.settings.log();
        let task = Arc::new(Task::new(id, command, &mut running, log, terminal));
        state.tasks.insert(id, Arc::clone(&task));
        drop(state);
        task.follow(running, Arc::downgrade(&self.registry));
        Ok(id)
    }

    /// All tasks that are kept, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<TaskInfo> {
        self.registry.lock().tasks.values().map(|task| task.info()).collect()
    }

    /// One task.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`], like all that follow.
    pub fn info(&self, id: TaskId) -> Result<TaskInfo> {
        Ok(self.task(id)?.info())
    }

    /// What it has written.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`].
    pub fn log(&self, id: TaskId) -> Result<Log> {
        Ok(self.task(id)?.log.clone())
    }

    /// Watches what it writes.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`].
    pub fn watch(&self, id: TaskId, start: Start) -> Result<Watcher> {
        Ok(self.task(id)?.log.watch(start))
    }

    /// Waits for the end of the whole tree, any number of times. The result's streams are empty:
    /// what was written is in the log. Giving up the wait does nothing to the task.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`]; [`SandboxError::TaskLost`] when nothing can tell its end.
    pub async fn wait(&self, id: TaskId) -> Result<ExecResult> {
        let task = self.task(id)?;
        task.wait().await
    }

    /// Ends the whole tree at once. For a task that has ended this does nothing.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`], and the system's refusal.
    pub fn kill(&self, id: TaskId) -> Result<()> {
        self.task(id)?.kill()
    }

    /// Sends a signal to the command. For a task that has ended this does nothing.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`], and the system's refusal.
    pub fn signal(&self, id: TaskId, signal: i32) -> Result<()> {
        self.task(id)?.signal(signal)
    }

    /// Writes to standard input, or to a terminal's keyboard; waits as long as the command does not
    /// read. Writes of several callers come one after the other. One that is given up leaves a part
    /// written.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`]; [`SandboxError::InvalidRequest`] when the command has no
    /// such stream; [`SandboxError::Io`] with a broken pipe when it was closed, by either side, and
    /// when the task ends before everything is written.
    pub async fn write_stdin(&self, id: TaskId, bytes: &[u8]) -> Result<()> {
        let task = self.task(id)?;
        task.write(bytes).await
    }

    /// Closes standard input behind what was written to it, which a command reads as its end. A
    /// terminal's keyboard has no such end: there, write what the terminal takes for it.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`].
    pub async fn close_stdin(&self, id: TaskId) -> Result<()> {
        let task = self.task(id)?;
        task.input.close().await;
        Ok(())
    }

    /// Forgets a task that has ended, with its log.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`]; [`SandboxError::TaskRunning`] as long as it has not ended.
    pub fn remove(&self, id: TaskId) -> Result<()> {
        let mut state = self.registry.lock();
        let task = state.tasks.get(&id).ok_or(SandboxError::TaskNotFound { id })?;
        if !task.has_ended() {
            return Err(SandboxError::TaskRunning { id });
        }
        state.tasks.remove(&id);
        state.ended.retain(|ended| *ended != id);
        Ok(())
    }

    /// Ends all tasks, waits for their end, and lets none start any more.
    pub async fn end_all(&self) {
        let tasks = self.registry.close();
        tasks.iter().for_each(|task| task.end());
        for task in tasks {
            // A task that was lost has also ended.
            let _ = task.wait().await;
        }
    }

    pub(super) fn task(&self, id: TaskId) -> Result<Arc<Task>> {
        let state = self.registry.lock();
        state.tasks.get(&id).cloned().ok_or(SandboxError::TaskNotFound { id })
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in self.registry.close() {
            task.end();
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets no task start any more; those that there are.
    fn close(&self) -> Vec<Arc<Task>> {
        let mut state = self.lock();
        state.closed = true;
        state.tasks.values().cloned().collect()
    }

    /// Forgets the tasks that ended longest ago, when there are too many with this one.
    fn note_end(&self, id: TaskId) {
        let mut state = self.lock();
        state.ended.push_back(id);
        while state.ended.len() > self.settings.ended {
            if let Some(oldest) = state.ended.pop_front() {
                state.tasks.remove(&oldest);
            }
        }
    }
}

impl State {
    fn next_id(&mut self, wanted: Option<TaskId>) -> Result<TaskId> {
        if self.closed {
            let why = "the tasks of this session were ended, so no other can start";
            return Err(SandboxError::InvalidRequest(why.into()));
        }
        let id = wanted.unwrap_or(TaskId::new(self.last + 1));
        if id.number() <= self.last {
            let last = TaskId::new(self.last);
            let why = format!("a task cannot be {id}: {last} was given already, and ids go up");
            return Err(SandboxError::InvalidRequest(why));
        }
        self.last = id.number();
        Ok(id)
    }
}

/// A request as a line for people: program and arguments, quoted where they could be mistaken for
/// something else. It is not meant for a shell.
#[must_use]
pub fn command_line(request: &ExecRequest) -> String {
    let words = std::iter::once(request.program());
    let words = words.chain(request.arguments().iter().map(AsRef::as_ref));
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
