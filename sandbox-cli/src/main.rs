//! `sandbox`: run commands you do not trust.
//!
//! Arguments become a policy and a request ([`args`]), a backend is chosen ([`platform`]), a
//! command calls the library ([`commands`]), its streams are carried live ([`streams`]), the
//! result is shown ([`output`]). Errors come back to this file, the only one that prints them.

mod args;
mod commands;
mod exit;
mod failure;
mod output;
mod platform;
mod streams;

use args::Cli;

fn main() {
    let code = match Cli::read() {
        Ok(command) => {
            let json = commands::wants_json(&command);
            commands::dispatch(command).unwrap_or_else(|failure| {
                output::failure::show(&failure, json);
                failure.exit_code()
            })
        }
        Err(error) => output::failure::show_usage(&error),
    };
    // Threads that still wait for the caller's streams must not keep this process.
    std::process::exit(code);
}
