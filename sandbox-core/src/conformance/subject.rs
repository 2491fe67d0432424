//! What is tested: a backend that confines commands, one that keeps sessions, or both.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::sessions::Scene;
use super::world::Stage;
use super::{Behaviour, Verdict};
use crate::backend::LocalBackend;
use crate::capability::Feature;
use crate::confine::Confinement;
use crate::error::Result;
use crate::session::SandboxBackend;

/// A backend under test.
pub struct Subject {
    pub(super) name: &'static str,
    commands: Option<Result<LocalBackend<dyn Confinement>>>,
    keeper: Option<Keeper>,
}

/// Makes a backend that keeps sessions below a folder.
type Make = Box<dyn Fn(&Path) -> Result<Arc<dyn SandboxBackend>> + Send + Sync>;

/// A backend that keeps sessions, and what there is to know of it beforehand.
pub struct Keeper {
    make: Make,
    lacks: &'static [&'static str],
    orphan: Option<fn(&Path) -> io::Result<()>>,
}

impl Subject {
    /// A backend under test; one that could not be made fails every case.
    pub fn new<C: Confinement>(name: &'static str, backend: Result<LocalBackend<C>>) -> Self {
        let commands = Some(backend.map(LocalBackend::erased));
        Self { name, commands, keeper: None }
    }

    /// A backend that keeps sessions, and nothing else.
    #[must_use]
    pub fn of_sessions(name: &'static str, keeper: Keeper) -> Self {
        Self { name, commands: None, keeper: Some(keeper) }
    }

    /// The sessions of the same backend, to be tested too.
    #[must_use]
    pub fn with_sessions(mut self, keeper: Keeper) -> Self {
        self.keeper = Some(keeper);
        self
    }

    pub(super) fn can_show(&self, behaviour: Behaviour) -> bool {
        match behaviour {
            Behaviour::OfCommands(_) => self.commands.is_some(),
            Behaviour::OfSessions(_) => self.keeper.is_some(),
        }
    }

    /// The backend that runs commands, or why there is none.
    pub(super) fn backend(&self) -> Result<&LocalBackend<dyn Confinement>, String> {
        match &self.commands {
            Some(Ok(backend)) => Ok(backend),
            Some(Err(error)) => Err(format!("the backend cannot be made: {error}")),
            None => Err("there is no backend for commands".into()),
        }
    }

    /// The surroundings of a case on sessions.
    pub(super) fn scene<'a>(
        &'a self,
        stage: &'a Stage,
        features: &'static [Feature],
    ) -> Verdict<Scene<'a>> {
        let none = || super::Stop::failed("there is no backend for sessions");
        Scene::new(self.keeper.as_ref().ok_or_else(none)?, stage, features)
    }
}

impl Keeper {
    /// What `make` makes, for each case anew, below a folder that is the case's own and that is
    /// empty again once all sessions are over.
    pub fn new(
        make: impl Fn(&Path) -> Result<Arc<dyn SandboxBackend>> + Send + Sync + 'static,
    ) -> Self {
        Self { make: Box::new(make), lacks: &[], orphan: None }
    }

    /// What it does not offer: a refusal as unsupported that holds one of these texts skips a case,
    /// and any other one fails it.
    #[must_use]
    pub fn lacking(mut self, operations: &'static [&'static str]) -> Self {
        self.lacks = operations;
        self
    }

    /// How to leave below the folder what a session leaves whose owner was killed.
    #[must_use]
    pub fn orphan(mut self, plant: fn(&Path) -> io::Result<()>) -> Self {
        self.orphan = Some(plant);
        self
    }

    pub(super) fn backend(&self, folder: &Path) -> Result<Arc<dyn SandboxBackend>> {
        (self.make)(folder)
    }

    pub(super) fn lacks(&self) -> &'static [&'static str] {
        self.lacks
    }

    pub(super) fn plant(&self) -> Option<fn(&Path) -> io::Result<()>> {
        self.orphan
    }
}
