//! A launcher that is killed takes everything along, at whatever moment it is killed.
//!
//! `SANDBOX_STRESS=full` kills 200 of them a backend, where it is 40 otherwise. Orphans become
//! children of this process, so that a helper whose command line says nothing is seen as well.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};
use support::{PATIENCE, folder, open_to_everybody, shell};

/// How soon after the launcher's end everything has to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// The moments of the kills spread over at least this much time.
const SPREAD: Duration = Duration::from_millis(8);

#[test]
fn nothing_outlives_a_launcher_with_the_default_backend() {
    needs_launch!();
    kill_many("auto");
}

#[test]
fn nothing_outlives_a_launcher_with_landlock() {
    needs_launch!();
    kill_many("landlock");
}

#[expect(clippy::print_stdout, reason = "the harness shows what a test prints")]
fn kill_many(backend: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_child_subreaper(Some(getpid())).expect("adopt orphans");
    let is_full = std::env::var_os("SANDBOX_STRESS").is_some_and(|value| value == "full");
    let kills = if is_full { 200 } else { 40 };
    let mounts = mounts();
    let mut launches = Launches { backend, number: 0 };
    let usual = launches.time_to_start();
    // A slow launcher would otherwise never be killed after its command has started.
    let spread = SPREAD.max(usual * 2);
    let started = (0..kills).filter(|_| launches.kill_one(random(spread))).count();
    let before = kills - started;
    println!("{backend}: {kills} kills within {spread:?}; a command starts after {usual:?}");
    println!("{backend}: {before} before the command had started, {started} after");
    assert_eq!(self::mounts(), mounts);
}

/// Launches that can be told from all others.
struct Launches<'a> {
    backend: &'a str,
    number: u32,
}

/// A launcher that was started.
struct Launch {
    child: Child,
    /// What stands in the command line of each process of the sandbox.
    marker: String,
    folder: tempfile::TempDir,
}

impl Launches<'_> {
    /// A command that stays, with a process that leaves its session.
    fn begin(&mut self) -> Launch {
        self.number += 1;
        // A time to sleep, which no other process sleeps.
        let marker = format!("300.{:07}{:04}", std::process::id(), self.number);
        let script = format!("echo \"$TMPDIR\" >mark; setsid sleep {marker} & sleep {marker}");
        let folder = folder();
        open_to_everybody(folder.path());
        let workspace = folder.path().to_str().expect("text");
        let options = ["--backend", self.backend, "--workspace", workspace];
        let child = shell(&options, &script).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Launch { child: child.expect("the binary starts"), marker, folder }
    }

    /// How long it takes until the command runs.
    fn time_to_start(&mut self) -> Duration {
        let (begun, mut launch) = (Instant::now(), self.begin());
        while launch.private_folder().is_none() {
            assert!(begun.elapsed() < PATIENCE, "the command did not start");
            thread::sleep(Duration::from_micros(100));
        }
        let elapsed = begun.elapsed();
        launch.kill();
        elapsed
    }

    /// Kills a launcher after some time; whether the command had started.
    fn kill_one(&mut self, after: Duration) -> bool {
        let mut launch = self.begin();
        thread::sleep(after);
        launch.kill()
    }
}

impl Launch {
    /// Where the command's temporary files are, once it has started.
    fn private_folder(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.folder.path().join("mark")).ok()?;
        text.strip_suffix('\n').map(PathBuf::from)
    }

    /// Kills the launcher and waits until nothing is left of it; whether the command had started.
    #[track_caller]
    fn kill(&mut self) -> bool {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            let left = self.left();
            if left.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                for (process, _) in &left {
                    let _ = kill_process(*process, Signal::KILL);
                }
                panic!("still there: {left:#?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
        let private = self.private_folder();
        if let Some(folder) = private.as_deref().and_then(on_the_host) {
            // Another launcher's sweep may be before us.
            let _ = fs::remove_dir_all(folder);
        }
        private.is_some()
    }

    /// Processes that carry the mark, and children that this process did not have.
    fn left(&self) -> Vec<(Pid, String)> {
        let processes = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
        let judged = |path: PathBuf| {
            let number = Pid::from_raw(path.file_name()?.to_str()?.parse().ok()?)?;
            let read = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
            let (stat, command) = (read("stat"), read("cmdline"));
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            let is_ours = Pid::from_raw(parent) == Some(getpid());
            (is_ours || command.contains(&self.marker)).then(|| (number, stat + &command))
        };
        processes.filter_map(judged).collect()
    }
}

/// The folder of a command outside namespaces, which its launcher could not remove any more.
fn on_the_host(private: &Path) -> Option<&Path> {
    let folder = private.parent()?;
    let is_named = folder.file_name()?.to_str()?.starts_with("sandbox-");
    (is_named && folder.parent()? == Path::new("/tmp")).then_some(folder)
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("the mounts")
}

fn random(below: Duration) -> Duration {
    let number = RandomState::new().hash_one(0);
    let micros = u64::try_from(below.as_micros()).expect("a short time");
    Duration::from_micros(number % micros)
}
