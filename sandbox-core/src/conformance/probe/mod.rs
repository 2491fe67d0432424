//! The untrusted program: carries out commands and says what came of each.
//!
//! `--probe read /etc/passwd --then list /` says `hello`, then a line for each command: `ok` and
//! what it got, escaped, or `err` and the error. It decides nothing and knows nothing of what is
//! expected. Commands that end the process (`exit`, `signal`) say nothing.

mod files;
mod limits;
mod network;
mod process;
mod terminal;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

/// The first argument of a probe.
pub(super) const MARK: &str = "--probe";
/// Stands between two commands.
pub(super) const THEN: &str = "--then";
/// The first line that a probe says.
pub(super) const HELLO: &str = "hello";

/// What a command got.
type Got = io::Result<Vec<u8>>;
/// The name of a command, and what it does.
type Command = (&'static str, fn(&Words<'_>) -> Got);

/// The words after a command's name.
struct Words<'a>(&'a [OsString]);

impl Words<'_> {
    fn get(&self, at: usize) -> &OsStr {
        self.0.get(at).map_or(OsStr::new(""), OsString::as_os_str)
    }

    fn path(&self, at: usize) -> &Path {
        Path::new(self.get(at))
    }

    fn text(&self, at: usize) -> &str {
        self.get(at).to_str().unwrap_or("")
    }

    fn number<N: std::str::FromStr>(&self, at: usize) -> io::Result<N> {
        let word = self.text(at);
        word.parse().map_err(|_| io::Error::other(format!("{word:?} is no number")))
    }
}

/// Carries out the commands.
pub(super) fn act(words: &[OsString]) -> ExitCode {
    if say(HELLO).is_err() {
        return ExitCode::from(3);
    }
    for command in words.split(|word| word == THEN) {
        let line = match carry_out(command) {
            Ok(got) => format!("ok {}", got.escape_ascii()),
            Err(error) => format!("err {error}"),
        };
        if say(&line).is_err() {
            return ExitCode::from(3);
        }
    }
    ExitCode::SUCCESS
}

fn carry_out(command: &[OsString]) -> Got {
    let Some((name, rest)) = command.split_first() else { return Ok(Vec::new()) };
    let groups = [
        files::COMMANDS,
        network::COMMANDS,
        process::COMMANDS,
        limits::COMMANDS,
        terminal::COMMANDS,
    ];
    let known = groups.into_iter().flatten().find(|(known, _)| name == known);
    let Some((_, run)) = known else {
        // A mistake of the suite must not look like a refusal.
        std::process::exit(70);
    };
    run(&Words(rest))
}

/// One line, at once.
fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Nothing was got, but it went through.
fn done(result: io::Result<()>) -> Got {
    result.map(|()| Vec::new())
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand over what they computed")]
fn text(value: impl ToString) -> Got {
    Ok(value.to_string().into_bytes())
}

/// Bytes joined by spaces, for lists.
fn joined<'a>(parts: impl IntoIterator<Item = &'a OsStr>) -> Vec<u8> {
    parts.into_iter().map(OsStr::as_bytes).collect::<Vec<_>>().join(&b' ')
}
