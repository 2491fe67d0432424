//! Many sessions one after another, and many at once: nothing is left behind, and none of them ever
//! sees what is another one's.
//!
//! `SANDBOX_STRESS=full` makes 10,000 sessions and has 64 of them work for a minute, where it is 30
//! and 4 for three seconds otherwise. Each test counts what the whole machine has, so they take
//! turns.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "the harness shows what a test prints")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use support::job::{installed, on_each_backend};
use support::processes::{Process, left_after, marker, soon};
use support::sessions::Sessions;
use support::{PATIENCE, skip};

/// How many sessions are made at the same time.
const MAKERS: usize = 8;

/// How soon after the end of a session everything of it has to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// The most memory that an owner of a release build may hold, in bytes.
const LARGEST: u64 = 6 << 20;

fn is_full() -> bool {
    std::env::var_os("SANDBOX_STRESS").is_some_and(|value| value == "full")
}

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session that nobody asks anything keeps no more in memory than it must.
#[test]
fn an_owner_without_work_gives_memory_back() {
    needs_launch!();
    let _turn = turn();
    let sessions = Sessions::new();
    let id = sessions.ok(&["create"]);
    for _ in 0..3 {
        sessions.ok(&["exec", &id, "--", "/bin/true"]);
    }
    let owner = sessions.owner(&id);
    let worked = owner.memory("RssFile");
    soon("memory that comes back", || (owner.memory("RssFile") < worked * 3 / 4).then_some(()));
    println!("{} KiB, then {}", worked >> 10, owner.memory("RssFile") >> 10);
    assert_eq!(sessions.ok(&["exec", &id, "--", "/bin/echo", "again"]), "again");
}

/// What sessions could leave on the machine, beside processes.
struct Traces(BTreeSet<String>);

impl Traces {
    fn now() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
        let mut all: BTreeSet<String> = mounts.lines().map(str::to_owned).collect();
        all.extend(
            entries("/tmp").filter(|it| name(it).starts_with("sandbox-")).map(|it| shown(&it)),
        );
        let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
        while let Some(folder) = folders.pop() {
            // Hierarchies are also reachable under second names.
            let below = entries(&folder).filter(|path| path.is_dir() && !path.is_symlink());
            for path in below {
                all.extend(name(&path).starts_with("sandbox-").then(|| shown(&path)));
                folders.push(path);
            }
        }
        Self(all)
    }

    /// Everything is gone that is new. What comes and goes belongs to somebody else.
    #[track_caller]
    fn settle(&self) {
        let mut left = Self::now().0;
        soon("the end of what sessions left", || {
            let now = Self::now().0;
            left = left.intersection(&now).filter(|it| !self.0.contains(*it)).cloned().collect();
            left.is_empty().then_some(())
        });
    }
}

fn entries(folder: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What only the session with an identifier can know (FNV-1a).
fn sum(id: &str) -> String {
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", id.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

#[test]
fn sessions_one_after_another_leave_nothing() {
    needs_launch!();
    let _turn = turn();
    on_each_backend(|job| {
        let (sessions, before, started) = (Sessions::new(), Traces::now(), Instant::now());
        let wanted = if is_full() { 5_000 } else { 15 };
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..MAKERS {
                scope.spawn(|| {
                    while made.fetch_add(1, Ordering::Relaxed) < wanted {
                        cycle(&sessions, job.backend());
                    }
                });
            }
        });
        println!("{}: {wanted} sessions in {:?}", job.backend(), started.elapsed());
        assert!(sessions.left().is_empty(), "{:?}", sessions.left());
        before.settle();
    });
}

/// One session from begin to end.
fn cycle(sessions: &Sessions, backend: &str) {
    let (id, marker) = (&sessions.create(&["--backend", backend]), marker());
    let sum = &sum(id);
    let script = "cd \"$SANDBOX_MEMORY_DIR\"; test ! -e own; echo \"$SUM\" >own; cat own";
    let env = format!("SUM={sum}");
    let own = sessions.ok(&["exec", id, "--env", &env, "--", "/bin/sh", "-ec", script]);
    assert_eq!(own, *sum);
    sessions.ok(&["spawn", id, "--", "sleep", &marker]);
    // In the middle of an exec, a process has no command line.
    let tree = soon("the task", || {
        let tree = sessions.owner(id).tree();
        tree.iter().any(|it| it.command.contains(&marker)).then_some(tree)
    });
    sessions.ok(&["rm", id]);
    let left = left_after(&tree, GONE_WITHIN);
    assert_eq!(left, []);
    assert!(!sessions.folder(id).exists());
}

