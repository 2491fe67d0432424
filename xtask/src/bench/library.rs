//! The library itself as a contender: a policy compiled once, launched again and again.

use std::path::Path;

use anyhow::{Result, ensure};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::{ExecRequest, Exit, NetworkPolicy, Policy};
use sandbox_linux::{Prepared, TierChoice};

use super::contenders::Contender;

/// Prepares a tier.
pub(super) fn open(name: &str, program: &Path) -> Result<Box<dyn Contender>> {
    let (tier, network) = match name {
        "landlock" => (TierChoice::Landlock, NetworkPolicy::denied()),
        "namespaces-net" => (TierChoice::Namespaces, NetworkPolicy::Unrestricted),
        _ => (TierChoice::Namespaces, NetworkPolicy::denied()),
    };
    let policy = Policy::read_only().network(network).build()?;
    let plan = Plan::new(&policy, &ExecRequest::new(program), &Host::current())?;
    Ok(Box::new(Launch(Prepared::new(plan, tier)?)))
}

struct Launch(Prepared);

impl Contender for Launch {
    fn run_once(&mut self) -> Result<()> {
        let exit = self.0.status()?;
        ensure!(exit == Exit::Code(0), "the command ended with {exit:?}");
        Ok(())
    }
}
