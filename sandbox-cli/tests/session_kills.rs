//! What becomes of a session whose owner is killed: everything in it ends at once, what it left on
//! the disk is taken away, the host's files are whole, and other sessions notice nothing.
//!
//! `SANDBOX_STRESS=full` kills 300 owners at work, where it is 30 otherwise.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::processes::{Process, left_after, marker, soon};
use support::sessions::Sessions;
use support::{PATIENCE, assert_refused, folder, run, sandbox, wait};
use tempfile::TempDir;

/// How soon after the owner's end everything has to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// The moments of the kills spread over this much time.
const SPREAD: Duration = Duration::from_millis(400);

/// Counts, and carries a sum along that shows whether a number is missing.
const BEATS: &str = "i=0; sum=0; while :; do i=$((i + 1)); sum=$(((sum * 31 + i) % 65521)); \
    echo $i $sum; sleep 0.01; done";

/// Kills the owner of a session; nothing of its session is left.
#[track_caller]
fn kill(owner: &Process) {
    let tree = owner.tree();
    owner.kill();
    let left = left_after(&tree, GONE_WITHIN);
    left.iter().for_each(Process::kill);
    assert_eq!(left, []);
}

/// How far a task has counted, if it never was wrong.
#[track_caller]
fn beats(sessions: &Sessions, id: &str, task: &str) -> u64 {
    let log = sessions.ok(&["logs", id, task]);
    let (mut count, mut sum) = (0, 0);
    for line in log.lines() {
        count += 1;
        sum = (sum * 31 + count) % 65521;
        assert_eq!(line, format!("{count} {sum}"));
    }
    count
}

#[test]
fn a_session_ends_with_its_owner_and_no_other_does() {
    needs_launch!();
    let (sessions, marker) = (Sessions::new(), marker());
    let (id, other) = (&sessions.create(&[]), &sessions.create(&[]));
    let task = &sessions.ok(&["spawn", other, "--", "sh", "-c", BEATS]);
    let script = format!("setsid sleep {marker} & exec sleep {marker}");
    sessions.ok(&["spawn", id, "--", "sh", "-c", &script]);
    let mut client = sessions.command(&["exec", id, "--", "sleep", &marker]).spawn().expect("exec");
    let sleeps = || Process::with(&marker).into_iter().filter(|it| it.command.starts_with("sleep"));
    soon("the commands", || (sleeps().count() == 3).then_some(()));
    let before = soon("a beat", || Some(beats(&sessions, other, task)).filter(|count| *count > 0));
    let all: Vec<_> = sleeps().collect();
    kill(&sessions.owner(id));
    assert_eq!(left_after(&all, GONE_WITHIN), []);
    assert_eq!(wait(&mut client).code(), Some(125), "a client that was waiting");
    assert_eq!(sessions.list(), [other.as_str()]);
    assert_refused(&sessions.run(&["show", id]), 125, &["no session"]);
    assert_eq!(sessions.ok(&["reap"]), "1");
    assert_eq!(sessions.left(), [sessions.folder(other)]);
    soon("more beats", || Some(beats(&sessions, other, task)).filter(|count| *count > before + 9));
    assert_eq!(sessions.sh(other, "echo lives"), "lives");
}

#[test]
fn an_identifier_is_free_when_its_owner_was_killed() {
    needs_launch!();
    let sessions = Sessions::new();
    sessions.create(&["--id", "s"]);
    sessions.sh("s", "echo old >$SANDBOX_MEMORY_DIR/file");
    kill(&sessions.owner("s"));
    sessions.create(&["--id", "s"]);
    assert_eq!(sessions.sh("s", "ls $SANDBOX_MEMORY_DIR"), "");
}

