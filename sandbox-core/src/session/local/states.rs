//! What a session's state allows, and how it changes.

use super::live::Live;
use crate::confine::Enclosure;
use crate::error::Result;
use crate::session::spec::SandboxState;

/// A session in which nothing moves, until this is dropped.
pub(super) struct Stillness<'a>(Option<&'a dyn Enclosure>);

impl Stillness<'_> {
    /// Lets everything go on, and tells when it cannot.
    ///
    /// # Errors
    /// The system's refusal.
    pub(super) fn end(mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), Enclosure::thaw)
    }
}

impl Drop for Stillness<'_> {
    fn drop(&mut self) {
        // Whoever gave the call up is not there to be told.
        let _ = self.0.take().map(Enclosure::thaw);
    }
}

impl Live {
    /// Stops what moves for a while.
    pub(super) fn hold_still(&self) -> Result<Stillness<'_>> {
        let moving = self.activity().running() > 0 && self.inner().state != SandboxState::Suspended;
        if !moving {
            return Ok(Stillness(None));
        }
        self.enclosure().freeze()?;
        Ok(Stillness(Some(self.enclosure())))
    }

    /// Does something while nothing in the session moves.
    pub(super) fn still<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let stillness = self.hold_still()?;
        let done = work();
        stillness.end()?;
        done
    }

    pub(super) fn check_alive(&self, operation: &'static str) -> Result<()> {
        match self.inner().state {
            SandboxState::Terminated => {}
            _ => return Ok(()),
        }
        Err(self.wrong_state(operation))
    }

    pub(super) async fn suspend(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("suspending")?;
        if self.inner().state == SandboxState::Suspended {
            return Ok(());
        }
        self.enclosure().freeze()?;
        self.inner().state = SandboxState::Suspended;
        Ok(())
    }

    pub(super) async fn resume(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("resuming")?;
        if self.inner().state == SandboxState::Suspended {
            self.enclosure().thaw()?;
            self.inner().state = SandboxState::Running;
            self.activity().touch();
        }
        Ok(())
    }

    pub(super) async fn terminate(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.inner().state = SandboxState::Terminated;
        self.ports.lock().await.clear();
        self.enclosure().end().await?;
        // They have ended with the sandbox; who waits for one is told.
        self.tasks.end_all().await;
        Ok(())
    }
}
