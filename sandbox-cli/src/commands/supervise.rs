//! `sandbox supervise`: the process that owns one session. `sandbox session create` starts it.

use sandbox_core::SandboxError;

use crate::args::SuperviseArgs;
use crate::failure::Failure;
use crate::platform::{self, supervisor};
use crate::streams;

/// Owns the session that standard input describes, until it is over.
pub(super) fn supervise(args: &SuperviseArgs) -> Result<i32, Failure> {
    let order = supervisor::detach().map_err(SandboxError::io("leaving the caller"))?;
    let (sessions, root) = platform::owned(args.backend)?;
    streams::block_on(async { Ok(supervisor::serve(sessions, root, &order).await?) })?;
    Ok(0)
}
