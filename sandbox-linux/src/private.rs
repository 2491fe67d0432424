//! The private folder of the Landlock tier: what stands in for `/tmp` and the home directory where
//! no mount can.
//!
//! `TMPDIR` and `HOME` name it. The home is empty but for links to what the policy grants below the
//! caller's own home directory, so that toolchains and caches are found under the names that they
//! have there.
//!
//! # Theory of operation
//! The guard removes the folder. A launcher that was killed has no guard any more, so each folder
//! is locked (`flock`) by a descriptor that its launcher alone has: it is closed at every exec, so
//! neither a helper nor a payload holds the lock, and the kernel drops it with the launcher. A
//! folder without a lock is stale, and the next launcher's [`sweep`] takes it away. Nobody asks a
//! clock or for the number of a process.
//!
//! A folder is made before it can be locked. What a sweep finds in that moment looks stale, so
//!
//! * nobody removes a folder that he has not locked himself, but for the one who has made it;
//! * nobody uses a folder before he has locked it and then made something in it. The kernel makes
//!   nothing in a folder that was removed.
//!
//! Either the maker is first, and no sweep gets the lock; or a sweep is, and the maker sees it and
//! makes another folder. A kill between any two steps leaves what a sweep can find.

mod removal;
mod sweep;

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, flock, mkdirat, openat};
use rustix::io::Errno;
use sandbox_core::plan::{Content, Plan};
use sandbox_core::{Result, SandboxError};

use crate::jail::Variables;

/// A fixed place: TMPDIR is the caller's, and may be what somebody wants us to believe.
const TEMP: &str = "/tmp";

/// What the names of private folders begin with. More than a program's name: whatever is called so
/// is taken away, and nobody else may come to call something so.
const PREFIX: &str = "sandbox-private-";

/// How many letters and digits follow.
const RANDOM: usize = 10;

/// How often a folder is made, when sweeps take each of them away: more often than all sweeps can
/// that may go on at a time, because each takes few and a process has one.
const ATTEMPTS: usize = 1024;

/// The most names that a guard takes away, so that a process that got away and goes on writing
/// holds nobody up for ever.
const MOST: u64 = 1 << 24;

/// A private folder; removed with whatever the payload left in it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: OwnedFd,
}

