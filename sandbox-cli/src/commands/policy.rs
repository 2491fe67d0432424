//! `sandbox policy`: check, explain and write policies. Nothing is ever started here.

use std::ffi::OsString;

use sandbox_core::plan::{Host, Plan};
use sandbox_core::policy::PolicyFile;

use crate::args::{CheckArgs, ExplainArgs, InitArgs, policy_from_file};
use crate::failure::Failure;
use crate::output::explain::Explained;
use crate::output::{self, policy, template};
use crate::platform;

/// What is explained when no command is named.
const DEFAULT_COMMAND: &str = "/bin/sh";

/// Checks a policy file.
pub(super) fn check(args: &CheckArgs) -> Result<i32, Failure> {
    let checked = policy_from_file(&args.file, None)?.build()?;
    if args.json {
        output::print_json(&checked)?;
    } else {
        output::print(&policy::text(&args.file, &checked))?;
    }
    Ok(0)
}

/// Explains what this machine would enforce.
pub(super) fn explain(args: &ExplainArgs) -> Result<i32, Failure> {
    let default = [OsString::from(DEFAULT_COMMAND)];
    let command = if args.command.is_empty() { &default[..] } else { &args.command };
    let (policy, request) = args.options.resolve(command)?;
    let backend = platform::backend(args.options.backend)?;
    let plan = Plan::new(&policy, &request, &Host::current())?;
    let report = backend.report(&plan)?;
    let explained = Explained::new(backend.name(), &plan, &report, backend.explain(&plan)?);
    if args.json {
        output::print_json(&explained)?;
    } else {
        output::print(&explained.text())?;
    }
    Ok(0)
}

/// Prints the JSON Schema of policy files.
pub(super) fn schema() -> Result<i32, Failure> {
    output::print_json(&PolicyFile::schema())?;
    Ok(0)
}

/// Prints a policy file to start from.
pub(super) fn init(args: &InitArgs) -> Result<i32, Failure> {
    output::print(&template::policy(args.preset))?;
    Ok(0)
}
