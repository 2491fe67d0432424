//! The subcommands: each translates its arguments, calls the library and shows what came of it.

mod completions;
mod copy;
mod doctor;
mod man;
mod policy;
mod run;
mod session;
mod shell;
mod supervise;

use crate::args::{Command, PolicyCommand};
use crate::failure::Failure;

pub(crate) use copy::Review;

/// Carries out a subcommand and tells the exit code.
pub(crate) fn dispatch(command: Command) -> Result<i32, Failure> {
    match command {
        Command::Run(args) if args.overlay => copy::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Shell(args) => shell::shell(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Policy(PolicyCommand::Check(args)) => policy::check(&args),
        Command::Policy(PolicyCommand::Explain(args)) => policy::explain(&args),
        Command::Policy(PolicyCommand::Schema) => policy::schema(),
        Command::Policy(PolicyCommand::Init(args)) => policy::init(&args),
        Command::Supervise(args) => supervise::supervise(&args),
        Command::Session(command) => session::session(&command),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => man::man(&args),
    }
}

/// Whether failures are shown as JSON.
pub(crate) fn wants_json(command: &Command) -> bool {
    match command {
        Command::Run(args) => args.json,
        Command::Doctor(args) => args.json,
        Command::Policy(PolicyCommand::Check(args)) => args.json,
        Command::Policy(PolicyCommand::Explain(args)) => args.json,
        Command::Session(command) => command.json(),
        _ => false,
    }
}
