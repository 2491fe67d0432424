//! A pool: sandboxes that are made ahead and wait for one command each.
//!
//! The first process of a sandbox, its mounts and its network cost most of a launch, and depend on
//! no command. A pool pays for them before anybody waits. Each command has a sandbox to itself, as
//! fresh as a launch's, which ends with it. The next one is made when the command has ended, so that
//! the two do not share a processor, or when it goes on for more than a moment.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::{Confinement, Egress, Enclosure, Ended, Launched, Process};
use crate::error::{Result, SandboxError};
use crate::exec::{TerminalSize, Usage};
use crate::plan::Plan;

/// How long a command has the machine to itself before the next sandbox is made.
const MOMENT: Duration = Duration::from_millis(20);

/// Sandboxes of one plan that wait.
pub struct Pool<C: Confinement + ?Sized>(Arc<Inner<C>>);

struct Inner<C: Confinement + ?Sized> {
    confinement: Arc<C>,
    plan: Plan,
    size: usize,
    state: Mutex<Option<State>>,
}

/// `None` after the end.
#[derive(Default)]
struct State {
    /// Those that wait.
    ready: Vec<Arc<dyn Enclosure>>,
    /// Those whose command may still run.
    busy: Vec<Weak<dyn Enclosure>>,
    /// Whether somebody makes new ones.
    filling: bool,
}

impl<C: Confinement + ?Sized> Pool<C> {
    /// A pool of `size` sandboxes, made before this returns.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`] for folders that are copied on write, whose layers no two
    /// sandboxes can share; as [`Confinement::enclose`].
    pub fn new(confinement: Arc<C>, plan: &Plan, size: usize) -> Result<Self> {
        if !plan.layers.is_empty() {
            let why = "a pool has no folders that are copied on write: leave the pool or the \
                       overlay out";
            return Err(SandboxError::InvalidRequest(why.into()));
        }
        let state = Mutex::new(Some(State::default()));
        let inner = Inner { confinement, plan: plan.clone(), size, state };
        inner.fill()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Makes as many as are missing, on a thread that may wait, once the other end is dropped or a
    /// moment has passed.
    fn refill_after(&self, ended: Receiver<()>) {
        let inner = Arc::clone(&self.0);
        drop(tokio::task::spawn_blocking(move || {
            let _ = ended.recv_timeout(MOMENT);
            // What fails now is met again by the command that needs it.
            inner.fill()
        }));
    }
}

impl<C: Confinement + ?Sized> Inner<C> {
    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one that is ready for its command.
    fn make(&self) -> Result<Arc<dyn Enclosure>> {
        let made = Arc::clone(&self.confinement).enclose(&self.plan)?;
        made.warm_up(&self.plan);
        Ok(made)
    }

    /// Makes as many as are missing; one caller at a time does.
    fn fill(&self) -> Result<()> {
        match self.lock().as_mut() {
            Some(state) if !state.filling => state.filling = true,
            _ => return Ok(()),
        }
        let filled = self.fill_up();
        if let Some(state) = self.lock().as_mut() {
            state.filling = false;
        }
        filled
    }

    fn fill_up(&self) -> Result<()> {
        loop {
            match self.lock().as_ref() {
                Some(state) if state.ready.len() < self.size => {}
                _ => return Ok(()),
            }
            let made = self.make()?;
            match self.lock().as_mut() {
                Some(state) => state.ready.push(made),
                // The end came meanwhile: it is dropped, and ends.
                None => return Ok(()),
            }
        }
    }

    /// One for a command.
    fn take(&self) -> Result<Arc<dyn Enclosure>> {
        let gone = || std::io::ErrorKind::NotConnected.into();
        let gone = || SandboxError::io("using the sandbox")(gone());
        let waiting = self.lock().as_mut().ok_or_else(gone)?.ready.pop();
        let taken = match waiting {
            Some(enclosure) => enclosure,
            None => self.make()?,
        };
        let mut state = self.lock();
        let state = state.as_mut().ok_or_else(gone)?;
        state.busy.retain(|busy| busy.strong_count() > 0);
        state.busy.push(Arc::downgrade(&taken));
        Ok(taken)
    }

    /// Those whose command may still run.
    fn busy(&self) -> Vec<Arc<dyn Enclosure>> {
        let state = self.lock();
        state.iter().flat_map(|state| &state.busy).filter_map(Weak::upgrade).collect()
    }
}

#[async_trait]
impl<C: Confinement + ?Sized> Enclosure for Pool<C> {
    fn start(&self, plan: &Plan) -> Result<Launched> {
        let enclosure = self.0.take()?;
        let (running, ended) = channel();
        // One that was taken for a command that cannot start is gone as well.
        self.refill_after(ended);
        let mut launched = enclosure.start(plan)?;
        let running = Mutex::new(Some(running));
        launched.process = Arc::new(Alone { process: launched.process, enclosure, running });
        Ok(launched)
    }

    fn freeze(&self) -> Result<()> {
        self.0.busy().iter().try_for_each(|enclosure| enclosure.freeze())
    }

    fn thaw(&self) -> Result<()> {
        self.0.busy().iter().try_for_each(|enclosure| enclosure.thaw())
    }

    fn usage(&self) -> Result<Usage> {
        Ok(Usage::default())
    }

    async fn end(&self) -> Result<()> {
        let busy = self.0.busy();
        let ready = self.0.lock().take().map(|state| state.ready).unwrap_or_default();
        for enclosure in busy.iter().chain(&ready) {
            enclosure.end().await?;
        }
        Ok(())
    }
}

/// A command that has a sandbox to itself.
struct Alone {
    process: Arc<dyn Process>,
    /// Ends with the last handle to the command.
    enclosure: Arc<dyn Enclosure>,
    /// Until the command has ended.
    running: Mutex<Option<Sender<()>>>,
}

#[async_trait]
impl Process for Alone {
    fn id(&self) -> u32 {
        self.process.id()
    }

    async fn wait(&self) -> Result<Ended> {
        let ended = self.process.wait().await;
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
        ended
    }

    fn signal(&self, signal: i32) -> Result<()> {
        self.process.signal(signal)
    }

    fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    fn freeze(&self) -> Result<()> {
        self.enclosure.freeze()
    }

    fn thaw(&self) -> Result<()> {
        self.enclosure.thaw()
    }

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        self.enclosure.egress()
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        self.process.resize(size)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // Its processes are gone with the command; what is left is taken away beside the caller.
        let enclosure = Arc::clone(&self.enclosure);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { enclosure.end().await });
        }
    }
}

#[cfg(test)]
mod tests;
