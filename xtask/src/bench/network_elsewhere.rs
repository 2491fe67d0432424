//! Nothing to measure: no gateway.

use std::process::ExitCode;

use anyhow::{Result, bail};

#[derive(clap::Args)]
pub(crate) struct Args;

pub(super) fn start(_: &super::Args) -> Result<ExitCode> {
    bail!("the way out is measured on Linux alone")
}

pub(crate) fn run(_: &Args) -> Result<ExitCode> {
    bail!("the way out is measured on Linux alone")
}
