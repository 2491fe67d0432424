//! Nothing is left behind: not by many runs at once, not by many one after another.
//!
//! `SANDBOX_STRESS=full` runs 1,000 and 10,000 of them, where it is 100 and 500 otherwise. The
//! tests take turns, because each counts what the whole process has; orphans become children of
//! this process, so that what gets away from its sandbox is counted too.
#![expect(clippy::print_stdout, reason = "the harness shows what a test prints")]

mod traces;

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getpid, getrlimit, set_child_subreaper, setrlimit};
use sandbox_core::run::{Running, Sink};
use sandbox_core::{ByteSize, ExecRequest, Policy, SandboxError};
use sandbox_linux::{Prepared, TierChoice, backend_with};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use traces::Traces;

/// Longer than any command here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Threads that launch at the same time.
const LAUNCHERS: usize = 4;

#[test]
fn many_at_once_with_landlock() {
    many_at_once(TierChoice::Landlock);
}

#[test]
fn many_at_once_in_namespaces() {
    many_at_once(TierChoice::Namespaces);
}

#[test]
fn one_after_another_with_landlock() {
    one_after_another(TierChoice::Landlock);
}

#[test]
fn one_after_another_in_namespaces() {
    one_after_another(TierChoice::Namespaces);
}

#[test]
fn prepared_with_landlock() {
    prepared(TierChoice::Landlock);
}

#[test]
fn prepared_in_namespaces() {
    prepared(TierChoice::Namespaces);
}

/// How many runs a test makes.
fn amount(quick: usize, full: usize) -> usize {
    let is_full = std::env::var_os("SANDBOX_STRESS").is_some_and(|value| value == "full");
    if is_full { full } else { quick }
}

/// Where a test plays: a tier that works here, and a folder.
struct Stage {
    tier: TierChoice,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// Waits for its turn, and runs everything once: what a process makes once and keeps is no
    /// leftover. Says why if a tier does not work here.
    fn open(tier: TierChoice) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        set_child_subreaper(Some(getpid())).expect("adopt orphans");
        let mut files = getrlimit(Resource::Nofile);
        files.current = files.maximum;
        setrlimit(Resource::Nofile, files).expect("raise the limit");
        let folder = tempfile::Builder::new().prefix("leftovers-").tempdir().expect("a folder");
        let stage = Self { tier, folder, _turn: turn };
        for (policy, request) in stage.cases() {
            match runtime().block_on(stage.run(&policy, &request)) {
                Err(error @ SandboxError::Unenforceable { .. }) => return skip(&error),
                done => done.expect("a run"),
            }
        }
        Some(stage)
    }

    /// A plain command, one with limits that control groups hold, and one that leaves a process of
    /// its own behind in a folder.
    fn cases(&self) -> [(Policy, ExecRequest); 3] {
        let folder: &Path = self.folder.path();
        let deserter = ["-c", "setsid sleep 300 & exit 0"];
        let workspace = Policy::workspace(folder).and_then(|builder| builder.build());
        [
            (plain(), ExecRequest::new("true")),
            (limited(), ExecRequest::new("true")),
            (workspace.expect("a policy"), ExecRequest::new("sh").args(deserter)),
        ]
    }

    async fn run(&self, policy: &Policy, request: &ExecRequest) -> sandbox_core::Result<()> {
        let backend = backend_with(self.tier)?;
        let result = timeout(PATIENCE, backend.run(policy, request)).await.expect("an end")?;
        assert!(result.exit.success(), "{:?}: {}", result.exit, result.stderr.text());
        Ok(())
    }
}

fn plain() -> Policy {
    Policy::read_only().build().expect("a policy")
}

fn limited() -> Policy {
    let builder = Policy::read_only().memory(ByteSize::from_mib(256)).processes(64);
    builder.build().expect("a policy")
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// Says why something is not tested; with `SANDBOX_REQUIRE_ALL=1` that is a failure.
fn skip<T>(reason: &dyn std::fmt::Display) -> Option<T> {
    let forbidden = std::env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!forbidden, "skipped, which is forbidden: {reason}");
    println!("skipped: {reason}");
    None
}

fn one_after_another(tier: TierChoice) {
    let Some(stage) = Stage::open(tier) else { return };
    let runs = amount(500, 10_000);
    let (before, started) = (Traces::now(), Instant::now());
    runtime().block_on(async {
        for (policy, request) in stage.cases().iter().cycle().take(runs) {
            stage.run(policy, request).await.expect("a run");
        }
    });
    println!("{tier:?}: {runs} runs in {:?}", started.elapsed());
    Traces::settle(&before);
}

