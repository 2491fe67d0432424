//! `sandbox session list` and `show`.

use super::ask;
use crate::args::{IdArgs, ListArgs};
use crate::failure::Failure;
use crate::output::session::Shown;
use crate::output::{self, session};

/// Lists the sessions.
pub(super) fn list(args: &ListArgs) -> Result<i32, Failure> {
    let labels = args.labels()?;
    let sessions = ask(async |keeper| keeper.list(&labels).await)?;
    if args.json {
        output::print_json(&sessions)?;
    } else {
        output::print(&session::list(&sessions))?;
    }
    Ok(0)
}

/// Shows one session.
pub(super) fn show(args: &IdArgs) -> Result<i32, Failure> {
    let shown = ask(async |keeper| {
        let session = keeper.get(&args.id).await?;
        Ok(Shown { session, health: keeper.health(&args.id).await? })
    })?;
    if args.json {
        output::print_json(&shown)?;
    } else {
        output::print(&session::show(&shown))?;
    }
    Ok(0)
}
