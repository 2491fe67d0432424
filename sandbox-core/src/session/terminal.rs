//! Tasks on a terminal.
//!
//! # Theory of operation
//! A command on a terminal is a task like any other: its screen is standard output, its keyboard is
//! standard input, its scrollback is the log. What is added is the size. It is changed and noted
//! under one lock, so that what is listed is what the terminal has, whoever resizes when.

use std::sync::PoisonError;

use super::task::{Task, TaskId, Tasks};
use crate::error::{Result, SandboxError};
use crate::exec::TerminalSize;
use crate::run::Running;

impl Tasks {
    /// Follows a command that was started on a terminal of this size; else as [`Tasks::start`].
    ///
    /// # Errors
    /// As [`Tasks::start`].
    pub fn start_terminal(
        &self,
        id: Option<TaskId>,
        command: impl Into<String>,
        size: TerminalSize,
        running: Running,
    ) -> Result<TaskId> {
        self.launch(id, command.into(), running, Some(size))
    }

    /// Changes the size of a task's terminal; the command is told.
    ///
    /// # Errors
    /// [`SandboxError::TaskNotFound`]; [`SandboxError::InvalidRequest`] when the task has no
    /// terminal, when it has ended, or for a size without rows or columns; the system's refusal.
    pub fn resize(&self, id: TaskId, size: TerminalSize) -> Result<()> {
        self.task(id)?.resize(size)
    }
}

impl Task {
    /// The size of its terminal, if it has one.
    pub(super) fn size(&self) -> Option<TerminalSize> {
        let size = self.terminal.as_ref()?;
        Some(*size.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        let refused = |why: &str| {
            let why = format!("the terminal of the task {} cannot be resized: {why}", self.id);
            SandboxError::InvalidRequest(why)
        };
        let known = self.terminal.as_ref().ok_or_else(|| refused("there is none"))?;
        if size.rows == 0 || size.columns == 0 {
            return Err(refused("a size has rows and columns"));
        }
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let process = self.process().ok_or_else(|| refused("the task has ended"))?;
        process.resize(size)?;
        *known = size;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