fn prepared(tier: TierChoice) {
    let Some(stage) = Stage::open(tier) else { return };
    let runs = amount(500, 10_000);
    let (before, started) = (Traces::now(), Instant::now());
    let compiled = stage.cases().map(|(policy, request)| {
        let (plan, _) = backend_with(tier).and_then(|it| it.plan(&policy, &request)).expect("plan");
        Prepared::new(plan, tier).expect("a compiled plan")
    });
    for command in compiled.iter().cycle().take(runs) {
        assert!(command.status().expect("a run").success());
    }
    drop(compiled);
    println!("{tier:?}: {runs} prepared runs in {:?}", started.elapsed());
    Traces::settle(&before);
}

fn many_at_once(tier: TierChoice) {
    let Some(_stage) = Stage::open(tier) else { return };
    let wanted = amount(100, 1000);
    let (before, started) = (Traces::now(), Instant::now());
    let (counts, alive) = channel();
    thread::scope(|scope| {
        let release = [(); LAUNCHERS].map(|()| {
            let (release, held) = channel();
            let counts = counts.clone();
            scope.spawn(move || crowd(tier, wanted / LAUNCHERS, &counts, &held));
            release
        });
        drop(counts);
        let alive: usize = alive.iter().take(LAUNCHERS).sum();
        let there = Traces::now().beyond(&before);
        println!("{tier:?}: {alive} at once in {:?}: {:?}", started.elapsed(), there.counts());
        check_crowd(&there, tier, alive, wanted);
        drop(release);
    });
    println!("{tier:?}: all ended after {:?}", started.elapsed());
    Traces::settle(&before);
}

/// What is counted can be seen, or counting none at the end would mean nothing.
fn check_crowd(there: &Traces, tier: TierChoice, alive: usize, wanted: usize) {
    let commands = there.processes.iter().filter(|name| name.ends_with("(cat)")).count();
    assert_eq!(commands, alive);
    assert!(there.descriptors.len() > alive);
    match tier {
        TierChoice::Landlock => assert!(there.files.len() >= alive, "{:?}", there.files.len()),
        _ => assert!(there.namespaces.len() >= 3 * alive, "{:?}", there.namespaces.len()),
    }
    if alive < wanted {
        skip::<()>(&format!("this machine holds {alive} of {wanted} runs at once"));
    }
}

/// Starts commands, tells how many there are, and holds them until there are no more words from
/// the other end; every tenth has limits.
fn crowd(tier: TierChoice, size: usize, counts: &Sender<usize>, held: &Receiver<()>) {
    let policies = [limited(), plain()];
    let request = ExecRequest::new("cat").with_stdin();
    let launch = |number: usize| {
        let policy = &policies[usize::from(!number.is_multiple_of(10))];
        backend_with(tier).and_then(|backend| backend.spawn(policy, &request))
    };
    runtime().block_on(async {
        let launched = (0..size).map(launch).map_while(unless_full);
        let running: Vec<Running> = launched.collect();
        counts.send(running.len()).expect("the test waits");
        // There never is a word, only the end of the conversation.
        let _ = held.recv();
        finish(running).await;
    });
}

/// A limit of this machine is the end of the crowd; any other error is a failure.
fn unless_full(launched: sandbox_core::Result<Running>) -> Option<Running> {
    let error = match launched {
        Ok(running) => return Some(running),
        Err(error) => error,
    };
    let number = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let full = [libc::EAGAIN, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOSPC];
    let is_full = number.and_then(io::Error::raw_os_error).is_some_and(|it| full.contains(&it));
    assert!(is_full, "{error}");
    println!("no more fit in: {error}");
    None
}

/// Each command gets a number of its own, all of them get the end of input, and each gives back
/// its own number.
async fn finish(mut running: Vec<Running>) {
    for (number, command) in running.iter_mut().enumerate() {
        let mut input = command.take_stdin().expect("an input");
        input.write_all(number.to_string().as_bytes()).await.expect("write");
    }
    for (number, command) in running.into_iter().enumerate() {
        let result = command.finish(Sink::Capture, Sink::Capture).await.expect("an end");
        assert!(result.exit.success(), "{:?}", result.exit);
        assert_eq!(result.stdout.text(), number.to_string());
    }
}
