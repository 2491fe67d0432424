//! The command line: what clap reads, and nothing that decides.
//!
//! Each subcommand has one struct. The options that make a policy and a request are one group,
//! [`Options`], shared by every subcommand that has use for them; [`Options::resolve`] turns them
//! into the library's types.

mod choices;
mod credentials;
mod hosts;
mod limits;
mod options;
mod quick;
mod rules;
mod session;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use choices::{BackendChoice, PresetChoice};
pub(crate) use options::{Options, from_file as policy_from_file};
pub(crate) use session::{
    AttachArgs, CpArgs, CreateArgs, ExecArgs, ForkArgs, Form, IdArgs, KillArgs, ListArgs, LogsArgs,
    MountArgs, NetworkAction, NetworkArgs, Outside, PortAction, PortArgs, ReapArgs, RmArgs,
    SessionCommand, Sides, SnapshotArgs, SpawnArgs, TaskArgs, kept_in_session,
};

const EXIT_CODES: &str = "\
Exit codes:
  the command's own, and
  124      the wall-time limit ended the command
  125      the sandbox failed, nothing was started
  126      the command cannot be executed
  127      the command was not found
  128+n    signal n ended the command
  137      a limit other than the wall-time limit ended the command";

/// Run commands you do not trust.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command under a policy
    Run(RunArgs),
    /// Start a shell under a policy, on a terminal
    Shell(ShellArgs),
    /// Try every mechanism that this machine might confine with
    Doctor(DoctorArgs),
    /// Check, explain and write policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Make sandboxes that last, and run commands in them
    #[command(subcommand)]
    Session(SessionCommand),
    /// Own one session, which standard input describes
    #[command(hide = true)]
    Supervise(SuperviseArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write every page into a folder
    Man(ManArgs),
}

/// `sandbox run`.
#[derive(Args, Debug)]
#[command(
    after_help = EXIT_CODES,
    override_usage = "sandbox run [OPTIONS] -- COMMAND [ARGUMENT]..."
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) options: Options,
    /// Print one JSON object with everything the command wrote and used
    #[arg(long)]
    pub(crate) json: bool,
    /// Append a line of JSON for each connection that was decided about, as they end
    #[arg(long, value_name = "FILE")]
    pub(crate) net_log: Option<PathBuf>,
    /// Give the command a terminal
    #[arg(long, short)]
    pub(crate) terminal: bool,
    /// Work on a copy of the workspace, and show what changed
    #[arg(long)]
    pub(crate) overlay: bool,
    /// Ask whether to apply the changes; the command's standard input is empty
    #[arg(long, requires = "overlay", conflicts_with_all = ["json", "terminal"])]
    pub(crate) review: bool,
    /// Apply the changes if the command succeeds
    #[arg(long, requires = "overlay", conflicts_with = "review")]
    pub(crate) apply: bool,
    /// The command and its arguments, passed on verbatim
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// `sandbox supervise`.
#[derive(Args, Debug)]
pub(crate) struct SuperviseArgs {
    /// The mechanisms to use
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) backend: BackendChoice,
}

/// `sandbox shell`.
#[derive(Args, Debug)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) options: Options,
}

/// `sandbox doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check a policy file and show what it resolves to
    Check(CheckArgs),
    /// Show what this machine would enforce, without starting anything
    Explain(Box<ExplainArgs>),
    /// Print the JSON Schema of policy files
    Schema,
    /// Print a policy file to start from
    Init(InitArgs),
}

/// `sandbox policy check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The policy file, TOML or JSON
    pub(crate) file: PathBuf,
    /// Print the resolved policy as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `sandbox policy explain`.
#[derive(Args, Debug)]
#[command(override_usage = "sandbox policy explain [OPTIONS] [-- COMMAND [ARGUMENT]...]")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) options: Options,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// The command that would run [default: /bin/sh]
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// `sandbox policy init`.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The preset to start from
    #[arg(long, value_enum, default_value = "workspace")]
    pub(crate) preset: PresetChoice,
}

/// `sandbox completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// `sandbox man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The folder to write one page per subcommand into
    pub(crate) folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
