//! Processes of this machine, as `/proc` shows them: which are below which, and when they are gone.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// One process, told from any other that gets its number later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    parent: i32,
    pub(crate) started: u64,
    is_dead: bool,
    /// Its command line, or what its program is called.
    pub(crate) command: String,
}

impl Process {
    /// The process that has a number now, also one that is dead and was not waited for.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        // `1 (a name) S 0 ...`, see proc_pid_stat(5).
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let (begin, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let words = fs::read(folder.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let command = if words.is_empty() { format!("{begin})") } else { words };
        let (parent, started) = (fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
        let is_dead = matches!(*fields.first()?, "Z" | "X");
        Some(Self { pid, parent, started, is_dead, command })
    }

    /// Every process that lives.
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        entries.filter_map(pid).filter_map(Self::find).filter(|it| !it.is_dead).collect()
    }

    /// This process and all below it.
    pub(crate) fn tree(&self) -> Vec<Self> {
        let all = Self::all();
        let mut tree = vec![self.clone()];
        let mut at = 0;
        while let Some(parent) = tree.get(at).map(|it| it.pid) {
            tree.extend(all.iter().filter(|it| it.parent == parent).cloned());
            at += 1;
        }
        tree
    }

    /// Those with a text in their command line.
    pub(crate) fn with(text: &str) -> Vec<Self> {
        Self::all().into_iter().filter(|it| it.command.contains(text)).collect()
    }

    pub(crate) fn lives(&self) -> bool {
        Self::find(self.pid).is_some_and(|it| it.started == self.started && !it.is_dead)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.lives()) {
            // One that has ended meanwhile is no error.
            let _ = kill_process(pid, signal);
        }
    }

    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        // It is a child of ours only where we adopt orphans.
        let pid = Pid::from_raw(self.pid);
        let _ = pid.map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
    }

    /// A number of `/proc/PID/status`, in bytes.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number of kibibytes") << 10
    }
}

/// Those that are still there after a time.
pub(crate) fn left_after(processes: &[Process], time: Duration) -> Vec<Process> {
    let deadline = Instant::now() + time;
    loop {
        let left: Vec<_> = processes.iter().filter(|it| it.lives()).cloned().collect();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + super::PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: it did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A time to sleep that no other process sleeps.
pub(crate) fn marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("300.{:07}{number:04}", std::process::id())
}
