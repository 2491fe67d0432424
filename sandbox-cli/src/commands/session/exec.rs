//! `sandbox session exec`: a command in a session, with the caller's streams.

use super::keeper;
use crate::args::ExecArgs;
use crate::failure::Failure;
use crate::output::{notes, result};
use crate::streams::{self, Input, Show};

/// Runs a command. The session is not looked up before: who starts the command knows it.
pub(super) fn exec(args: &ExecArgs) -> Result<i32, Failure> {
    let request = args.request()?;
    let keeper = keeper()?;
    let show = if args.json { Show::Captured } else { Show::Live };
    let start = async |request| keeper.spawn(&args.id, request).await;
    let run = streams::follow(start, request, show, args.terminal, Input::Ours);
    let outcome = streams::block_on_last(run)?;
    match show {
        Show::Captured => result::print(&outcome)?,
        Show::Live => notes::show_limits(&outcome),
    }
    Ok(outcome.exit.shell_code())
}
