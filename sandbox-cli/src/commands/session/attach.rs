//! `sandbox session attach`: this terminal on a task.

use sandbox_core::{ExecResult, Exit};

use super::keeper;
use crate::args::AttachArgs;
use crate::failure::Failure;
use crate::output::notes;
use crate::streams::attach::{Parting, Task, attach as connect};
use crate::streams::block_on;

/// Connects to a task until it ends or is left.
pub(super) fn attach(args: &AttachArgs) -> Result<i32, Failure> {
    let keeper = keeper()?;
    let (parting, outcome) = block_on(async {
        let task = Task { keeper: keeper.tasks()?, session: &args.id, id: args.task };
        let parting = connect(&task, args.detach_keys.bytes()).await?;
        let outcome: Option<ExecResult> = match parting {
            Parting::Ended => Some(task.keeper.wait(&args.id, args.task).await?),
            _ => None,
        };
        Ok((parting, outcome))
    })?;
    if let Some(outcome) = outcome {
        notes::show_limits(&outcome);
        return Ok(outcome.exit.shell_code());
    }
    notes::say([format!("left {}, which goes on", args.task)]);
    Ok(match parting {
        Parting::Interrupted(signal) => Exit::Signal(signal).shell_code(),
        _ => 0,
    })
}
