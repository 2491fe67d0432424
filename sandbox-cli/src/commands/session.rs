//! `sandbox session`: sandboxes that last, and who calls what of them.

mod attach;
mod changes;
mod cp;
mod create;
mod exec;
mod furnish;
mod life;
mod list;
mod logs;
mod snapshots;
mod tasks;

use std::sync::Arc;

use sandbox_core::session::SandboxBackend;
use sandbox_core::{SandboxError, SessionId};

use crate::args::{BackendChoice, SessionCommand};
use crate::failure::Failure;
use crate::output::session::Done;
use crate::{output, platform, streams};

/// Carries out a subcommand of `sandbox session`.
pub(super) fn session(command: &SessionCommand) -> Result<i32, Failure> {
    match command {
        SessionCommand::Create(args) => create::create(args),
        SessionCommand::List(args) => list::list(args),
        SessionCommand::Show(args) => list::show(args),
        SessionCommand::Exec(args) => exec::exec(args),
        SessionCommand::Spawn(args) => tasks::spawn(args),
        SessionCommand::Tasks(args) => tasks::tasks(args),
        SessionCommand::Logs(args) => logs::logs(args),
        SessionCommand::Attach(args) => attach::attach(args),
        SessionCommand::Wait(args) => tasks::wait(args),
        SessionCommand::Kill(args) => tasks::kill(args),
        SessionCommand::Cp(args) => cp::cp(args),
        SessionCommand::Mount(args) => furnish::mount(args),
        SessionCommand::Network(args) => furnish::network(args),
        SessionCommand::Port(args) => furnish::port(args),
        SessionCommand::Snapshot(args) => snapshots::snapshot(args),
        SessionCommand::Snapshots(args) => snapshots::snapshots(args),
        SessionCommand::Restore(args) => snapshots::restore(args),
        SessionCommand::Fork(args) => snapshots::fork(args),
        SessionCommand::Diff(args) => changes::diff(args),
        SessionCommand::Apply(args) => changes::apply(args),
        SessionCommand::Discard(args) => changes::discard(args),
        SessionCommand::Suspend(args) => life::suspend(args),
        SessionCommand::Resume(args) => life::resume(args),
        SessionCommand::Stats(args) => life::stats(args),
        SessionCommand::Rm(args) => life::rm(args),
        SessionCommand::Reap(args) => life::reap(args),
    }
}

/// Who keeps the sessions.
fn keeper() -> Result<Arc<dyn SandboxBackend>, Failure> {
    platform::lasting(BackendChoice::Auto)
}

/// Asks whoever keeps the sessions.
fn ask<T>(
    question: impl AsyncFnOnce(&dyn SandboxBackend) -> Result<T, SandboxError>,
) -> Result<T, Failure> {
    let keeper = keeper()?;
    streams::block_on(async { Ok(question(&*keeper).await?) })
}

/// Ends a call that has nothing to say to a person.
fn done(id: &SessionId, json: bool) -> Result<i32, Failure> {
    if json {
        output::print_json(&Done { id, state: None })?;
    }
    Ok(0)
}
