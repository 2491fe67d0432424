//! `test-matrix`: every check and test that this machine can run, as a table of cells.
//!
//! A cell is a target, a tier (with what rights the tests run) and a way to run it; the list is
//! data in [`cells`]. Cells run one after the other, since several of them measure time or
//! fill limits. What a cell prints goes to `matrix/CELL.log` in the target directory.
//!
//! Nothing is skipped in silence. A tool that a cell needs and does not find is a failure, a
//! cell without a single test is a failure, and a cell that this machine cannot run says why;
//! `--require CELL` turns the last case into a failure as well.

mod artifacts;
mod battery;
mod cargo;
mod cell;
mod cells;
mod conformance;
mod console;
mod identity;
mod judge;
mod log;
mod outcome;
mod report;
mod scratch;
mod setup;
mod target;
mod testlines;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::workspace::Workspace;
use cell::Cell;
use console::Console;
use log::Log;
use outcome::{Outcome, State};
use report::Line;
use target::Target;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install what the cells need and is missing, then run them
    #[arg(long)]
    setup: bool,
    /// Write the results as JSON to a file, or to standard output with `-`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail if this cell does not run (may be repeated)
    #[arg(long, value_name = "CELL")]
    require: Vec<String>,
    /// Only the cells of this target, for example x86_64-linux
    #[arg(long, value_name = "TARGET")]
    target: Option<Target>,
    /// Only this cell, or all cells under this name (may be repeated)
    #[arg(long, value_name = "CELL")]
    only: Vec<String>,
}

/// What every cell is given to work with.
struct Context {
    workspace: Workspace,
    console: Console,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let chosen = choose(args, cells::ALL)?;
    let context =
        Context { workspace: Workspace::locate()?, console: Console::new(args.json.as_deref()) };
    if args.setup {
        setup::run(&context.console)?;
    }
    let lines: Vec<_> = chosen.iter().map(|cell| run_cell(&context, cell, args)).collect();
    report::print(&context.console, &lines);
    if let Some(file) = &args.json {
        report::write_json(file, &lines)?;
    }
    let failed = lines.iter().any(|line| line.outcome.is_failure());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn choose<'a>(args: &Args, all: &'a [Cell]) -> Result<Vec<&'a Cell>> {
    for name in args.only.iter().chain(&args.require) {
        ensure!(all.iter().any(|cell| cell.is_called(name)), "there is no cell {name}");
    }
    let chosen: Vec<_> = all
        .iter()
        .filter(|cell| args.only.is_empty() || args.only.iter().any(|name| cell.is_called(name)))
        .filter(|cell| args.target.is_none_or(|target| cell.target == target))
        .collect();
    ensure!(!chosen.is_empty(), "no cell is left to run");
    for name in &args.require {
        let runs = chosen.iter().any(|cell| cell.is_called(name));
        ensure!(runs, "{name} is required, but was not chosen to run");
    }
    Ok(chosen)
}

fn run_cell<'a>(context: &Context, cell: &'a Cell, args: &Args) -> Line<'a> {
    let console = &context.console;
    console.line(&format!("-> {}: {}", cell.name, cell.about));
    let start = Instant::now();
    let required = args.require.iter().any(|name| cell.is_called(name));
    let (outcome, log) = match attempt(context, cell) {
        Ok((outcome, log)) => (outcome.settle(required), Some(log)),
        Err(error) => (Outcome::failed(format!("{error:#}")), None),
    };
    let line = Line { cell, outcome, took: start.elapsed(), log: log.as_ref().map(Log::path) };
    if let (State::Failed(_), Some(log)) = (&line.outcome.state, &log) {
        console.line(&log.tail(40));
    }
    console.line(&format!("   {} in {:.1} s", line.outcome, line.took.as_secs_f64()));
    line
}

/// Runs the cell; its error is an outcome like any other, so that the log is at hand.
fn attempt(context: &Context, cell: &Cell) -> Result<(Outcome, Log)> {
    let mut log = Log::create(&context.workspace.target.join("matrix"), cell.name)?;
    let outcome = match cell.target.elsewhere() {
        Some(why) => Outcome::not_run(why),
        None => cell
            .run(context, &mut log)
            .unwrap_or_else(|error| Outcome::failed(format!("{error:#}"))),
    };
    log.note(&format!("{outcome}"));
    Ok((outcome, log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn chosen(line: &str) -> Result<Vec<&'static str>> {
        let args = Cli::parse_from(line.split(' ')).args;
        choose(&args, cells::ALL).map(|cells| cells.iter().map(|cell| cell.name).collect())
    }

    #[test]
    fn names_choose_cells() {
        assert_eq!(chosen("x --only tidy --only fmt").unwrap(), ["tidy", "fmt"]);
        assert!(chosen("x --only x86_64-linux").unwrap().contains(&"x86_64-linux/root"));
        assert!(!chosen("x --target x86_64-linux").unwrap().contains(&"tidy"));
        assert!(chosen("x").unwrap().len() > 10);
    }

    #[test]
    fn a_name_that_chooses_nothing_is_an_error() {
        assert!(chosen("x --only tid").is_err());
        assert!(chosen("x --only tidy --only tydi").is_err());
        assert!(chosen("x --require tydi").is_err());
        assert!(chosen("x --only tidy --require fmt").is_err());
        assert!(chosen("x --target x86_64-linux --only tidy").is_err());
    }
}
