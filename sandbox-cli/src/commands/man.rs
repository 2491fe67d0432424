//! `sandbox man`: the manual, made of the same definitions as `--help`.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use sandbox_core::path::quoted;

use crate::args::{Cli, ManArgs};
use crate::failure::Failure;
use crate::output;

/// Prints the main page, or writes one page per subcommand.
pub(super) fn man(args: &ManArgs) -> Result<i32, Failure> {
    match &args.folder {
        Some(folder) => write(folder)?,
        None => print()?,
    }
    Ok(0)
}

fn write(folder: &Path) -> Result<(), Failure> {
    let place = || format!("the manual in {}", quoted(folder));
    std::fs::create_dir_all(folder).map_err(Failure::output(place()))?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(Failure::output(place()))
}

fn print() -> Result<(), Failure> {
    let mut page = Vec::new();
    let rendered = Man::new(Cli::command()).render(&mut page);
    rendered.map_err(Failure::output("the manual"))?;
    output::print_raw(&page)
}
