//! `bench`: what starting a command costs, next to other ways to start it.
//!
//! Machines differ and drift, so that a time by itself says little: contenders are measured in
//! rounds. Each round runs every contender once, in an order that is rotated from round to
//! round, and what counts is the ratio to a plain spawn. The tenth percentile (p10) is the
//! cost with little noise; the median (p50) is what one meets.
//!
//! Each contender lives in a process of its own ([`worker`]), since the size of the process
//! that spawns is part of what is measured. No time is ever asserted.

mod contenders;
#[cfg_attr(not(target_os = "linux"), path = "library_elsewhere.rs")]
mod library;
#[cfg_attr(not(target_os = "linux"), path = "network_elsewhere.rs")]
pub(crate) mod network;
mod report;
#[cfg_attr(not(target_os = "linux"), path = "state_elsewhere.rs")]
mod state;
mod stats;
mod svg;
pub(crate) mod worker;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::workspace::Workspace;
use contenders::{Given, Heap, ROWS, Row, STATE};
use report::Measured;
use stats::Summary;
use worker::Worker;

/// Rounds that are counted, of launches and of what copies a gigabyte.
const MANY: usize = 200;
const FEW: usize = 5;

/// Rounds that are run and not counted.
const WARM_UP: usize = 10;

/// The heap of an ordinary small program, in MiB.
const SMALL_MB: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Draw the results
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// How many rounds to count
    /// [default: 200, 20 with --network, 5 with --state]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// Measure snapshots, restores and forks of a large workspace instead
    #[arg(long, conflicts_with = "svg")]
    state: bool,
    /// Measure the way out of a sandbox with a host list instead
    #[arg(long, conflicts_with_all = ["svg", "state"])]
    network: bool,
    /// The heap of the big process, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    heap_mb: usize,
}

/// A contender that is ready to run, or the reason why it is not.
struct Entrant {
    row: &'static Row,
    worker: Result<Worker>,
    times: Vec<Duration>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.network {
        return network::start(args);
    }
    let rounds = args.iterations.unwrap_or(if args.state { FEW } else { MANY });
    ensure!(rounds > 0, "no rounds, no results");
    let workspace = Workspace::locate()?;
    let given = Given {
        sandbox: crate::dist::build(&workspace)?,
        workspace: workspace.target.join("bench").join("workspace"),
    };
    let mut entrants = enter(args, &given)?;
    // A copy takes seconds, and nothing of it has to be warmed up.
    let warm_up = if args.state { 1 } else { WARM_UP };
    for round in 0..warm_up + rounds {
        run_round(&mut entrants, round, round >= warm_up)?;
    }
    let measured: Vec<Measured> = entrants.iter().map(measure).collect();
    match args.json {
        true => println!("{}", report::to_json(&measured)?),
        false => print!("{}", report::table(&measured)),
    }
    if let Some(file) = &args.svg {
        let picture = svg::draw(&measured);
        fs::write(file, picture).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn enter(args: &Args, given: &Given) -> Result<Vec<Entrant>> {
    // Optimised: part of what is measured is our own code.
    let xtask = Workspace::locate()?.quick_binary()?;
    let entrant = |row: &'static Row| {
        let heap = match row.heap {
            Heap::Small => SMALL_MB,
            Heap::Big => args.heap_mb,
        };
        let worker = Worker::start(&xtask, row.contender, heap, given);
        Entrant { row, worker, times: Vec::new() }
    };
    let rows = if args.state { STATE } else { ROWS };
    Ok(rows.iter().map(entrant).collect())
}

fn run_round(entrants: &mut [Entrant], round: usize, counts: bool) -> Result<()> {
    let count = entrants.len();
    for place in 0..count {
        let entrant = &mut entrants[(place + round) % count];
        let Ok(worker) = &mut entrant.worker else { continue };
        let time = worker.measure().with_context(|| entrant.row.label.to_owned())?;
        if counts {
            entrant.times.push(time);
        }
    }
    Ok(())
}

fn measure(entrant: &Entrant) -> Measured {
    let label = entrant.row.label;
    let outcome = match &entrant.worker {
        Ok(_) => Ok(Summary::of(&entrant.times)),
        Err(why) => Err(format!("{why:#}")),
    };
    Measured { label, outcome }
}
