//! Limits of the whole tree, by control groups: version 2, version 1, or both at once.
//!
//! One group a run, below the caller's own, in each hierarchy that has a controller the limits ask
//! for. A controller can be in version 2 or in version 1, never in both, so each is looked up where
//! it is. The child enters its groups before it becomes the helper: version 2 by the clone itself,
//! version 1 by writing to the group's file.
//!
//! A group is removed when the run has ended. A launcher that was killed leaves an empty folder;
//! the next run removes those, knowing them by the number of a process that is no more.

mod freezer;
mod tree;

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox_core::{ResourceLimits, Result, SandboxError};

use crate::report::Groups;
use crate::rlimit::Held;
use tree::{Hierarchy, Version};

pub(crate) use freezer::{Entry, Freezer};

/// The groups of one run.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// Of the commands of a sandbox that lasts. Goes before the groups around it.
    pub(crate) commands: Option<Freezer>,
    groups: Vec<Group>,
    /// What the groups hold.
    pub(crate) held: Held,
    /// Whether the number of CPUs is held.
    pub(crate) cpus: bool,
}

#[derive(Debug)]
struct Group {
    path: PathBuf,
    version: Version,
    /// Version 2: the folder. Version 1: its `cgroup.procs`.
    entry: OwnedFd,
}

/// What the groups measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) memory_peak: Option<u64>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) out_of_memory: bool,
}

impl Cgroup {
    /// Makes the groups that the limits need; what cannot be made is not held, and the caller
    /// reports it.
    pub(crate) fn create(limits: &ResourceLimits) -> Self {
        let mut made = Self::none();
        let wanted = [
            ("memory", limits.memory.is_some()),
            ("pids", limits.processes.is_some()),
            ("cpu", limits.cpu_count.is_some()),
        ];
        if wanted.iter().all(|(_, wanted)| !wanted) {
            return made;
        }
        let hierarchies = tree::hierarchies();
        for (controller, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
            let set = made.group(&hierarchies, controller).and_then(|at| {
                let group = &made.groups[at];
                set(group, controller, limits)
            });
            match (*controller, set) {
                ("memory", Ok(())) => made.held.memory = true,
                ("pids", Ok(())) => made.held.processes = true,
                ("cpu", Ok(())) => made.cpus = true,
                (_, Err(error)) => tracing::debug!(controller, %error, "no control group"),
                _ => {}
            }
        }
        made
    }

    /// Leaves the processes that a sandbox that lasts needs itself out of their limit.
    pub(crate) fn admit(&self, limits: &ResourceLimits, helpers: u32) {
        let processes = limits.processes.filter(|_| self.held.processes);
        let most = processes.map(|processes| u64::from(processes) + u64::from(helpers));
        for (group, most) in self.groups.iter().zip(most.into_iter().cycle()) {
            // Of the groups one counts processes; without this it counts a few too many.
            let _ = fs::OpenOptions::new()
                .write(true)
                .open(group.path.join("pids.max"))
                .and_then(|mut file| file.write_all(most.to_string().as_bytes()));
        }
    }

    /// No group at all.
    pub(crate) fn none() -> Self {
        Self { commands: None, groups: Vec::new(), held: Held::default(), cpus: false }
    }

    /// Makes a group for commands, which can stand still, if that is possible here.
    pub(crate) fn add_commands(&mut self) {
        let two = self.groups.iter().find(|group| group.version == Version::Two);
        if self.commands.is_none() {
            self.commands = Freezer::create(two.map(|group| group.path.as_path()));
        }
    }

    /// Whether no group has limits.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Refuses a launch that would hold less than was promised.
    ///
    /// # Errors
    /// The limit that no group holds, though rights said that one could be made.
    pub(crate) fn check(&self, limits: &ResourceLimits, promised: Groups) -> Result<()> {
        let broken = |asked: bool, promised: bool, made: bool| asked && promised && !made;
        let (held, said) = (self.held, promised.held);
        if broken(limits.memory.is_some(), said.memory, held.memory)
            || broken(limits.processes.is_some(), said.processes, held.processes)
            || broken(limits.cpu_count.is_some(), promised.cpus, self.cpus)
        {
            let why = io::Error::other("the control group that the limits need cannot be made");
            return Err(SandboxError::io("limiting resources")(why));
        }
        Ok(())
    }

    /// Whether groups of these controllers could be made, for reports before a launch; makes none.
    pub(crate) fn would_hold() -> (Held, bool) {
        let hierarchies = tree::hierarchies();
        let held = |controller| {
            let found = hierarchies.iter().find(|h: &&Hierarchy| h.has(controller));
            found.is_some_and(|hierarchy| hierarchy.usable(controller))
        };
        (Held { memory: held("memory"), processes: held("pids") }, held("cpu"))
    }

