//! Cells that are one cargo command, and the tests that any machine runs.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Context;
use super::artifacts::Artifacts;
use super::log::Log;
use super::outcome::{Outcome, Tally};
use super::testlines;
use crate::tidy;

/// Generous: a first build on a slow machine is in it.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// A cargo command that passes or fails as a whole.
pub(super) struct CargoCheck {
    pub(super) args: &'static [&'static str],
    pub(super) env: &'static [(&'static str, &'static str)],
}

impl CargoCheck {
    pub(super) fn run(&self, context: &Context, log: &mut Log) -> Result<Outcome> {
        let mut command = quiet_cargo(context);
        command.args(self.args).envs(self.env.iter().copied());
        let ran = log.run(&mut command, LIMIT, context.console)?;
        ensure!(ran.status.success(), "cargo {}: {}", self.args[0], ran.status);
        Ok(Outcome::check_passed())
    }
}

/// cargo-deny, whose absence gets a sentence of advice.
pub(super) struct Deny;

impl Deny {
    pub(super) fn run(&self, context: &Context, log: &mut Log) -> Result<Outcome> {
        let version =
            log.run(quiet_cargo(context).args(["deny", "--version"]), LIMIT, context.console)?;
        ensure!(version.status.success(), "cargo-deny is missing: run test-matrix with --setup");
        let args = &["deny", "--locked", "--log-level", "error", "check"];
        let checks = &["licenses", "bans", "sources"];
        let ran = log.run(quiet_cargo(context).args(args).args(checks), LIMIT, context.console)?;
        ensure!(ran.status.success(), "cargo deny: {}", ran.status);
        Ok(Outcome::counted(Tally { passed: checks.len() as u64, ..Tally::default() }, None))
    }
}

/// The rules of `cargo xtask tidy`; each rule counts as a test.
pub(super) fn tidy(context: &Context, log: &mut Log) -> Result<Outcome> {
    let report = tidy::examine(&context.workspace)?;
    log.note(&report.to_string());
    let broken = report.broken_rules() as u64;
    let passed = report.rules as u64 - broken;
    Ok(Outcome::counted(Tally { passed, failed: broken, skipped: 0 }, None))
}

/// Tests of libraries and binaries, documentation examples, and those integration tests that
/// are not the behaviour suite (which needs to be run as several users).
pub(super) struct Unit;

impl Unit {
    pub(super) fn run(&self, context: &Context, log: &mut Log) -> Result<Outcome> {
        let mut runs = Runs::default();
        for kinds in [&["--lib", "--bins"][..], &["--doc"]] {
            let mut command = quiet_cargo(context);
            command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]).args(kinds);
            runs.add(context, log, &mut command)?;
        }
        for test in Artifacts::build(context, log)?.elsewhere_tests() {
            let mut command = Command::new(&test.executable);
            command.current_dir(&test.package_dir).env("CARGO_MANIFEST_DIR", &test.package_dir);
            runs.add(context, log, &mut command)?;
        }
        Ok(runs.outcome())
    }
}

/// The sum of several test commands.
#[derive(Default)]
pub(super) struct Runs {
    tally: Tally,
    trouble: Vec<String>,
}

impl Runs {
    pub(super) fn add(
        &mut self,
        context: &Context,
        log: &mut Log,
        command: &mut Command,
    ) -> Result<()> {
        let ran = log.run(command, LIMIT, context.console)?;
        let tally = testlines::sum(&ran.output).unwrap_or_default();
        if !ran.status.success() && tally.failed == 0 {
            let program = command.get_program().to_string_lossy();
            self.trouble.push(format!("{program}: {}", ran.status));
        }
        self.tally += tally;
        Ok(())
    }

    /// What went wrong beside the tests themselves.
    pub(super) fn complain(&mut self, trouble: String) {
        self.trouble.push(trouble);
    }

    pub(super) fn outcome(self) -> Outcome {
        let trouble = (!self.trouble.is_empty()).then(|| self.trouble.join("; "));
        Outcome::counted(self.tally, trouble)
    }
}

/// Cargo without colours, which a log has no use for.
pub(super) fn quiet_cargo(context: &Context) -> Command {
    let mut command = context.workspace.cargo();
    command.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never");
    command
}
