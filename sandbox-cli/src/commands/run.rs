//! `sandbox run`: a command under a policy, with the caller's streams.

use std::fs::File;
use std::path::Path;

use sandbox_core::egress::decision;
use sandbox_core::plan::{Host, Plan};
use sandbox_core::{ExecRequest, NetworkPolicy, Policy};

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
    let log = args.net_log.as_deref().map(|path| open_log(path, &policy, &request)).transpose()?;
    let outcome = streams::run(&backend, &policy, request, show, args.terminal, log)?;
    match show {
        Show::Captured => result::print(&outcome)?,
        Show::Live => notes::show(&outcome, &policy),
    }
    Ok(outcome.exit.shell_code())
}

/// The file that decisions are written to, opened before there is anything to decide.
fn open_log(path: &Path, policy: &Policy, request: &ExecRequest) -> Result<File, Failure> {
    if policy.network().is_denied() || *policy.network() == NetworkPolicy::Unrestricted {
        let why = "--net-log tells what became of listed hosts, and the policy lists none";
        return Err(Failure::usage(why).with_help("add --allow-host HOST, or leave it out"));
    }
    Ok(decision::open_file(path, &Plan::new(policy, request, &Host::current())?)?)
}
