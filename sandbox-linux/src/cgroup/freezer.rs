//! A group that can stand still: of all commands of a sandbox that lasts, without its first process,
//! which must answer meanwhile.
//!
//! No process can tell that it stood still, ignore it or end it, and none that another has stopped
//! goes on too early; signals to stop and to continue do none of this. Version 2 needs no controller
//! for it; version 1 has one of its own, in whose groups not even an end takes effect before they
//! are let go.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::tree::{self, Hierarchy, Version};

/// The name of a group below a run's own.
pub(super) const COMMANDS: &str = "commands";

/// How long the processes may take to stand still. They do at once, but for those that wait for a
/// disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first pause between two looks.
const PAUSE: Duration = Duration::from_micros(20);

/// A group of commands.
#[derive(Debug)]
pub(crate) struct Freezer {
    path: PathBuf,
    version: Version,
    entry: Arc<OwnedFd>,
}

/// How a process gets into a group.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// It is born there: the group's folder.
    Born(Arc<OwnedFd>),
    /// It writes `0` to this file.
    Moved(Arc<OwnedFd>),
}

impl Freezer {
    /// Makes one, below the run's own group of version 2 if there is one.
    pub(super) fn create(own: Option<&Path>) -> Option<Self> {
        // Reading them takes longer than making a group. A process that was moved meanwhile makes its
        // groups where it was, or none.
        static HIERARCHIES: OnceLock<Vec<Hierarchy>> = OnceLock::new();
        let hierarchies = HIERARCHIES.get_or_init(tree::hierarchies);
        let of = |version| Self::of(version, hierarchies, own);
        of(Version::Two).or_else(|| of(Version::One))
    }

    /// One of version 1, which is else made only where there is no other.
    #[cfg(test)]
    pub(crate) fn of_version_one() -> Option<Self> {
        Self::of(Version::One, &tree::hierarchies(), None)
    }

    fn of(version: Version, hierarchies: &[Hierarchy], own: Option<&Path>) -> Option<Self> {
        let fits = |hierarchy: &&Hierarchy| match version {
            Version::Two => hierarchy.version == version && crate::sys::clones_into_groups(),
            Version::One => hierarchy.version == version && hierarchy.has("freezer"),
        };
        let hierarchy = hierarchies.iter().find(fits).filter(|h| h.admits())?;
        let path = match own.filter(|_| version == Version::Two) {
            Some(own) => own.join(COMMANDS),
            None => hierarchy.fresh(),
        };
        fs::create_dir(&path).ok()?;
        let file = match version {
            Version::Two => fs::File::open(&path),
            Version::One => fs::OpenOptions::new().write(true).open(path.join("cgroup.procs")),
        };
        match file.and_then(|file| crate::helper::high(file.into())) {
            Ok(entry) => Some(Self { path, version, entry: Arc::new(entry) }),
            Err(error) => {
                tracing::debug!(%error, "no group that stands still");
                let _ = fs::remove_dir(&path);
                None
            }
        }
    }

    /// How a command gets in.
    pub(crate) fn entry(&self) -> Entry {
        let entry = Arc::clone(&self.entry);
        match self.version {
            Version::Two => Entry::Born(entry),
            Version::One => Entry::Moved(entry),
        }
    }

    /// Stops every process, and waits until each stands still.
    ///
    /// # Errors
    /// What the system answers; `TimedOut` for a process that waits for the system itself. All go on
    /// then.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        let (file, word) = match self.version {
            Version::Two => ("cgroup.freeze", "1"),
            Version::One => ("freezer.state", "FROZEN"),
        };
        fs::write(self.path.join(file), word)?;
        let stopped = self.wait();
        if stopped.is_err() {
            self.thaw()?;
        }
        stopped
    }

    /// Waits until every process stands still.
    fn wait(&self) -> io::Result<()> {
        let (begin, mut pause) = (Instant::now(), PAUSE);
        while !self.stands_still()? {
            if begin.elapsed() > PATIENCE {
                let why = "a process cannot be stopped while it waits for a disk or the network";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        Ok(())
    }

    fn stands_still(&self) -> io::Result<bool> {
        let read = |name: &str| fs::read_to_string(self.path.join(name));
        Ok(match self.version {
            Version::Two => super::value(&read("cgroup.events")?, "frozen") == Some(1),
            Version::One => read("freezer.state")?.trim() == "FROZEN",
        })
    }

    /// Lets every process go on.
    ///
    /// # Errors
    /// What the system answers.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        let (file, word) = match self.version {
            Version::Two => ("cgroup.freeze", "0"),
            Version::One => ("freezer.state", "THAWED"),
        };
        fs::write(self.path.join(file), word)
    }

    /// Lets an end take effect where a group that stands still holds it up.
    pub(crate) fn release(&self) {
        if self.version == Version::One {
            // Of a group that cannot be let go nothing can be ended either.
            let _ = self.thaw();
        }
    }

    /// CPU time of all that ever ran in it.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.path.join("cpu.stat")).ok()?;
        super::value(&text, "usage_usec").map(Duration::from_micros)
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        super::remove(&self.path);
    }
}
