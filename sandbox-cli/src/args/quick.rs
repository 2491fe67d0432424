//! The two commands that are run in loops, read without making up all the others: what clap makes of
//! thirty subcommands costs a tenth of what such a command takes. They are the same types, so nothing
//! about them can differ.

use std::ffi::OsStr;

use clap::{Parser, Subcommand};

use super::session::{ExecArgs, SessionCommand};
use super::{Cli, Command, RunArgs};

#[derive(Parser)]
#[command(name = "sandbox", version, about, max_term_width = 100)]
struct Run {
    #[command(subcommand)]
    command: OnlyRun,
}

#[derive(Subcommand)]
enum OnlyRun {
    /// Run a command under a policy
    Run(RunArgs),
}

#[derive(Parser)]
#[command(name = "sandbox", version, about, max_term_width = 100)]
struct Session {
    #[command(subcommand)]
    command: OnlySession,
}

#[derive(Subcommand)]
enum OnlySession {
    /// Sandboxes that last
    #[command(subcommand)]
    Session(OnlyExec),
}

#[derive(Subcommand)]
enum OnlyExec {
    /// Run a command in a session
    Exec(ExecArgs),
}

impl Cli {
    /// Reads this process's arguments.
    pub(crate) fn read() -> Result<Command, clap::Error> {
        let mut words = std::env::args_os().skip(1);
        let (first, second) = (words.next(), words.next());
        let is = |word: &Option<_>, text: &str| word.as_deref() == Some(OsStr::new(text));
        if is(&first, "run") {
            let OnlyRun::Run(args) = Run::try_parse()?.command;
            return Ok(Command::Run(args));
        }
        if is(&first, "session") && is(&second, "exec") {
            let OnlySession::Session(OnlyExec::Exec(args)) = Session::try_parse()?.command;
            return Ok(Command::Session(SessionCommand::Exec(args)));
        }
        Ok(Self::try_parse()?.command)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn help(command: &mut clap::Command, way: &[&str]) -> String {
        command.build();
        let found = way.iter().fold(command, |at, name| at.find_subcommand_mut(name).unwrap());
        found.render_long_help().to_string()
    }

    #[test]
    fn they_read_as_the_others_do() {
        let mut whole = Cli::command();
        assert_eq!(help(&mut Run::command(), &["run"]), help(&mut whole, &["run"]));
        let way = ["session", "exec"];
        assert_eq!(help(&mut Session::command(), &way), help(&mut whole, &way));
    }
}
