//! The behaviour suite, as one user.
//!
//! The test binaries are built once with cargo, copied to a fresh directory that any user can
//! read, and run from there: with the rights of the cell's user, an empty home and an almost
//! empty environment. `SANDBOX_BIN` names the copied `sandbox` binary.

use anyhow::{Context as _, Result, ensure};

use super::Context;
use super::artifacts::Artifacts;
use super::cargo::Runs;
use super::identity::Identity;
use super::log::Log;
use super::outcome::Outcome;
use super::scratch::Scratch;

pub(super) struct Conformance {
    pub(super) identity: Identity,
}

impl Conformance {
    pub(super) fn run(&self, context: &Context, log: &mut Log) -> Result<Outcome> {
        if let Some(why) = self.identity.out_of_reach() {
            return Ok(Outcome::not_run(why));
        }
        let artifacts = Artifacts::build(context, log)?;
        ensure!(artifacts.behaviour_tests().next().is_some(), "there is no behaviour suite");
        let scratch = Scratch::new(self.identity)?;
        let mut runs = Runs::default();
        run_all(&artifacts, &scratch, context, log, &mut runs)?;
        if let Err(error) = scratch.close() {
            runs.complain(format!("{error:#}"));
        }
        Ok(runs.outcome())
    }
}

fn run_all(
    artifacts: &Artifacts,
    scratch: &Scratch,
    context: &Context,
    log: &mut Log,
    runs: &mut Runs,
) -> Result<()> {
    let sandbox = artifacts.sandbox().context("cargo built no sandbox binary")?;
    let sandbox = scratch.install(sandbox, "sandbox")?;
    for test in artifacts.behaviour_tests() {
        let package = test.package_dir.file_name().unwrap_or_default().to_string_lossy();
        let copy = scratch.install(&test.executable, &format!("{package}-{}", test.name))?;
        let mut command = scratch.command(&copy)?;
        runs.add(context, log, command.env("SANDBOX_BIN", &sandbox))?;
    }
    Ok(())
}
