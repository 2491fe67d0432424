//! `sandbox shell`: the caller's shell under a policy, on a terminal.

use std::env;
use std::ffi::OsString;

use sandbox_core::{ExecResult, Policy, SandboxError};

use crate::args::{Options, ShellArgs};
use crate::failure::Failure;
use crate::output::notes;
use crate::platform;
use crate::streams::{self, Show};

/// The shell that every Unix has.
const FALLBACK: &str = "/bin/sh";

/// Runs a shell.
pub(super) fn shell(args: &ShellArgs) -> Result<i32, Failure> {
    let own = env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let attempt = start(&args.options, own.clone().unwrap_or_else(|| FALLBACK.into()));
    let (outcome, policy) = match attempt {
        // A shell from a folder that the sandbox does not show: nothing has started yet.
        Err(failure) if own.is_some() && is_out_of_sight(&failure) => {
            start(&args.options, FALLBACK.into())?
        }
        attempt => attempt?,
    };
    notes::show(&outcome, &policy);
    Ok(outcome.exit.shell_code())
}

fn start(options: &Options, shell: OsString) -> Result<(ExecResult, Policy), Failure> {
    let (policy, request) = options.resolve(&[shell])?;
    let backend = platform::backend(options.backend)?;
    Ok((streams::run(&backend, &policy, request, Show::Live, true, None)?, policy))
}

fn is_out_of_sight(failure: &Failure) -> bool {
    matches!(
        failure.sandbox_error(),
        Some(SandboxError::CommandNotFound { .. } | SandboxError::CommandHidden { .. })
    )
}
