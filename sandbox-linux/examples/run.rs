//! Runs one command over one folder: `run FOLDER COMMAND ARGUMENTS...`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use sandbox_core::{ExecRequest, Policy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1);
    let folder = words.next().ok_or("usage: run FOLDER COMMAND ARGUMENTS...")?;
    let program = words.next().ok_or("usage: run FOLDER COMMAND ARGUMENTS...")?;
    let policy = Policy::workspace(folder)?.build()?;
    let request = ExecRequest::new(program).args(words);
    let result = sandbox_linux::backend()?.run(&policy, &request).await?;
    print!("{}", result.stdout.text());
    eprint!("{}", result.stderr.text());
    eprintln!("{:?} in {:?}; gaps: {:#?}", result.exit, result.elapsed, result.report.gaps());
    Ok(())
}
