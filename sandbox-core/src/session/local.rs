//! Sessions that this process owns, over any [`Confinement`].
//!
//! A session is an [`Enclosure`] (the living sandbox), a [`Folder`](folder::Folder) on the host and a
//! little state. This module knows the rules of its life: which call is possible in which state, what
//! is unique, what ends when. What a sandbox is made of, the confinement knows.
//!
//! A call that changes a session as a whole (a snapshot, a restore, the end) holds its gate, so that
//! two of them never overlap; starting a command takes the gate only for the moment of its start.
//! A session leaves the register before it is taken down, so a call meets a whole session or none.

mod activity;
mod attach;
mod calls;
mod clock;
mod copies;
mod folder;
mod fork;
mod heritage;
mod layered;
mod layers;
mod live;
mod network;
mod ports;
mod provision;
mod states;
#[cfg_attr(unix, path = "local/system_unix.rs")]
#[cfg_attr(not(unix), path = "local/system_other.rs")]
mod system;
mod tasks;
mod written;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::confine::Confinement;
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use live::Live;

/// Sessions of this process. Dropping it ends them all.
pub struct LocalSessions<C: Confinement + ?Sized> {
    confinement: Arc<C>,
    /// Where sessions have their folders.
    root: PathBuf,
    register: Arc<Register>,
}

/// The sessions that live.
#[derive(Default)]
pub(super) struct Register(Mutex<BTreeMap<SessionId, Arc<Live>>>);

impl Register {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &SessionId) -> Result<Arc<Live>> {
        let missing = || SandboxError::SessionNotFound { id: id.clone() };
        self.lock().get(id).cloned().ok_or_else(missing)
    }

    fn take(&self, id: &SessionId) -> Result<Arc<Live>> {
        let missing = || SandboxError::SessionNotFound { id: id.clone() };
        self.lock().remove(id).ok_or_else(missing)
    }

    /// Registers a session, unless there is one of its identifier.
    fn add(&self, live: &Arc<Live>) -> Result<()> {
        let mut all = self.lock();
        if all.contains_key(live.id()) {
            return Err(SandboxError::AlreadyExists { what: format!("the session {}", live.id()) });
        }
        all.insert(live.id().clone(), Arc::clone(live));
        Ok(())
    }
}

#[cfg(unix)]
pub(crate) use folder::{identifiers, path_of, sweep_all};

impl<C: Confinement + ?Sized> LocalSessions<C> {
    /// Sessions under a confinement, with their folders below `root`, which is made if it is missing
    /// and must be a folder of the caller's alone. Several processes may share a root.
    pub fn new(confinement: Arc<C>, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        // An empty one has no folder, which the first session tells.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { confinement, root, register: Arc::default() }
    }
}
