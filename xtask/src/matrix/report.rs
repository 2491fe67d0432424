//! The results: a table and a closing line for people, JSON for machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::cell::Cell;
use super::console::Console;
use super::outcome::{Outcome, State, Tally};

pub(super) struct Line<'a> {
    pub(super) cell: &'a Cell,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    pub(super) log: Option<PathBuf>,
}

pub(super) fn print(console: &Console, lines: &[Line<'_>]) {
    let width = lines.iter().map(|line| line.cell.name.len()).max().unwrap_or(0);
    console.line("");
    for line in lines {
        let seconds = line.took.as_secs_f64();
        console.line(&format!("{:width$}  {seconds:>7.1} s  {}", line.cell.name, line.outcome));
    }
    console.line("");
    console.line(&closing(sum(lines)));
}

/// The last line: what the whole matrix comes to.
fn closing(sum: Tally) -> String {
    format!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped)
}

fn sum(lines: &[Line<'_>]) -> Tally {
    let mut sum = Tally::default();
    for line in lines {
        sum += line.outcome.tally;
    }
    sum
}

pub(super) fn write_json(file: &Path, lines: &[Line<'_>]) -> Result<()> {
    let text = serde_json::to_string_pretty(&to_json(lines))? + "\n";
    if file.as_os_str() == "-" {
        print!("{text}");
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

fn to_json(lines: &[Line<'_>]) -> Value {
    let sum = sum(lines);
    json!({
        "cells": lines.iter().map(line_to_json).collect::<Vec<_>>(),
        "passed": sum.passed,
        "failed": sum.failed,
        "skipped": sum.skipped,
    })
}

fn line_to_json(line: &Line<'_>) -> Value {
    let (state, reason) = match &line.outcome.state {
        State::Passed => ("passed", None),
        State::Failed(why) => ("failed", Some(why)),
        State::Linked => ("linked", None),
        State::Checked => ("checked", None),
        State::NotRun(why) => ("not run", Some(why)),
    };
    json!({
        "cell": line.cell.name,
        "target": line.cell.target.to_string(),
        "state": state,
        "reason": reason,
        "passed": line.outcome.tally.passed,
        "failed": line.outcome.tally.failed,
        "skipped": line.outcome.tally.skipped,
        "seconds": line.took.as_secs_f64(),
        "log": line.log,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cells;

    #[test]
    fn the_closing_line_sums_the_cells() {
        let line =
            |outcome| Line { cell: &cells::ALL[0], outcome, took: Duration::ZERO, log: None };
        let tally = Tally { passed: 7, failed: 0, skipped: 2 };
        let lines = [
            line(Outcome::counted(tally, None)),
            line(Outcome::failed("broken")),
            line(Outcome::not_run("needs root")),
        ];
        assert_eq!(closing(sum(&lines)), "7 passed, 1 failed, 2 skipped");
        assert_eq!(to_json(&lines)["cells"][2]["reason"], "needs root");
    }
}
