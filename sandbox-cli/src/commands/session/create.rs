//! `sandbox session create`.

use crate::args::CreateArgs;
use crate::failure::Failure;
use crate::output::{self, notes};
use crate::{platform, streams};

/// Makes a session, and prints its identifier.
pub(super) fn create(args: &CreateArgs) -> Result<i32, Failure> {
    let spec = args.spec()?;
    let level = spec.policy.enforcement();
    let keeper = platform::lasting(args.options.backend)?;
    let session = streams::block_on(async { Ok(keeper.provision(spec).await?) })?;
    if args.json {
        output::print_json(&session)?;
    } else {
        notes::show_lost(&session.report, level);
        output::print(&format!("{}\n", session.id))?;
    }
    Ok(0)
}