impl Folder {
    fn make(temp: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut builder = tempfile::Builder::new();
            // Closed to other users from the beginning, who otherwise could read, and lock.
            let builder = builder.permissions(Permissions::from_mode(0o700));
            let made = builder.prefix(PREFIX).rand_bytes(RANDOM).tempdir_in(temp)?;
            if let Some(lock) = open(made.path())?
                && take(lock.as_fd())?
            {
                return Ok(Self { path: made.keep(), lock });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to a sweep; nobody is left to tell.
        if removal::empty(self.lock.as_fd(), MOST).is_ok() {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Opens a new folder; none if a sweep was faster.
fn open(path: &Path) -> io::Result<Option<OwnedFd>> {
    match openat(CWD, path, removal::FOLDER, Mode::empty()) {
        Err(Errno::NOENT) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Locks a new folder and begins to fill it; false if a sweep was faster.
fn take(folder: BorrowedFd<'_>) -> io::Result<bool> {
    match flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        // Where locks mean nothing there are no sweeps, and the folder needs none.
        Err(error) if sweep::works(folder) => return Err(error.into()),
        _ => {}
    }
    match mkdirat(folder, "tmp", Mode::from_raw_mode(0o777)) {
        Err(Errno::NOENT) => Ok(false),
        made => Ok(made.map(|()| true)?),
    }
}

/// Makes the folder and lets the variables name it.
///
/// # Errors
/// What the file system answers.
pub(crate) fn folder(plan: &Plan, environment: &mut Variables) -> Result<Folder> {
    let home = environment.iter().find(|(name, _)| name == "HOME");
    let home = home.map(|(_, value)| PathBuf::from(value));
    let folder =
        make(plan, home.as_deref()).map_err(SandboxError::io("making a private folder"))?;
    for (variable, name) in [("TMPDIR", "tmp"), ("HOME", "home")] {
        environment.retain(|(name, _)| name != variable);
        environment.push((variable.into(), folder.path().join(name).into()));
    }
    environment.sort();
    sweep::start();
    Ok(folder)
}

fn make(plan: &Plan, home: Option<&Path>) -> io::Result<Folder> {
    let folder = Folder::make(Path::new(TEMP))?;
    let own = folder.path().join("home");
    std::fs::create_dir(&own)?;
    let Some(home) = home.filter(|home| home.parent().is_some()) else { return Ok(folder) };
    let mut linked: Vec<&Path> = Vec::new();
    for place in plan.places.iter().filter(|place| place.content == Content::Host) {
        let Ok(tail) = place.path.strip_prefix(home) else { continue };
        // A place inside a linked one is reached through it; a link there would be the host's.
        let inside = linked.iter().any(|outer| tail.starts_with(outer));
        if inside || tail.as_os_str() == OsStr::new("") {
            continue;
        }
        linked.push(tail);
        let link = own.join(tail);
        if let Some(parent) = link.parent() {
            std::fs::create_dir_all(parent)?;
        }
        symlink(&place.path, &link)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ScopedJoinHandle};

    use super::*;

    #[test]
    fn a_folder_is_locked_while_it_is_there() -> io::Result<()> {
        let temp = tempfile::tempdir()?;
        let folder = Folder::make(temp.path())?;
        let path = folder.path().to_path_buf();
        let other = open(&path)?.expect("a folder");
        let locked = flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(locked, Err(Errno::WOULDBLOCK));
        assert!(path.join("tmp").is_dir());
        drop(folder);
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn a_payload_that_closes_its_folder_does_not_keep_it() -> io::Result<()> {
        let temp = tempfile::tempdir()?;
        let folder = Folder::make(temp.path())?;
        rustix::fs::chmod(folder.path(), Mode::empty())?;
        drop(folder);
        assert_eq!(std::fs::read_dir(temp.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn what_a_sweep_has_locked_or_removed_is_not_taken() -> io::Result<()> {
        let temp = tempfile::tempdir()?;
        let path = temp.path().join("folder");
        std::fs::create_dir(&path)?;
        let [own, other] = [open(&path)?, open(&path)?].map(|opened| opened.expect("a folder"));
        flock(&other, FlockOperation::NonBlockingLockExclusive)?;
        assert!(!take(own.as_fd())?, "locked");
        std::fs::remove_dir(&path)?;
        drop(other);
        assert!(!take(own.as_fd())?, "removed");
        assert!(open(&path)?.is_none());
        Ok(())
    }

    /// Makers and a sweep, all at once: whatever was made stays as long as it is held.
    #[test]
    fn a_sweep_never_takes_a_folder_that_is_used() -> io::Result<()> {
        let temp = tempfile::tempdir()?;
        let mut swept = 0;
        thread::scope(|scope| {
            let makers = [(); 3].map(|()| scope.spawn(|| make_many(temp.path())));
            while !makers.iter().all(ScopedJoinHandle::is_finished) {
                swept += sweep::of(temp.path())?;
            }
            makers.into_iter().try_for_each(|maker| maker.join().expect("no panic"))
        })?;
        assert!(swept > 0);
        Ok(())
    }

    /// Makes folders and uses them; every other one is left behind.
    fn make_many(temp: &Path) -> io::Result<()> {
        for number in 0..500 {
            let folder = Folder::make(temp)?;
            let file = folder.path().join("file");
            std::fs::write(&file, "x")?;
            std::fs::read(&file)?;
            if number % 2 == 0 {
                abandon(folder);
            }
        }
        Ok(())
    }

    /// Lets a folder go as a launcher does that is killed, whatever children other tests have that
    /// have not executed anything yet.
    pub(super) fn abandon(folder: Folder) {
        flock(&folder.lock, FlockOperation::Unlock).expect("no lock");
        let folder = std::mem::ManuallyDrop::new(folder);
        // SAFETY: the descriptor is closed once, because the folder is never dropped.
        drop(unsafe { std::ptr::read(&raw const folder.lock) });
    }
}