#[test]
fn sessions_at_once_do_not_see_each_other() {
    needs_launch!();
    let _turn = turn();
    let (count, time) = if is_full() { (64, 60) } else { (4, 3) };
    let (sessions, before) = (Sessions::new(), Traces::now());
    let has_server = installed("python3").is_some();
    if !has_server {
        skip("no port is published: python3 is not installed");
    }
    let all: Vec<_> = (0..count).map(|_| Inhabited::new(&sessions, has_server)).collect();
    let until = Instant::now() + Duration::from_secs(time);
    let rounds: usize = thread::scope(|scope| {
        let all: Vec<_> = all.iter().map(|one| scope.spawn(|| one.work_until(until))).collect();
        all.into_iter().map(|it| it.join().expect("a session")).sum()
    });
    println!("{count} sessions: {rounds} rounds in {time} s");
    let trees: Vec<_> = all.iter().map(|one| sessions.owner(&one.id).tree()).collect();
    all.iter().for_each(Inhabited::weigh);
    sessions.ok(&["rm", "--all"]);
    assert_eq!(left_after(&trees.concat(), PATIENCE), []);
    assert!(sessions.left().is_empty(), "{:?}", sessions.left());
    before.settle();
}

/// A session with a file, a task, and a server if there can be one.
struct Inhabited<'a> {
    sessions: &'a Sessions,
    id: String,
    sum: String,
    task: String,
    address: Option<String>,
}

impl<'a> Inhabited<'a> {
    fn new(sessions: &'a Sessions, has_server: bool) -> Self {
        let id = sessions.create(&["--mount-scratch", "/mnt/own"]);
        let sum = sum(&id);
        sessions.sh(&id, &format!("echo {sum} >/mnt/own/own"));
        let beat = format!("while :; do echo {sum}; sleep 0.05; done");
        let task = sessions.ok(&["spawn", &id, "--", "/bin/sh", "-c", &beat]);
        // The same port in every session.
        let address = has_server.then(|| {
            let server = "exec python3 -m http.server 8000 --bind 127.0.0.1 --directory /mnt/own";
            sessions.ok(&["spawn", "--cwd", "/", &id, "--", "/bin/sh", "-c", server]);
            sessions.ok(&["port", &id, "publish", "8000"])
        });
        let one = Self { sessions, id, sum, task, address };
        if let Some(address) = &one.address {
            soon("the server", || fetch(address));
        }
        one
    }

    /// Rounds of whatever callers do; how many they were.
    fn work_until(&self, until: Instant) -> usize {
        let (id, sum) = (&*self.id, &*self.sum);
        let mut rounds = 0;
        while Instant::now() < until || rounds == 0 {
            rounds += 1;
            let (env, script) = (format!("SUM={sum}"), "cat /mnt/own/own; echo \"$SUM\"");
            let said = ["exec", id, "--env", &env, "--", "/bin/sh", "-ec", script];
            assert_eq!(self.sessions.ok(&said), format!("{sum}\n{sum}"), "{id}");
            self.sessions.sh(id, "cp /mnt/own/own /mnt/own/next; mv /mnt/own/next /mnt/own/own");
            if let Some(address) = &self.address {
                assert_eq!(fetch(address).as_deref(), Some(sum), "{id}");
            }
            self.sessions.ok(&["suspend", id]);
            let log = self.sessions.ok(&["logs", id, &self.task]);
            assert!(log.lines().all(|line| line == sum), "{id}: {log}");
            self.sessions.ok(&["resume", id]);
            let name = format!("n{rounds}");
            let task = &self.sessions.ok(&["spawn", id, "--", "/bin/echo", &name, sum]);
            self.sessions.ok(&["wait", id, task]);
            assert_eq!(self.sessions.ok(&["logs", id, task]), format!("{name} {sum}"));
        }
        rounds
    }

    /// Says how much memory the owner holds; an owner of a release build must be small.
    fn weigh(&self) {
        let owner: Process = self.sessions.owner(&self.id);
        let resident = owner.memory("VmRSS");
        println!("{}: {} KiB", self.id, resident >> 10);
        let is_release = is_full() && std::env::var_os("SANDBOX_BIN").is_some();
        assert!(!is_release || resident <= LARGEST, "{} holds {resident} bytes", self.id);
    }
}

/// The file that a server shows, if it answers.
fn fetch(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /own HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.trim_end().to_owned())
}
