//! A battery of hostile programs, run through the command line as its users run it.
//!
//! The battery is no part of this repository: it stands beside the checkout or the cell does
//! not run. It compiles itself in place, so that each cell works on its own copy.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Context;
use super::cargo::quiet_cargo;
use super::identity::Identity;
use super::judge::{self, Judgement};
use super::log::Log;
use super::outcome::Outcome;
use super::scratch::Scratch;
use crate::workspace::{RELEASE, copy_tree, on_path};

/// Where the battery stands, seen from the workspace's root.
const BATTERY: &str = "../shared/battery";

/// The battery gives these names to the places in its world; a shell fills them in.
const RUN: &str = "--read $RO --write $WS --deny $SECRET --cwd $WS --memory 256M --pids 128 \
                   --disk 96M --cpu-time 2s --wall 4s --output 64M --";

/// The system's own, since an ordinary user can run it.
const PYTHON: &str = "/usr/bin/python3";

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
const RUN_LIMIT: Duration = Duration::from_secs(12 * 60);

pub(super) struct Battery {
    pub(super) identity: Identity,
    /// The backend to ask for; `None` leaves the choice to the command line.
    pub(super) backend: Option<&'static str>,
    /// The ids of programs that are known to get through.
    pub(super) gaps: &'static [&'static str],
}

impl Battery {
    pub(super) fn run(&self, context: &Context, log: &mut Log) -> Result<Outcome> {
        let battery = context.workspace.root.join(BATTERY);
        if !battery.join("run-battery.sh").exists() {
            return Ok(Outcome::not_run("no battery beside the checkout"));
        }
        if let Some(why) = self.identity.out_of_reach() {
            return Ok(Outcome::not_run(why));
        }
        ensure!(on_path("gcc").is_some(), "gcc is not on PATH");
        ensure!(Path::new(PYTHON).exists(), "there is no {PYTHON}");
        let built = log.run(quiet_cargo(context).args(RELEASE), BUILD_LIMIT, context.console)?;
        ensure!(built.status.success(), "cargo build: {}", built.status);

        let scratch = Scratch::new(self.identity)?;
        let copy = scratch.create("battery")?;
        copy_tree(&battery, &copy, &|path| scratch.give(path))?;
        scratch.install(&context.workspace.release_path(), "sandbox")?;
        let judgement = self.attack(&scratch, &copy, context, log)?;
        let closed = scratch.close().err().map(|error| format!("{error:#}"));
        Ok(settle(&judgement, closed, log))
    }

    fn attack(
        &self,
        scratch: &Scratch,
        battery: &Path,
        context: &Context,
        log: &mut Log,
    ) -> Result<Judgement> {
        let results = scratch.path().join("tmp/results.json");
        let mut command = scratch.command(&battery.join("run-battery.sh"))?;
        command.arg(self.prefix()).env("HB_RESULT", &results).env("HB_PYTHON", PYTHON);
        command.env("HB_BASE", scratch.create("world")?);
        // Its status says less than the results do: they are judged with our list of gaps.
        let ran = log.run(&mut command, RUN_LIMIT, context.console)?;
        let json = fs::read_to_string(&results)
            .with_context(|| format!("the battery wrote no results ({})", ran.status))?;
        Ok(judge::judge(&judge::parse(&json)?, self.gaps))
    }

    fn prefix(&self) -> String {
        match self.backend {
            None => format!("sandbox run {RUN}"),
            Some(backend) => format!("sandbox run --backend {backend} {RUN}"),
        }
    }
}

fn settle(judgement: &Judgement, closed: Option<String>, log: &mut Log) -> Outcome {
    for note in &judgement.notes {
        log.note(&format!("allowed: {note}"));
    }
    for finding in &judgement.findings {
        log.note(&format!("finding: {finding}"));
    }
    let first = judgement.findings.first().map(|first| match judgement.findings.len() - 1 {
        0 => first.clone(),
        more => format!("{first}, and {more} more"),
    });
    Outcome::counted(judgement.tally, first.or(closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_is_asked_for_by_name() {
        let mut battery = Battery { identity: Identity::User, backend: None, gaps: &[] };
        assert!(battery.prefix().starts_with("sandbox run --read $RO "));
        assert!(battery.prefix().ends_with(" --output 64M --"));
        battery.backend = Some("landlock");
        assert!(battery.prefix().starts_with("sandbox run --backend landlock --read $RO "));
    }
}
