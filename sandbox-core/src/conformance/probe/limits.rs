//! Commands that use things up, each within bounds of its own.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Write};
use std::process::Child;
use std::process::Command as Program;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Command, Got, MARK, Words, done, text};

pub(super) const COMMANDS: &[Command] = &[
    ("hold", |w| done(hold(w.number(0)?))),
    ("hold-together", |w| hold_together(w)),
    ("spin", |w| done(spin(w.number(0)?))),
    ("spin-together", |w| spin_together(w)),
    ("fork-many", |w| fork_many(w.number(0)?)),
    ("threads", |w| threads(w.number(0)?)),
    ("open-many", |w| open_many(w)),
    ("grow", |w| grow(w)),
    ("fill", |w| fill(w)),
];

const MIB: usize = 1 << 20;

/// Touches memory and keeps it for a moment.
fn hold(mebibytes: usize) -> io::Result<()> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        let mut part = Vec::new();
        part.try_reserve_exact(MIB).map_err(io::Error::other)?;
        part.resize(MIB, 1);
        held.push(black_box(part));
    }
    sleep(Duration::from_millis(200));
    drop(black_box(held));
    Ok(())
}

fn probe(words: &[&str]) -> io::Result<Child> {
    Program::new(crate::conformance::context::own_program())
        .arg(MARK)
        .args(words)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
}

/// Children that hold memory at the same time: all of them must live for this to go through.
fn hold_together(words: &Words<'_>) -> Got {
    let children: usize = words.number(0)?;
    let each = words.text(1);
    let commands = ["hold", each, super::THEN, "sleep", "1000"];
    let started: io::Result<Vec<_>> = (0..children).map(|_| probe(&commands)).collect();
    let mut lived = 0;
    for mut child in started? {
        lived += usize::from(child.wait()?.success());
    }
    if lived == children { text(lived) } else { Err(io::Error::other(format!("{lived} lived"))) }
}

fn spin(millis: u64) -> io::Result<()> {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        black_box((0..10_000u64).sum::<u64>());
    }
    Ok(())
}

/// Children that use CPU time at the same time, each little enough for a limit of its own.
fn spin_together(words: &Words<'_>) -> Got {
    let children: usize = words.number(0)?;
    let each = words.text(1);
    for _ in 0..children {
        let mut child = probe(&["spin", each])?;
        if !child.wait()?.success() {
            return Err(io::Error::other("a child was ended"));
        }
    }
    text(children)
}

/// Starts processes that wait; how many came up, or the refusal. All are ended.
fn fork_many(wanted: usize) -> Got {
    let mut children = Vec::new();
    let mut refusal = None;
    for _ in 0..wanted {
        match probe(&["sleep", "15000"]) {
            Ok(child) => children.push(child),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    let count = children.len();
    for child in &mut children {
        // Whoever has ended already needs no end.
        let _ = child.kill();
        let _ = child.wait();
    }
    refusal.map_or_else(|| text(count), |error| Err(io::Error::other(format!("{count}: {error}"))))
}

fn threads(wanted: usize) -> Got {
    let nap = || sleep(Duration::from_millis(500));
    let started = (0..wanted).map(|_| std::thread::Builder::new().stack_size(65_536).spawn(nap));
    let threads = started.collect::<io::Result<Vec<_>>>()?;
    text(threads.into_iter().filter_map(|thread| thread.join().ok()).count())
}

fn open_many(words: &Words<'_>) -> Got {
    let wanted: usize = words.number(0)?;
    let files = (0..wanted).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>()?;
    text(files.len())
}

fn zeros(path: &std::path::Path, mebibytes: usize) -> io::Result<()> {
    let block = vec![7; MIB];
    let mut file = File::create(path)?;
    for _ in 0..mebibytes {
        file.write_all(&block)?;
    }
    Ok(())
}

/// Writes one file; what it weighs at the end. The file stays for the case to weigh.
fn grow(words: &Words<'_>) -> Got {
    zeros(words.path(0), words.number(1)?)?;
    text(fs::metadata(words.path(0))?.len())
}

/// Writes many files of one mebibyte into the directory for temporary files.
fn fill(words: &Words<'_>) -> Got {
    let mebibytes: usize = words.number(0)?;
    let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    fs::create_dir(&folder)?;
    for number in 0..mebibytes {
        zeros(&folder.join(format!("part-{number}")), 1)?;
    }
    fs::remove_dir_all(&folder)?;
    text(mebibytes)
}
