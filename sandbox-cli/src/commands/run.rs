//! `sandbox run`: a command under a policy, with the caller's streams.

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::output::{notes, result};
use crate::platform;
use crate::streams::{self, Show};

/// Runs a command.
pub(super) fn run(args: &RunArgs) -> Result<i32, Failure> {
    let backend = platform::backend(args.options.backend)?;
    backend.warm_up(&args.options.likely_network());
    let (policy, request) = args.options.resolve(&args.command)?;
    let show = if args.json { Show::Captured } else { Show::Live };
    let outcome = streams::run(&backend, &policy, request, show, args.terminal)?;
    match show {
        Show::Captured => result::print(&outcome)?,
        Show::Live => notes::show(&outcome, &policy),
    }
    Ok(outcome.exit.shell_code())
}
