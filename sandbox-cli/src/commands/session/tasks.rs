//! `sandbox session spawn`, `tasks`, `wait` and `kill`: commands in the background.

use super::{ask, done};
use crate::args::{IdArgs, KillArgs, SpawnArgs, TaskArgs};
use crate::failure::Failure;
use crate::output::{self, notes, result, session_tasks};
use crate::platform::terminal;

/// Starts a command in the background, and prints its task's identifier.
pub(super) fn spawn(args: &SpawnArgs) -> Result<i32, Failure> {
    let mut request = args.request()?;
    if args.terminal {
        request = request.terminal(args.size.unwrap_or_else(terminal::size));
    }
    // A terminal without a keyboard is of no use to anybody.
    if args.stdin || args.terminal {
        request = request.with_stdin();
    }
    let task = ask(async |keeper| keeper.tasks()?.start(&args.id, request).await)?;
    if args.json {
        output::print_json(&task)?;
    } else {
        output::print(&format!("{}\n", task.id))?;
    }
    Ok(0)
}

/// Lists the tasks of a session.
pub(super) fn tasks(args: &IdArgs) -> Result<i32, Failure> {
    let tasks = ask(async |keeper| keeper.tasks()?.list(&args.id).await)?;
    if args.json {
        output::print_json(&tasks)?;
    } else {
        output::print(&session_tasks::list(&tasks))?;
    }
    Ok(0)
}

/// Waits for a task, and ends with its exit code.
pub(super) fn wait(args: &TaskArgs) -> Result<i32, Failure> {
    let outcome = ask(async |keeper| keeper.tasks()?.wait(&args.id, args.task).await)?;
    if args.json {
        result::print(&outcome)?;
    } else {
        notes::show_limits(&outcome);
    }
    Ok(outcome.exit.shell_code())
}

/// Ends a task, or sends it a signal.
pub(super) fn kill(args: &KillArgs) -> Result<i32, Failure> {
    let (id, task) = (&args.of.id, args.of.task);
    ask(async |keeper| match args.signal() {
        Some(number) => keeper.tasks()?.signal(id, task, number).await,
        None => keeper.tasks()?.kill(id, task).await,
    })?;
    done(id, args.of.json)
}
