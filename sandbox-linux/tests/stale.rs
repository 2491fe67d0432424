//! What a killed launcher leaves in `/tmp` is taken away by the next one, and nothing else is.
//!
//! A launcher is this binary, executed once more for the test that is called `launcher`: only a
//! process that is really killed shows what the kernel does with what it had.
#![expect(clippy::print_stdout, reason = "the harness shows what a test prints")]

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::getuid;
use sandbox_core::{ExecRequest, Policy, SandboxError};
use sandbox_linux::{TierChoice, backend_with};

/// Longer than a launch or a sweep takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names the workspace of a launcher, and so makes one of a process.
const WORKSPACE: &str = "STALE_WORKSPACE";

/// A command that fills its private folder with what is hard to remove, says where it is, and waits
/// for a word. It can still use the folder then.
const SCRIPT: &str = r#"
    mkdir -p "$TMPDIR/a/b/c" && echo x >"$TMPDIR/a/b/file" && ln -s "$PWD" "$TMPDIR/a/link"
    (umask 777 && mkdir "$TMPDIR/closed")
    echo "$TMPDIR" >new && mv new mark
    until test -e stop; do sleep 0.02; done
    echo late >"$TMPDIR/late" && cat "$TMPDIR/a/b/file"
"#;

/// Not a test by itself: what the others start.
#[test]
fn launcher() {
    let Some(workspace) = std::env::var_os(WORKSPACE) else { return };
    let policy = Policy::workspace(workspace).and_then(|builder| builder.build());
    let request = ExecRequest::new("sh").args(["-c", SCRIPT]);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let result = runtime.block_on(async {
        let backend = backend_with(TierChoice::Landlock).expect("a backend");
        backend.run(&policy.expect("a policy"), &request).await.expect("a run")
    });
    assert!(result.exit.success(), "{:?}: {}", result.exit, result.stderr.text());
}

#[test]
fn the_next_run_takes_away_what_a_killed_one_left() {
    if !works() {
        return;
    }
    let (mut killed, other) = (Launcher::start(), Launcher::start());
    let folder = killed.private_folder();
    let used = other.private_folder();
    assert!(folder.join("closed").is_dir() && used.join("closed").is_dir());
    killed.kill();
    let next = Launcher::start();
    let own = next.private_folder();
    wait_for("the folder of a killed launcher to go", || !top(&folder).exists());
    assert!(killed.workspace.path().join("mark").exists(), "a link was followed");
    // Those that run have theirs to their end, and take them along.
    other.stop();
    next.stop();
    assert!(!top(&used).exists());
    assert!(!top(&own).exists());
}

#[test]
fn nothing_stays_at_whatever_moment_a_launcher_is_killed() {
    if !works() {
        return;
    }
    let begun = Instant::now();
    let first = Launcher::start();
    first.private_folder();
    let usual = begun.elapsed();
    first.stop();
    let before = folders();
    for _ in 0..30 {
        let mut launcher = Launcher::start();
        thread::sleep(random(usual * 3 / 2));
        launcher.kill();
    }
    let mut left: BTreeSet<PathBuf> = folders().difference(&before).cloned().collect();
    println!("30 kills within {:?} left {} folders", usual * 3 / 2, left.len());
    // What comes and goes belongs to somebody else. One sweep takes a part of many.
    wait_for("all of them to go", || {
        let next = Launcher::start();
        next.private_folder();
        next.stop();
        left = left.intersection(&folders()).cloned().collect();
        left.is_empty()
    });
}

/// A process that runs a command, and its workspace.
struct Launcher {
    child: Child,
    workspace: tempfile::TempDir,
}

impl Launcher {
    fn start() -> Self {
        let workspace = tempfile::Builder::new().prefix("stale-").tempdir().expect("a folder");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["launcher", "--exact", "--nocapture"]).env(WORKSPACE, workspace.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self { child: child.expect("the binary starts"), workspace }
    }

    /// The command's folder for temporary files, as soon as it runs.
    #[track_caller]
    fn private_folder(&self) -> PathBuf {
        let mark = self.workspace.path().join("mark");
        wait_for("the command to start", || mark.exists());
        let text = fs::read_to_string(mark).expect("a mark");
        PathBuf::from(text.trim_end_matches('\n'))
    }

    fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Lets the command come to its end, which has to be a good one.
    #[track_caller]
    fn stop(mut self) {
        fs::write(self.workspace.path().join("stop"), "").expect("a word");
        assert!(self.child.wait().expect("wait").success());
    }
}

impl Drop for Launcher {
    /// Where a test fails, its commands end with it.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The private folder that a folder for temporary files lies in.
fn top(tmp: &Path) -> &Path {
    let top = tmp.parent().expect("a private folder");
    assert_eq!(top.parent(), Some(Path::new("/tmp")), "{}", top.display());
    top
}

/// All private folders of this user.
fn folders() -> BTreeSet<PathBuf> {
    let all = fs::read_dir("/tmp").expect("/tmp").flatten();
    let named = all.filter(|it| it.file_name().to_string_lossy().starts_with("sandbox-private-"));
    let is_ours = |found: &fs::Metadata| found.uid() == getuid().as_raw();
    let ours = named.filter(|entry| entry.metadata().is_ok_and(|found| is_ours(&found)));
    ours.map(|entry| entry.path()).collect()
}

#[track_caller]
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn random(below: Duration) -> Duration {
    let number = RandomState::new().hash_one(0);
    let micros = u64::try_from(below.as_micros()).expect("a short time");
    Duration::from_micros(number % micros)
}

/// Whether the tier works here. Says why not; with `SANDBOX_REQUIRE_ALL=1` that is a failure.
fn works() -> bool {
    let policy = Policy::read_only().build().expect("a policy");
    let backend = backend_with(TierChoice::Landlock).expect("a backend");
    match backend.plan(&policy, &ExecRequest::new("true")) {
        Err(reason @ SandboxError::Unenforceable { .. }) => {
            let forbidden = std::env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|it| it == "1");
            assert!(!forbidden, "skipped, which is forbidden: {reason}");
            println!("skipped: {reason}");
            false
        }
        planned => planned.map(|_| true).expect("a plan"),
    }
}
