//! `sandbox completions`: the script by which a shell completes our arguments.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::failure::Failure;
use crate::output;

/// Prints the script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<i32, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sandbox", &mut script);
    output::print_raw(&script)?;
    Ok(0)
}