#[test]
fn what_nobody_owns_is_taken_away_whatever_it_says_of_itself() {
    needs_launch!();
    let sessions = Sessions::new();
    let (dead, live) = (&sessions.create(&[]), &sessions.create(&[]));
    let (its_owner, owner) = (sessions.owner(dead), sessions.owner(live));
    // A live one is never taken for one of an older boot, or of a process that is gone.
    let told = rewritten(&sessions, live, |owner| owner["boot"] = "of-old".into());
    assert_eq!((sessions.ok(&["reap"]), sessions.list().len()), ("0".into(), 2));
    rewritten(&sessions, live, |owner| owner["pid"] = i32::MAX.into());
    assert_eq!((sessions.ok(&["reap"]), sessions.list().len()), ("0".into(), 2));
    assert_eq!(sessions.sh(live, "echo lives"), "lives");
    fs::write(sessions.folder(live).join("owner.json"), told).expect("owner.json");

    // A dead one is, even if its number is that of a process that lives now.
    kill(&its_owner);
    rewritten(&sessions, dead, |it| {
        it["boot"] = "of-old".into();
        it["pid"] = owner.pid.into();
    });
    fs::create_dir_all(sessions.folder("stale").join("memory")).expect("a folder");
    assert_eq!((sessions.ok(&["reap"]), sessions.list()), ("2".into(), vec![live.clone()]));
    assert_eq!(sessions.left(), [sessions.folder(live)]);
    assert!(owner.lives());
}

/// Changes what a folder says of its owner; what it said before.
fn rewritten(sessions: &Sessions, id: &str, change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let path = sessions.folder(id).join("owner.json");
    let before = fs::read(&path).expect("owner.json");
    let mut owner = serde_json::from_slice(&before).expect("JSON");
    change(&mut owner);
    fs::write(&path, serde_json::to_vec(&owner).expect("JSON")).expect("owner.json");
    before
}

#[test]
fn who_reaps_takes_nothing_from_who_begins() {
    needs_launch!();
    let (sessions, over) = (Sessions::new(), AtomicBool::new(false));
    let workspace = folder();
    let workspace = workspace.path().to_str().expect("text");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    sessions.run(&["reap"]);
                }
            });
        }
        let created = (0..20).map(|_| {
            let outcome = sessions.run(&["create", "--workspace", workspace, "--overlay"]);
            let id = outcome.text().trim_end().to_owned();
            let lives = outcome.code == Some(0)
                && sessions.run(&["exec", &id, "--", "touch", "new"]).code == Some(0);
            (lives, outcome.stderr)
        });
        let failed: Vec<_> = created.filter(|(lives, _)| !lives).collect();
        over.store(true, Ordering::Relaxed);
        assert_eq!(failed, []);
    });
}

#[test]
fn copies_that_begin_at_once_do_not_take_each_other_away() {
    needs_launch!();
    let (sessions, place) = (Sessions::new(), folder());
    let place = place.path().to_str().expect("text");
    let one = || {
        let options = ["run", "--overlay", "--workspace", place, "--", "touch", "new"];
        let outcome = run(sandbox(options).env("XDG_STATE_HOME", sessions.state()));
        (outcome.code != Some(0)).then_some(outcome.stderr)
    };
    let many = || (0..10).filter_map(|_| one()).collect::<Vec<_>>();
    let failed: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(many)).collect();
        all.into_iter().flat_map(|it| it.join().expect("a thread")).collect()
    });
    assert_eq!(failed, [""; 0]);
    assert!(sessions.left().is_empty(), "{:?}", sessions.left());
}

#[test]
fn files_of_the_host_are_old_or_new_whenever_an_owner_is_killed() {
    needs_launch!();
    let is_full = std::env::var_os("SANDBOX_STRESS").is_some_and(|value| value == "full");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    let work = Work::new();
    for round in 1..=if is_full { 300 } else { 30 } {
        work.kill_one();
        work.check(round);
    }
    // A session that is not killed writes, and takes away what the others began.
    let id = &work.create();
    work.sessions.sh(id, &write('z'));
    work.sessions.ok(&["apply", id]);
    let (versions, others) = work.host();
    assert_eq!(versions, BTreeSet::from([('z', true)]));
    assert_eq!(others, [""; 0]);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("the mounts"), mounts);
}

/// Files that are written by one session after the other.
struct Work {
    sessions: Sessions,
    folder: TempDir,
}

