//! Commands on processes, on this one first of all.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::Command as Program;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::{Command, Got, MARK, Words, done, joined, text};
use crate::conformance::sys;

pub(super) const COMMANDS: &[Command] = &[
    ("variable", |w| variable(w)),
    ("variables", |_| {
        Ok(joined(
            std::env::vars_os().map(|(n, _)| n).collect::<Vec<_>>().iter().map(|n| n.as_os_str()),
        ))
    }),
    ("echo", |w| Ok(joined(w.0.iter().map(|word| word.as_os_str())))),
    ("length", |w| text(w.get(0).len())),
    ("cwd", |_| Ok(std::env::current_dir()?.into_os_string().as_bytes().to_vec())),
    ("count-input", |_| count_input()),
    ("flood", |w| done(flood(w))),
    ("repeat", |w| done(repeat(w))),
    ("complain", |w| done(io::stderr().write_all(w.get(0).as_bytes()))),
    ("exit", |w| std::process::exit(w.number(0)?)),
    ("signal-self", |w| signal(Pid::as_raw(Some(rustix::process::getpid())), w.number(0)?)),
    ("signal", |w| signal(w.number(0)?, w.number(1)?)),
    ("sleep", |w| {
        sleep(Duration::from_millis(w.number(0)?));
        Ok(Vec::new())
    }),
    ("ignore-signals", |_| {
        sys::ignore_polite_signals();
        Ok(Vec::new())
    }),
    ("status", |w| status(w)),
    ("descriptors", |_| text(format!("{:?}", sys::open_descriptors()))),
    ("call", |w| call(w)),
    ("find-segment", |w| done(sys::find_segment(w.number(0)?))),
    ("session", |_| text(format!("{} {}", sys::session(), std::process::id()))),
    ("execute", |w| execute(w)),
    ("beat", |w| done(beat(w))),
    ("background", |w| done(background(w))),
    ("detach", |_| {
        rustix::process::setsid()?;
        Ok(Vec::new())
    }),
    ("await", |w| done(await_file(w))),
    ("stop-self", |_| signal(Pid::as_raw(Some(rustix::process::getpid())), Signal::STOP.as_raw())),
];

fn variable(words: &Words<'_>) -> Got {
    let value = std::env::var_os(words.get(0)).ok_or(io::ErrorKind::NotFound)?;
    Ok(value.as_bytes().to_vec())
}

/// How much came in, and a sum that tells whether all of it was right.
fn count_input() -> Got {
    let mut all = Vec::new();
    io::stdin().read_to_end(&mut all)?;
    let sum: u64 = all.iter().map(|&byte| u64::from(byte)).sum();
    text(format!("{} {sum}", all.len()))
}

/// Writes bytes that tell their place, without lines.
fn flood(words: &Words<'_>) -> io::Result<()> {
    let total: usize = words.number(0)?;
    let block: Vec<u8> = (0..65_536u32).map(|at| (at % 251) as u8).collect();
    let mut stdout = io::stdout().lock();
    let mut left = total;
    while left > 0 {
        let part = left.min(block.len());
        stdout.write_all(&block[..part])?;
        left -= part;
    }
    stdout.flush()
}

/// Writes a word many times.
fn repeat(words: &Words<'_>) -> io::Result<()> {
    let all = words.get(0).as_bytes().repeat(words.number(1)?);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&all)?;
    stdout.flush()
}

fn signal(pid: i32, number: i32) -> Got {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    if number == 0 {
        rustix::process::test_kill_process(pid)?;
    } else {
        let signal = Signal::from_named_raw(number).ok_or(io::ErrorKind::InvalidInput)?;
        rustix::process::kill_process(pid, signal)?;
    }
    Ok(Vec::new())
}

/// A field of the kernel's own account of this process.
fn status(words: &Words<'_>) -> Got {
    let all = fs::read_to_string("/proc/self/status")?;
    let field =
        |line: &str| Some(line.strip_prefix(words.text(0))?.strip_prefix(':')?.trim().to_owned());
    all.lines().find_map(field).map(String::into_bytes).ok_or(io::ErrorKind::NotFound.into())
}

/// Went through when the kernel was reached, whatever it thought of the arguments.
fn call(words: &Words<'_>) -> Got {
    match sys::harmless_call(words.text(0)) {
        Err(error)
            if !matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS | libc::EACCES)) =>
        {
            text(format!("reached the kernel: {error}"))
        }
        other => done(other),
    }
}

fn execute(words: &Words<'_>) -> Got {
    let output = Program::new(words.get(0)).args(&words.0[1..]).output()?;
    text(format!("{} {}", output.status, output.stdout.escape_ascii()))
}

/// Grows a file as long as this process lives, but never for long.
fn beat(words: &Words<'_>) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(8);
    while Instant::now() < end {
        fs::OpenOptions::new().create(true).append(true).open(words.path(0))?.write_all(b".")?;
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Starts this program with other commands and does not wait; it keeps the standard streams. The
/// word `/` stands between the child's commands, and `+` between those of its own child.
fn background(words: &Words<'_>) -> io::Result<()> {
    let words = words.0.iter().map(|word| match word.as_bytes() {
        b"/" => OsStr::new(super::THEN),
        b"+" => OsStr::new("/"),
        _ => word.as_os_str(),
    });
    Program::new(crate::conformance::context::own_program()).arg(MARK).args(words).spawn().map(drop)
}

fn await_file(words: &Words<'_>) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if words.path(0).exists() {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    Err(io::ErrorKind::TimedOut.into())
}