    /// Makes groups for every limit and removes them again, for people who ask what works.
    pub(crate) fn try_all() -> (Held, bool) {
        let mut limits = ResourceLimits::default();
        limits.memory = Some(sandbox_core::ByteSize::from_mib(64));
        limits.processes = Some(64);
        limits.cpu_count = Some(1.0);
        let made = Self::create(&limits);
        (made.held, made.cpus)
    }

    /// The group for a controller, made if it is not there yet.
    fn group(&mut self, hierarchies: &[Hierarchy], controller: &str) -> io::Result<usize> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such controller");
        let hierarchy = hierarchies.iter().find(|h| h.has(controller)).ok_or_else(missing)?;
        if hierarchy.version == Version::Two {
            hierarchy.delegate(controller)?;
        }
        if let Some(at) = self.groups.iter().position(|g| g.path.starts_with(&hierarchy.path)) {
            return Ok(at);
        }
        let path = hierarchy.fresh();
        fs::create_dir(&path)?;
        let file = match hierarchy.version {
            Version::Two => fs::File::open(&path),
            Version::One => fs::OpenOptions::new().write(true).open(path.join("cgroup.procs")),
        };
        match file {
            Ok(file) => {
                let entry = crate::helper::high(file.into())?;
                self.groups.push(Group { path, version: hierarchy.version, entry });
                Ok(self.groups.len() - 1)
            }
            Err(error) => {
                let _ = fs::remove_dir(&path);
                Err(error)
            }
        }
    }

    /// The folder to clone into.
    pub(crate) fn folder(&self) -> Option<BorrowedFd<'_>> {
        let two = self.groups.iter().find(|group| group.version == Version::Two);
        two.map(|group| group.entry.as_fd())
    }

    /// The files that move the child.
    pub(crate) fn tasks(&self) -> Vec<RawFd> {
        let one = self.groups.iter().filter(|group| group.version == Version::One);
        one.map(|group| group.entry.as_raw_fd()).collect()
    }

    /// What was used, once everything has ended.
    pub(crate) fn measured(&self) -> Measured {
        let mut all = Measured::default();
        for group in &self.groups {
            let read = |name: &str| fs::read_to_string(group.path.join(name)).ok();
            let peak = read("memory.peak").or_else(|| read("memory.max_usage_in_bytes"));
            all.memory_peak = all.memory_peak.or(peak.and_then(|text| text.trim().parse().ok()));
            let killed = read("memory.events").or_else(|| read("memory.oom_control"));
            all.out_of_memory |= killed.and_then(|text| value(&text, "oom_kill")) > Some(0);
            let cpu = read("cpu.stat").and_then(|text| value(&text, "usage_usec"));
            all.cpu = all.cpu.or(cpu.map(Duration::from_micros));
        }
        all.cpu = all.cpu.or_else(|| self.commands.as_ref()?.cpu());
        all
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.commands = None;
        for group in &self.groups {
            remove(&group.path);
        }
    }
}

/// Removes a group. The last process may still be on its way out of it.
fn remove(path: &Path) {
    for pause in [0, 1, 2, 5, 10, 20, 50, 100] {
        std::thread::sleep(Duration::from_millis(pause));
        match fs::remove_dir(path) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            _ => break,
        }
    }
}

/// The number behind a key of a flat-keyed file.
fn value(text: &str, key: &str) -> Option<u64> {
    let line = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(line)
}

/// Writes the limits of one controller.
fn set(group: &Group, controller: &str, limits: &ResourceLimits) -> io::Result<()> {
    let write = |name: &str, value: String| fs::write(group.path.join(name), value);
    match (controller, group.version) {
        ("memory", version) => {
            let bytes = limits.memory.map_or(u64::MAX, sandbox_core::ByteSize::bytes);
            let (limit, swap, none) = match version {
                Version::Two => ("memory.max", "memory.swap.max", 0),
                Version::One => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes),
            };
            write(limit, bytes.to_string())?;
            // Without swap accounting there is no such file, and no swap to bound either way.
            match write(swap, none.to_string()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        }
        ("pids", _) => {
            // One more for the helper.
            write("pids.max", (u64::from(limits.processes.unwrap_or(u32::MAX)) + 1).to_string())
        }
        (_, version) => {
            const PERIOD: f64 = 100_000.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            let quota = (limits.cpu_count.unwrap_or(1.0) * PERIOD).max(1000.0) as u64;
            match version {
                Version::Two => write("cpu.max", format!("{quota} 100000")),
                Version::One => {
                    write("cpu.cfs_period_us", "100000".into())?;
                    write("cpu.cfs_quota_us", quota.to_string())
                }
            }
        }
    }
}

/// Whether a process with this number exists.
fn alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}
