//! `sandbox session exec`: a command in a session, with the caller's streams.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandbox_core::SessionId;
use sandbox_core::session::SandboxBackend;

use super::keeper;
use crate::args::ExecArgs;
use crate::failure::Failure;
use crate::output::{network, notes, result};
use crate::streams::{self, Input, Show};

/// Runs a command. The session is not looked up before: who starts the command knows it.
pub(super) fn exec(args: &ExecArgs) -> Result<i32, Failure> {
    let request = args.request()?;
    let keeper = keeper()?;
    let show = if args.json { Show::Captured } else { Show::Live };
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = async |request| keeper.spawn(&args.id, request).await;
    let run = streams::follow(start, request, show, args.terminal, Input::Ours);
    let outcome = streams::block_on_last(run)?;
    match show {
        Show::Captured => result::print(&outcome)?,
        Show::Live => {
            notes::show_limits(&outcome);
            if outcome.report.egress.is_some() && outcome.exit.shell_code() != 0 {
                notes::say(denied_since(&*keeper, &args.id, begun));
            }
        }
    }
    Ok(outcome.exit.shell_code())
}

/// What the session was denied since then: perhaps why a command failed. A session that is over
/// tells nothing.
fn denied_since(keeper: &dyn SandboxBackend, id: &SessionId, begun: Duration) -> Vec<String> {
    let network = streams::block_on(async { Ok(keeper.network(id, u64::MAX).await?) });
    let begun = u64::try_from(begun.as_millis()).unwrap_or(u64::MAX);
    network.map_or_else(|_| Vec::new(), |it| network::denied_since(&it.summary, begun, id))
}
