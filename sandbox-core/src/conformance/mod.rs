//! The one list of behaviours that every backend is tested with.
//!
//! A backend crate has a test binary without the standard harness, whose `main` is [`main`]. The
//! binary plays both parts: it launches *itself* as the untrusted program, with `--probe` as its
//! first argument, and judges by what the probe answers and by what it sees from outside
//! afterwards. So a case needs no program of the host, and a probe cannot pass by lying about files
//! that it did not change.
//!
//! One [`Case`] is one behaviour. A case that measures a [`Feature`] is a *promise*: it must fail
//! on a backend that confines nothing, which this crate's own tests check. It is skipped only when
//! the backend says itself that the feature is absent; when the backend says that the feature is
//! enforced in part, a failure is excused only if the gap names it by one of the case's words.
//!
//! The cases on commands are for whoever confines commands, the cases on sessions for whoever keeps
//! them, a container engine too. What keepers of sessions do not offer is named beforehand
//! ([`Keeper::lacking`]): such a refusal, typed and without harm, skips a case, and any other fails
//! it.
//!
//! ```no_run
//! # use sandbox_core::{LocalBackend, Result, confine::Confinement};
//! # fn backend<C: Confinement>() -> Result<LocalBackend<C>> { unimplemented!() }
//! # fn example<C: Confinement>() -> std::process::ExitCode {
//! use sandbox_core::conformance::{self, Subject};
//! conformance::main(|| vec![Subject::new("landlock", backend::<C>())])
//! # }
//! ```

mod cases;
mod context;
mod greeter;
mod options;
mod probe;
mod runner;
mod sessions;
mod subject;
mod sys;
mod world;

use std::process::ExitCode;

use crate::capability::Feature;
use crate::error::SandboxError;

use context::Context;
pub use options::Options;
pub use runner::{Finding, Summary, run};
use sessions::Scene;
pub use subject::{Keeper, Subject};

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Case {
    /// The group and the name: `filesystem::hidden_stays_hidden`.
    pub name: &'static str,
    /// The features that the case measures.
    pub features: &'static [Feature],
    /// Words of which a stated gap must hold one to excuse a failure.
    pub gap: &'static [&'static str],
    /// Whether a backend that confines nothing must fail.
    pub promise: bool,
    /// Whether the case must run alone, because it measures or uses up the machine.
    pub alone: bool,
    run: Behaviour,
}

/// What a case is given.
#[derive(Clone, Copy)]
enum Behaviour {
    /// A backend that runs commands.
    OfCommands(fn(&Context<'_>) -> Verdict),
    /// A backend that keeps sessions.
    OfSessions(fn(&Scene<'_>) -> Verdict),
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The behaviour was seen.
    Passed,
    /// It was not; with what was seen instead.
    Failed(String),
    /// The backend says that it cannot; with its words.
    Skipped(String),
}

/// Why a case did not go through.
#[derive(Clone, Debug)]
enum Stop {
    Failed(String),
    Skipped(String),
}

/// What a case returns.
type Verdict<T = ()> = std::result::Result<T, Stop>;

impl Case {
    /// A behaviour that a backend promises by claiming `features`.
    const fn promise(
        name: &'static str,
        features: &'static [Feature],
        run: fn(&Context<'_>) -> Verdict,
    ) -> Self {
        let run = Behaviour::OfCommands(run);
        Self { name, features, gap: &[], promise: true, alone: false, run }
    }

    /// A behaviour that every backend has that keeps sessions.
    const fn session(name: &'static str, run: fn(&Scene<'_>) -> Verdict) -> Self {
        let run = Behaviour::OfSessions(run);
        Self { name, features: &[], gap: &[], promise: true, alone: false, run }
    }

    /// A behaviour that every backend has, confining or not.
    const fn works(name: &'static str, run: fn(&Context<'_>) -> Verdict) -> Self {
        let run = Behaviour::OfCommands(run);
        Self { name, features: &[], gap: &[], promise: false, alone: false, run }
    }

    /// The words of which a stated gap must hold one to excuse a failure.
    const fn gap(mut self, words: &'static [&'static str]) -> Self {
        self.gap = words;
        self
    }

    const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Measures features, though a backend that confines nothing passes too.
    const fn under(mut self, features: &'static [Feature]) -> Self {
        self.features = features;
        self
    }
}

impl Stop {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

impl From<SandboxError> for Stop {
    fn from(error: SandboxError) -> Self {
        Self::Failed(format!("the sandbox failed: {error}"))
    }
}

impl From<crate::policy::PolicyError> for Stop {
    fn from(error: crate::policy::PolicyError) -> Self {
        Self::Failed(format!("the policy cannot be built: {error}"))
    }
}

impl From<crate::path::PathError> for Stop {
    fn from(error: crate::path::PathError) -> Self {
        Self::Failed(format!("a path cannot be meant: {error}"))
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the test itself failed: {error}"))
    }
}

/// Every case, group by group.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    cases::GROUPS.iter().chain(sessions::GROUPS).flat_map(|group| group.iter())
}

/// The whole `main` of a test binary: the probe if the binary was launched as one, else the suite.
///
/// The backends are made only for the suite, in a process that still has a single thread.
pub fn main(subjects: impl FnOnce() -> Vec<Subject>) -> ExitCode {
    if let Some(code) = probe_if_asked() {
        return code;
    }
    let options = match Options::from_env() {
        Ok(options) => options,
        Err(message) => {
            runner::complain(&message);
            return ExitCode::from(2);
        }
    };
    run(subjects, &options).map_or(ExitCode::from(2), |summary| summary.exit_code())
}

/// Acts as the untrusted program, if this process was launched as one. For test binaries with a
/// `main` of their own, as its first statement.
#[must_use]
pub fn probe_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == probe::MARK).then(|| probe::act(&arguments.collect::<Vec<_>>()))
}
