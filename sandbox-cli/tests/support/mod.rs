//! What every test of the binary needs: a way to run it that never hangs, and the reason to skip.
//!
//! The binary is `SANDBOX_BIN` if that is set, else the one that was built beside the tests.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) mod job;
#[cfg(target_os = "linux")]
pub(crate) mod processes;
pub(crate) mod pty;
#[cfg(target_os = "linux")]
pub(crate) mod sessions;

/// Longer than any test needs on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a run of the binary.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
}

impl Outcome {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on standard output")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {:?}, {}", self.stdout, self.stderr))
    }
}

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("SANDBOX_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_sandbox").into(), PathBuf::from)
}

/// The binary with arguments, without a standard input.
pub(crate) fn sandbox<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `sandbox run OPTIONS -- sh -c SCRIPT`.
pub(crate) fn shell(options: &[&str], script: &str) -> Command {
    let args = ["run"].iter().chain(options).chain(&["--", "/bin/sh", "-c"]);
    sandbox(args.chain(&[script]))
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    run_with_input(command, None)
}

/// Runs to the end, with an input that is written from a thread.
pub(crate) fn run_with_input(command: &mut Command, input: Option<Vec<u8>>) -> Outcome {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let started = Instant::now();
    let mut child = command.spawn().expect("the binary starts");
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A command that does not read its input breaks the pipe; that is not ours to judge.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait(&mut child);
    let elapsed = started.elapsed();
    let bytes = |thread: thread::JoinHandle<Vec<u8>>| thread.join().expect("the reader");
    let (stdout, stderr) = (bytes(stdout), String::from_utf8_lossy(&bytes(stderr)).into_owned());
    Outcome { code: status.code(), stdout, stderr, elapsed }
}

/// Waits for a process, and ends it when it takes too long.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().expect("kill");
            panic!("the launcher did not return within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).expect("read");
        }
        bytes
    })
}

/// Says why something is not tested; with `SANDBOX_REQUIRE_ALL=1` that is a failure.
///
/// The stream itself is written to: the harness hides what a test that passes prints by macro.
pub(crate) fn skip(reason: &str) {
    let forbidden = std::env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!forbidden, "skipped, which is forbidden: {reason}");
    writeln!(std::io::stderr(), "skipped: {reason}").expect("standard error");
}

/// Whether commands can be launched here; says why not.
pub(crate) fn can_launch() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let doctor = run(&mut sandbox(["doctor"]));
        if doctor.code != Some(0) {
            skip(&format!("no usable tier on this machine:\n{}", doctor.text()));
        }
        doctor.code == Some(0)
    })
}

/// Leaves a test where nothing can be launched; the reason was printed.
#[macro_export]
macro_rules! needs_launch {
    () => {
        if !support::can_launch() {
            return;
        }
    };
}

/// A folder that everybody can enter, also a user that the sandbox changes to.
pub(crate) fn folder() -> tempfile::TempDir {
    let make = |base: &str| tempfile::Builder::new().prefix("cli-").tempdir_in(base);
    // The build's folder may belong to another user than the one that tests.
    let folder = make(env!("CARGO_TARGET_TMPDIR")).or_else(|_| make("/var/tmp")).expect("a folder");
    set_mode(folder.path(), 0o755);
    folder
}

/// Lets everybody change a folder, where the sandbox cannot map its owner.
pub(crate) fn open_to_everybody(folder: &Path) {
    set_mode(folder, 0o777);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("its mode");
}

/// Asserts that a run failed with a code before anything started, and said so.
#[track_caller]
pub(crate) fn assert_refused(outcome: &Outcome, code: i32, says: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{:?}", outcome.stdout);
    assert!(outcome.stderr.starts_with("sandbox: error: "), "{}", outcome.stderr);
    for text in says {
        assert!(outcome.stderr.contains(text), "{text:?} is not in: {}", outcome.stderr);
    }
}