const FILES: usize = 6;

/// How long a file of a version is.
fn length(version: char) -> usize {
    200_000 + 100 * version as usize
}

/// Writes every file anew, and a folder as large.
fn write(version: char) -> String {
    let length = length(version);
    format!(
        "mkdir -p d{version}; for f in 1 2 3 4 5 6; do for t in f$f d{version}/f$f; do
        head -c {length} /dev/zero | tr '\\0' {version} >$t; done; done"
    )
}

impl Work {
    fn new() -> Self {
        let work = Self { sessions: Sessions::new(), folder: folder() };
        for file in 1..=FILES {
            let text = "a".repeat(length('a'));
            fs::write(work.folder.path().join(format!("f{file}")), text).expect("a file");
        }
        work
    }

    fn create(&self) -> String {
        let folder = self.folder.path().to_str().expect("text");
        self.sessions.create(&["--workspace", folder, "--overlay"])
    }

    /// Kills an owner while it works.
    fn kill_one(&self) {
        let id = &self.create();
        let owner = self.sessions.owner(id);
        thread::scope(|scope| {
            scope.spawn(|| self.work(id));
            thread::sleep(random(SPREAD));
            kill(&owner);
        });
    }

    /// Works until nobody answers.
    fn work(&self, id: &str) {
        let does = |args: &[&str]| self.sessions.run(args).code == Some(0);
        let writes = |version| does(&["exec", id, "--", "sh", "-ec", &write(version)]);
        for version in 'b'..='y' {
            let name = &version.to_string();
            let goes_on = writes(version)
                && does(&["snapshot", id, name])
                && writes('A')
                && does(&["restore", id, name])
                && does(&["apply", id]);
            if !goes_on {
                return;
            }
        }
    }

    #[track_caller]
    fn check(&self, round: usize) {
        self.sessions.ok(&["reap"]);
        assert!(self.sessions.left().is_empty(), "round {round}: {:?}", self.sessions.left());
        let versions: BTreeSet<_> = self.host().0.into_iter().map(|(version, _)| version).collect();
        assert!(versions.len() <= 2 && !versions.contains(&'A'), "round {round}: {versions:?}");
    }

    /// The versions of the host's files, each with whether its folder is there as well, and the
    /// names of everything else.
    #[track_caller]
    fn host(&self) -> (BTreeSet<(char, bool)>, Vec<String>) {
        let (mut versions, mut others, mut files) = (BTreeSet::new(), Vec::new(), 0);
        for entry in fs::read_dir(self.folder.path()).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().expect("text"));
            if name.starts_with('f') {
                files += 1;
                let version = version(&path);
                let made = path.with_file_name(format!("d{version}"));
                versions.insert((version, made.exists()));
            } else if name.starts_with('d') {
                let files = (1..=FILES).map(|file| version(&path.join(format!("f{file}"))));
                assert!(files.into_iter().all(|it| name.ends_with(it)), "{name}");
            } else {
                others.push(name);
            }
        }
        assert_eq!(files, FILES);
        (versions, others)
    }
}

/// Which version a file is, which it is as a whole.
#[track_caller]
fn version(path: &Path) -> char {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let version = text.chars().next().expect("a file that is not empty");
    assert!(text.chars().all(|it| it == version), "{path:?} is torn");
    assert_eq!(text.len(), length(version), "{path:?} is cut");
    version
}

fn random(below: Duration) -> Duration {
    let micros = u64::try_from(below.as_micros()).expect("a short time");
    Duration::from_micros(RandomState::new().hash_one(0) % micros)
}

#[test]
fn an_owner_that_is_asked_kindly_takes_its_session_along() {
    needs_launch!();
    let sessions = Sessions::new();
    let id = &sessions.create(&[]);
    let owner = sessions.owner(id);
    let tree = owner.tree();
    owner.signal(rustix::process::Signal::TERM);
    assert_eq!(left_after(&tree, PATIENCE), []);
    assert!(sessions.left().is_empty(), "{:?}", sessions.left());
}
