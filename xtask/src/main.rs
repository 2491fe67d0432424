//! The project's own tasks, run as `cargo xtask TASK`.
//!
//! A task that fails says why on stderr and ends with status 1. Nothing here writes outside
//! Cargo's target directory and the temporary directories that it removes again; the one
//! exception is `test-matrix --setup`, which prints what it is about to install first.

#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]
#![expect(clippy::print_stderr, reason = "a command line tool talks to its user")]

mod bench;
mod demo;
mod dist;
mod matrix;
mod sys;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check and test that this machine can run; end with `N passed, N failed`
    TestMatrix(matrix::Args),
    /// Check the invariants that ARCHITECTURE.md states
    Tidy(tidy::Args),
    /// Measure what starting a command costs, side by side with other ways to start it
    Bench(bench::Args),
    /// Build the static release binary into target/dist
    Dist,
    /// Run a small untrusted job and show what it could and could not do
    Demo(demo::Args),
    /// One measured process of `bench`; it speaks a line protocol on stdin and stdout
    #[command(hide = true)]
    BenchWorker(bench::worker::Args),
    /// One process of `bench --network`
    #[command(hide = true)]
    BenchNetwork(bench::network::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::TestMatrix(args) => matrix::run(&args),
        Task::Tidy(args) => tidy::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Dist => dist::run(),
        Task::Demo(args) => demo::run(&args),
        Task::BenchWorker(args) => bench::worker::run(&args),
        Task::BenchNetwork(args) => bench::network::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
