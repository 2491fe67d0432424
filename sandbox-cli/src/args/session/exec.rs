//! Commands in a session: their arguments, directory and variables.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use sandbox_core::path::quoted;
use sandbox_core::{ExecRequest, SessionId, TerminalSize};

use super::super::options::split_at_equals;
use super::super::{EXIT_CODES, rules};
use super::values;
use crate::failure::Failure;

/// Where a command runs and what it sees, beside what the session has.
#[derive(Args, Debug)]
struct CommandOptions {
    /// The working directory in the session [default: its workspace, else /]
    #[arg(long, value_name = "FOLDER")]
    cwd: Option<PathBuf>,
    /// Set a variable
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<OsString>,
}

/// `sandbox session exec`.
#[derive(Args, Debug)]
#[command(
    after_help = EXIT_CODES,
    override_usage = "sandbox session exec [OPTIONS] <ID> -- COMMAND [ARGUMENT]..."
)]
pub(crate) struct ExecArgs {
    /// The session
    pub(crate) id: SessionId,
    #[command(flatten)]
    options: CommandOptions,
    /// Give the command a terminal
    #[arg(long, short)]
    pub(crate) terminal: bool,
    /// Print one JSON object with everything the command wrote and used
    #[arg(long)]
    pub(crate) json: bool,
    /// The command and its arguments, passed on verbatim
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// `sandbox session spawn`.
#[derive(Args, Debug)]
#[command(override_usage = "sandbox session spawn [OPTIONS] <ID> -- COMMAND [ARGUMENT]...")]
pub(crate) struct SpawnArgs {
    /// The session
    pub(crate) id: SessionId,
    #[command(flatten)]
    options: CommandOptions,
    /// Give the command a terminal
    #[arg(long, short)]
    pub(crate) terminal: bool,
    /// The terminal's size [default: this terminal's]
    #[arg(long, value_name = "ROWSxCOLUMNS", requires = "terminal", value_parser = values::size)]
    pub(crate) size: Option<TerminalSize>,
    /// Keep standard input open for "sandbox session attach"
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The command and its arguments, passed on verbatim
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl CommandOptions {
    fn request(&self, command: &[OsString]) -> Result<ExecRequest, Failure> {
        // An empty command is refused where every other command is judged.
        let mut words = command.iter();
        let mut request = ExecRequest::new(words.next().cloned().unwrap_or_default()).args(words);
        for variable in &self.env {
            let (name, value) = split_at_equals(variable).ok_or_else(|| {
                let message = format!("--env {} has no value", quoted(variable));
                Failure::usage(message).with_help("write --env NAME=VALUE")
            })?;
            request = request.env(name, value);
        }
        match &self.cwd {
            Some(cwd) => Ok(request.cwd(rules::inside("--cwd", cwd)?)),
            None => Ok(request),
        }
    }
}

impl ExecArgs {
    /// The request for the command.
    pub(crate) fn request(&self) -> Result<ExecRequest, Failure> {
        self.options.request(&self.command)
    }
}

impl SpawnArgs {
    /// The request for the command.
    pub(crate) fn request(&self) -> Result<ExecRequest, Failure> {
        self.options.request(&self.command)
    }
}
