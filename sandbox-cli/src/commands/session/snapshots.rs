//! `sandbox session snapshot`, `snapshots`, `restore` and `fork`.

use super::{ask, done};
use crate::args::{ForkArgs, IdArgs, SnapshotArgs};
use crate::failure::Failure;
use crate::output::{self, session};

/// Keeps the present state.
pub(super) fn snapshot(args: &SnapshotArgs) -> Result<i32, Failure> {
    let snapshot = ask(async |keeper| keeper.snapshot(&args.id, &args.name).await)?;
    if args.json {
        output::print_json(&snapshot)?;
    }
    Ok(0)
}

/// Lists the snapshots.
pub(super) fn snapshots(args: &IdArgs) -> Result<i32, Failure> {
    let snapshots = ask(async |keeper| keeper.snapshots(&args.id).await)?;
    if args.json {
        output::print_json(&snapshots)?;
    } else {
        output::print(&session::snapshots(&snapshots))?;
    }
    Ok(0)
}

/// Goes back to a snapshot.
pub(super) fn restore(args: &SnapshotArgs) -> Result<i32, Failure> {
    ask(async |keeper| keeper.restore(&args.id, &args.name).await)?;
    done(&args.id, args.json)
}

/// Makes sessions that begin where this one is, and prints their identifiers.
pub(super) fn fork(args: &ForkArgs) -> Result<i32, Failure> {
    let forks = ask(async |keeper| keeper.fork(&args.id, args.count).await)?;
    if args.json {
        output::print_json(&forks)?;
    } else {
        let lines: String = forks.iter().map(|fork| format!("{}\n", fork.id)).collect();
        output::print(&lines)?;
    }
    Ok(0)
}
