//! `sandbox run --overlay`: a command on a copy of its workspace, whose changes are then looked at,
//! and applied or dropped.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::session::{Applied, Change, SandboxBackend, SandboxSpec, Session};
use sandbox_core::{ExecResult, FilesystemMount, Policy, SandboxError, SandboxPath};

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::output::{changes, notes, result};
use crate::platform;
use crate::streams::{self, Show};

/// What became of the changes.
pub(crate) struct Review {
    pub(crate) changes: Vec<Change>,
    /// What applying them came to, if that was wanted.
    pub(crate) applied: Option<Applied>,
}

/// Runs a command on a copy.
pub(super) fn run(args: &RunArgs) -> Result<i32, Failure> {
    let (policy, request) = args.options.resolve(&args.command)?;
    let folder = workspace(&policy)?;
    let asks = args.review;
    if asks && !std::io::stdin().is_terminal() {
        return Err(Failure::usage("--review asks, and standard input is no terminal")
            .with_help("use --apply, or leave it out to drop the changes"));
    }
    let sessions = platform::sessions(args.options.backend, folder.as_path())?;
    let mount = FilesystemMount::overlay(folder.as_path(), folder.as_path());
    let mount = mount.map_err(sandbox_core::policy::PolicyError::from)?;
    let mut spec = SandboxSpec::new(policy.clone()).mount(mount);
    spec.net_log.clone_from(&args.net_log);
    let show = if args.json { Show::Captured } else { Show::Live };
    let (outcome, review) = streams::block_on(async {
        let session = provision(sessions, spec).await?;
        let input = if asks { streams::Input::None } else { streams::Input::Ours };
        let start = async |request| session.spawn(request).await;
        let mut outcome = streams::follow(start, request, show, args.terminal, input).await?;
        let network = session.network(u64::MAX).await?;
        outcome.network = network.level.is_some().then_some(network.summary);
        let changes: Vec<Change> =
            session.diff().await?.into_iter().flat_map(|mount| mount.changes).collect();
        let wanted = wanted(args, &outcome, &changes, &folder)?;
        let applied = if wanted { Some(session.apply().await?) } else { None };
        session.terminate().await?;
        Ok((outcome, Review { changes, applied }))
    })?;
    match show {
        Show::Captured => result::print_reviewed(&outcome, &review)?,
        Show::Live => {
            notes::show(&outcome, &policy);
            if !asks {
                changes::show(&review.changes);
            }
            changes::show_applied(&review, &folder);
        }
    }
    let refused = review.applied.is_some_and(|applied| !applied.conflicts.is_empty());
    Ok(if refused { crate::exit::SANDBOX_FAILED } else { outcome.exit.shell_code() })
}

async fn provision(
    sessions: Arc<dyn SandboxBackend>,
    spec: SandboxSpec,
) -> Result<Session, SandboxError> {
    // What sessions left behind that were killed: nobody else takes it away.
    let _ = sessions.reap().await;
    Session::provision(sessions, spec).await
}

fn workspace(policy: &Policy) -> Result<SandboxPath, Failure> {
    policy.workspace_path().cloned().ok_or_else(|| {
        Failure::usage("--overlay copies a workspace, and there is none")
            .with_help("add --workspace FOLDER")
    })
}

/// Whether the changes are to be applied.
fn wanted(
    args: &RunArgs,
    outcome: &ExecResult,
    changes: &[Change],
    folder: &SandboxPath,
) -> Result<bool, Failure> {
    if changes.is_empty() {
        return Ok(false);
    }
    if args.review {
        changes::show(changes);
        return ask(changes.len(), folder.as_path());
    }
    Ok(args.apply && outcome.exit.success())
}

/// Asks on the terminal; anything but a clear yes is a no.
fn ask(count: usize, folder: &Path) -> Result<bool, Failure> {
    let things = if count == 1 { "this change" } else { "these changes" };
    let folder = sandbox_core::path::quoted(folder);
    eprint_prompt(&format!("apply {things} to {folder}? [y/N] "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(SandboxError::io("reading the answer"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn eprint_prompt(text: &str) {
    use std::io::Write;
    let mut out = std::io::stderr().lock();
    // Where standard error is gone there is nobody to tell.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
