//! Commands on the terminal.

use std::fs::OpenOptions;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::termios::{isatty, tcgetwinsize};

use super::{Command, Got, done, text};
use crate::conformance::sys;

pub(super) const COMMANDS: &[Command] = &[
    ("terminals", |_| terminals()),
    ("size", |_| size()),
    ("open-terminal", |_| done(open_terminal())),
    ("type", |_| done(sys::type_into_terminal())),
    ("await-resize", |_| await_resize()),
    ("read-line", |_| read_line()),
];

/// Which of the standard streams are terminals.
fn terminals() -> Got {
    text(format!("{} {} {}", isatty(io::stdin()), isatty(io::stdout()), isatty(io::stderr())))
}

fn size() -> Got {
    let size = tcgetwinsize(io::stdin())?;
    text(format!("{}x{}", size.ws_row, size.ws_col))
}

fn open_terminal() -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").map(drop)
}

/// Says that it is ready, waits for the signal, then asks for the size.
fn await_resize() -> Got {
    sys::watch_resize();
    super::say("ready")?;
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if sys::resized() {
            return size();
        }
        sleep(Duration::from_millis(5));
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn read_line() -> Got {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end().as_bytes().to_vec())
}
