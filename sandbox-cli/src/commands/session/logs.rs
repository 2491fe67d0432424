//! `sandbox session logs`: what a task has written, and what it writes.

use sandbox_core::session::log::{Piece, Start};

use super::keeper;
use crate::args::LogsArgs;
use crate::failure::Failure;
use crate::output::session_log::{Shown, Whole};
use crate::streams;

/// Prints a log. Each byte of it is either read or known to be gone, so the sum tells where it ended
/// when it was asked for.
pub(super) fn logs(args: &LogsArgs) -> Result<i32, Failure> {
    let (id, task) = (&args.of.id, args.of.task);
    let mut shown = match (args.of.json, args.follow) {
        (false, _) => Shown::Raw,
        (true, true) => Shown::Pieces,
        (true, false) => Shown::Whole(Whole::default()),
    };
    let keeper = keeper()?;
    streams::block_on(async {
        let tasks = keeper.tasks()?;
        let mut left = match args.follow {
            true => u64::MAX,
            false => tasks.get(id, task).await?.output,
        };
        let mut output = tasks.watch(id, task, Start::Offset(0)).await?;
        while left > 0 {
            let Some(piece) = output.next().await? else { break };
            left = left.saturating_sub(length(&piece));
            shown.add(&piece)?;
        }
        shown.finish()
    })?;
    Ok(0)
}

/// How many bytes of the log a piece stands for.
fn length(piece: &Piece) -> u64 {
    match piece {
        Piece::Bytes { bytes, .. } => bytes.len() as u64,
        Piece::Lagged { missed } => *missed,
        _ => 0,
    }
}
