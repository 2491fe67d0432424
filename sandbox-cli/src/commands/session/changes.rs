//! `sandbox session diff`, `apply` and `discard`: what a session has changed in its copies.

use super::{ask, done};
use crate::args::IdArgs;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, notes, session_changes};

/// Shows the changes.
pub(super) fn diff(args: &IdArgs) -> Result<i32, Failure> {
    let mounts = ask(async |keeper| keeper.diff(&args.id).await)?;
    if args.json {
        output::print_json(&mounts)?;
    } else {
        output::print(&session_changes::diff(&mounts))?;
    }
    Ok(0)
}

/// Writes the changes to this machine's folders; a conflict is no success.
pub(super) fn apply(args: &IdArgs) -> Result<i32, Failure> {
    let applied = ask(async |keeper| keeper.apply(&args.id).await)?;
    if args.json {
        output::print_json(&applied)?;
    } else {
        output::print(&session_changes::applied(&applied))?;
        notes::say(session_changes::conflicts(&applied));
    }
    Ok(if applied.conflicts.is_empty() { 0 } else { exit::SANDBOX_FAILED })
}

/// Forgets the changes.
pub(super) fn discard(args: &IdArgs) -> Result<i32, Failure> {
    ask(async |keeper| keeper.discard(&args.id).await)?;
    done(&args.id, args.json)
}
