//! A command that floods its outputs costs the launcher what is kept of them, and little more.
//!
//! `SANDBOX_STRESS=full` floods each output with 1 GiB under a limit of 64 MiB, where it is 128
//! and 16 MiB otherwise. What floods is one byte that stands nowhere else, so that whatever comes
//! out can be told apart while it passes by.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::Read;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use support::shell;

const MIB: u64 = 1 << 20;

/// What a launcher may take beside what it keeps and what it takes for a command that is silent.
const SLACK: u64 = 4 * MIB;

/// How long a flood may take.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn what_is_passed_on_costs_nothing() {
    needs_launch!();
    let flood = Flood::of("both passed on", &[], BOTH);
    assert_eq!((flood.code, flood.size()), (Some(0), Size::chosen().cap), "{}", flood.stderr.rest);
    assert_eq!(flood.stdout.rest, "");
    assert!(flood.stderr.rest.starts_with("sandbox: "), "{}", flood.stderr.rest);
    flood.costs(0);
}

#[test]
fn what_is_kept_is_kept_once() {
    needs_launch!();
    for (what, script) in [("both kept", BOTH), ("stdout kept", OUT), ("stderr kept", ERR)] {
        let flood = Flood::of(what, &["--json"], script);
        flood.is_whole();
        flood.costs(Size::chosen().cap);
    }
}

const OUT: &str = "flood";
const ERR: &str = "flood >&2";
const BOTH: &str = "flood >&2 & flood; wait";
const NEITHER: &str = "sleep 0.2";

/// How much floods each output, and how much of both together comes through.
struct Size {
    flood: u64,
    cap: u64,
}

impl Size {
    fn chosen() -> Self {
        let is_full = std::env::var_os("SANDBOX_STRESS").is_some_and(|value| value == "full");
        let (flood, cap) = if is_full { (1024, 64) } else { (128, 16) };
        Self { flood: flood * MIB, cap: cap * MIB }
    }
}

/// What came of a flood.
struct Flood {
    code: Option<i32>,
    stdout: Passed,
    stderr: Passed,
    /// The launcher's largest resident size, in bytes.
    peak: u64,
}

impl Flood {
    /// Runs a script in which `flood` writes the flood.
    #[expect(clippy::print_stdout, reason = "the harness shows what a test prints")]
    fn of(what: &str, options: &[&str], script: &str) -> Self {
        let size = Size::chosen();
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let function = format!("flood() {{ head -c {} /dev/zero | tr '\\0' '~'; }}", size.flood);
        let cap = size.cap.to_string();
        let options: Vec<_> = ["--output", &cap].iter().chain(options).copied().collect();
        let started = Instant::now();
        let mut child = shell(&options, &format!("{function}; {script}")).spawn().expect("a start");
        let stdout = Passed::watch(child.stdout.take());
        let stderr = Passed::watch(child.stderr.take());
        let (status, peak) = end(&mut child);
        let (stdout, stderr) = (stdout.join().expect("stdout"), stderr.join().expect("stderr"));
        println!("{what}: {} KiB at most, {:?}", peak >> 10, started.elapsed());
        Self { code: status.code(), stdout, stderr, peak }
    }

    /// How much of it came through.
    fn size(&self) -> u64 {
        self.stdout.flood + self.stderr.flood
    }

    /// One result, which says that there was more.
    #[track_caller]
    fn is_whole(&self) {
        let cap = Size::chosen().cap;
        assert_eq!((self.code, self.stdout.flood), (Some(0), cap), "{}", self.stderr.rest);
        let result: serde_json::Value = serde_json::from_str(&self.stdout.rest).expect("an object");
        assert_eq!(result["exit_code"], 0, "{result}");
        assert_eq!(result["truncated"], true, "{result}");
        assert_eq!(self.stderr.flood, 0);
    }

    /// The launcher takes as much more for it than for a command that is silent.
    #[track_caller]
    fn costs(&self, kept: u64) {
        let silent = Self::of("silent", &[], NEITHER);
        assert!(silent.peak > 0, "no size was seen");
        let most = silent.peak + kept + SLACK;
        assert!(self.peak <= most, "{} KiB, over {} KiB", self.peak >> 10, most >> 10);
    }
}

/// What passed by: how much of it was the flood, and what else there was.
#[derive(Default)]
struct Passed {
    flood: u64,
    rest: String,
}

impl Passed {
    fn watch(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Self> {
        let mut stream = stream.expect("a pipe");
        thread::spawn(move || {
            let (mut passed, mut buffer) = (Self::default(), vec![0; 64 << 10]);
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                let rest = buffer[..read].iter().filter(|&&byte| byte != b'~').copied();
                let before = passed.rest.len();
                passed.rest.extend(rest.map(char::from));
                passed.flood += (read + before - passed.rest.len()) as u64;
            }
            passed
        })
    }
}

/// Waits for a process: how it ended, and its largest resident size in bytes since its exec, as it
/// was seen last.
fn end(child: &mut Child) -> (ExitStatus, u64) {
    let status = format!("/proc/{}/status", child.id());
    let deadline = Instant::now() + PATIENCE;
    let mut peak = 0;
    loop {
        // A size never falls; a process that has ended shows none.
        peak = fs::read_to_string(&status).ok().and_then(|text| size(&text)).unwrap_or(peak);
        if let Some(ended) = child.try_wait().expect("wait") {
            return (ended, peak);
        }
        if Instant::now() > deadline {
            child.kill().expect("kill");
            panic!("the flood did not end within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn size(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}
