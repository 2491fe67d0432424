//! `sandbox session suspend`, `resume`, `stats`, `rm` and `reap`.

use sandbox_core::session::{Labels, SandboxBackend};
use sandbox_core::{SandboxError, SessionId};
use serde_json::json;

use super::{ask, done, keeper};
use crate::args::{IdArgs, ReapArgs, RmArgs};
use crate::failure::Failure;
use crate::output::{self, session};
use crate::streams;

/// Stops every process of a session.
pub(super) fn suspend(args: &IdArgs) -> Result<i32, Failure> {
    ask(async |keeper| keeper.suspend(&args.id).await)?;
    done(&args.id, args.json)
}

/// Lets them go on.
pub(super) fn resume(args: &IdArgs) -> Result<i32, Failure> {
    ask(async |keeper| keeper.resume(&args.id).await)?;
    done(&args.id, args.json)
}

/// Shows what a session has used.
pub(super) fn stats(args: &IdArgs) -> Result<i32, Failure> {
    let usage = ask(async |keeper| keeper.usage(&args.id).await)?;
    if args.json {
        output::print_json(&session::usage(&usage))?;
    } else {
        output::print(&session::usage_text(&usage))?;
    }
    Ok(0)
}

/// Ends sessions: each that can be, whatever becomes of the others.
pub(super) fn rm(args: &RmArgs) -> Result<i32, Failure> {
    let keeper = keeper()?;
    let (ended, failed) = streams::block_on(async {
        let ids = if args.all { everything(&*keeper).await? } else { args.ids.clone() };
        let (mut ended, mut failed) = (Vec::new(), Vec::new());
        for id in ids {
            match keeper.terminate(&id).await {
                Ok(()) => ended.push(id),
                // It has ended by itself since it was listed.
                Err(SandboxError::SessionNotFound { .. }) if args.all => {}
                Err(error) => failed.push((id, error)),
            }
        }
        Ok((ended, failed))
    })?;
    let others = failed.len().saturating_sub(1);
    if let Some((_, error)) = failed.into_iter().next() {
        let failure = Failure::from(error);
        return Err(match others {
            0 => failure,
            _ => failure.with_help(format!("{others} more could not be ended either")),
        });
    }
    if args.json {
        output::print_json(&json!({ "ended": ended }))?;
    }
    Ok(0)
}

async fn everything(keeper: &dyn SandboxBackend) -> Result<Vec<SessionId>, SandboxError> {
    let sessions = keeper.list(&Labels::new()).await?;
    Ok(sessions.into_iter().map(|session| session.id).collect())
}

/// Takes away what sessions left behind.
pub(super) fn reap(args: &ReapArgs) -> Result<i32, Failure> {
    let reaped = ask(async |keeper| keeper.reap().await)?;
    if args.json {
        output::print_json(&json!({ "reaped": reaped }))?;
    } else {
        output::print(&format!("{reaped}\n"))?;
    }
    Ok(0)
}
