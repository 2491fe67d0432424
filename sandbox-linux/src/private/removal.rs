//! Takes away what a payload has left in a folder.
//!
//! # Theory of operation
//! The payload has chosen every name and mode, and where its helper was killed it may still run. So
//! each name is looked up once, without following a link and without entering another mount, and
//! everything else is done through the descriptor that this gave: whatever is moved or replaced
//! meanwhile, nothing is opened, changed or removed that did not lie in the folder.
//!
//! Folders that are closed to us are opened, and deep ones are taken apart at the top, so that no
//! depth overflows a stack or the length of a path. The work has a bound; what it breaks off goes
//! on with the next attempt.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, DirEntry, Mode, OFlags, ResolveFlags, chmod, fchmod, fstat, openat, openat2,
    renameat, unlinkat,
};
use rustix::io::Errno;

/// How folders are opened.
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Empties a folder, by at most so many steps.
///
/// # Errors
/// What the file system answers; [`io::ErrorKind::QuotaExceeded`] when the steps did not suffice.
pub(super) fn empty(top: BorrowedFd<'_>, steps: u64) -> io::Result<()> {
    make_ours(top)?;
    let mut removal = Removal { top, steps, moved: 0 };
    while removal.pass()? {}
    Ok(())
}

/// The entries of a folder.
///
/// # Errors
/// What the file system answers.
pub(super) fn entries(
    folder: BorrowedFd<'_>,
) -> io::Result<impl Iterator<Item = rustix::io::Result<DirEntry>>> {
    let is_other = |entry: &rustix::io::Result<DirEntry>| {
        !entry.as_ref().is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))
    };
    Ok(Dir::read_from(folder)?.filter(is_other))
}

/// Opens a folder in a folder; nothing else, and nothing that is mounted there. Where a filter
/// knows no `openat2`, mounts cannot be told.
///
/// # Errors
/// What the kernel answers.
pub(super) fn open(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    match openat2(at, name, FOLDER, Mode::empty(), ResolveFlags::NO_XDEV) {
        Err(Errno::NOSYS) => openat(at, name, FOLDER, Mode::empty()),
        opened => opened,
    }
}

/// Opens a folder, also one that is closed to its owner.
fn enter(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let folder = match open(at, name) {
        Err(Errno::ACCESS) => {
            let flags = FOLDER | OFlags::PATH;
            let place = openat(at, name, flags, Mode::empty())?;
            // A descriptor of this kind has no mode to change, but a name that leads nowhere else.
            chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU)?;
            open(at, name)?
        }
        opened => opened?,
    };
    make_ours(folder.as_fd())?;
    Ok(folder)
}

/// Lets the owner do everything with a folder.
fn make_ours(folder: BorrowedFd<'_>) -> io::Result<()> {
    if Mode::from_raw_mode(fstat(folder)?.st_mode).contains(Mode::RWXU) {
        return Ok(());
    }
    Ok(fchmod(folder, Mode::RWXU)?)
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    steps: u64,
    /// How many folders were moved to the top.
    moved: u64,
}

impl Removal<'_> {
    /// Removes what lies at the top now; whether there was anything.
    fn pass(&mut self) -> io::Result<bool> {
        let mut any = false;
        for entry in entries(self.top)? {
            any = true;
            self.remove(entry?.file_name())?;
        }
        Ok(any)
    }

    /// Removes an entry of the top; the folders that a folder has come to the top.
    fn remove(&mut self, name: &CStr) -> io::Result<()> {
        if self.unlink(self.top, name)? {
            return Ok(());
        }
        let folder = enter(self.top, name)?;
        for entry in entries(folder.as_fd())? {
            let entry = entry?;
            if !self.unlink(folder.as_fd(), entry.file_name())? {
                self.lift(folder.as_fd(), entry.file_name())?;
            }
        }
        self.step()?;
        Ok(unlinkat(self.top, name, AtFlags::REMOVEDIR)?)
    }

    /// Removes an entry that is no folder; false for a folder.
    fn unlink(&mut self, at: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
        self.step()?;
        match unlinkat(at, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::ISDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a folder to the top, under a name that nothing has there.
    fn lift(&mut self, at: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        // A folder can only be moved by who may write it: its `..` changes.
        drop(enter(at, name)?);
        loop {
            self.step()?;
            self.moved += 1;
            let moved = renameat(at, name, self.top, format!(".removed-{}", self.moved));
            match moved {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
                moved => return Ok(moved?),
            }
        }
    }

    fn step(&mut self) -> io::Result<()> {
        let left = self.steps.checked_sub(1);
        self.steps = left.ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use rustix::fs::{CWD, RenameFlags, mkdirat, renameat_with, symlinkat};

    use super::*;

    fn descriptor(path: &Path) -> io::Result<OwnedFd> {
        Ok(openat(CWD, path, FOLDER, Mode::empty())?)
    }

    fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
    }

    fn is_empty(path: &Path) -> io::Result<bool> {
        Ok(std::fs::read_dir(path)?.next().is_none())
    }

    #[test]
    fn a_closed_and_deep_tree_is_removed() -> io::Result<()> {
        let top = tempfile::tempdir()?;
        let mut inside = descriptor(top.path())?;
        for _ in 0..2000 {
            mkdirat(&inside, "deep", Mode::RWXU)?;
            inside = open(inside.as_fd(), c"deep")?;
        }
        let closed = top.path().join("closed");
        std::fs::create_dir_all(closed.join("inner"))?;
        std::fs::write(closed.join("file"), "x")?;
        for path in [closed.join("inner"), closed] {
            set_mode(&path, 0o000)?;
        }
        empty(descriptor(top.path())?.as_fd(), u64::MAX)?;
        assert!(is_empty(top.path())?);
        Ok(())
    }

    #[test]
    fn names_that_are_needed_can_be_taken() -> io::Result<()> {
        let top = tempfile::tempdir()?;
        for name in ["a/b/c", ".removed-1/x", ".removed-2/y"] {
            std::fs::create_dir_all(top.path().join(name))?;
        }
        std::fs::write(top.path().join(".removed-3"), "x")?;
        symlink("nowhere", top.path().join(".removed-4"))?;
        empty(descriptor(top.path())?.as_fd(), u64::MAX)?;
        assert!(is_empty(top.path())?);
        Ok(())
    }

    #[test]
    fn work_that_is_broken_off_goes_on_where_it_was() -> io::Result<()> {
        let top = tempfile::tempdir()?;
        for number in 0..20 {
            std::fs::create_dir_all(top.path().join(format!("{number}/a/b/c")))?;
        }
        let mut attempts = 1;
        while let Err(error) = empty(descriptor(top.path())?.as_fd(), 50) {
            assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
            attempts += 1;
            assert!(attempts < 100);
        }
        assert!(attempts > 1);
        assert!(is_empty(top.path())?);
        Ok(())
    }

    /// A folder to be emptied, and beside it one that is not, with a folder that has a file.
    struct Stage {
        folder: OwnedFd,
        all: tempfile::TempDir,
    }

    /// How the one leads to the other: without leaving the mount.
    const OUTSIDE: &str = "../outside";

    impl Stage {
        fn new() -> io::Result<Self> {
            let all = tempfile::tempdir()?;
            std::fs::create_dir(all.path().join("top"))?;
            let stage = Self { folder: descriptor(&all.path().join("top"))?, all };
            std::fs::create_dir_all(stage.outside().join("folder"))?;
            std::fs::write(stage.outside().join("folder/file"), "x")?;
            Ok(stage)
        }

        fn top(&self) -> PathBuf {
            self.all.path().join("top")
        }

        fn outside(&self) -> PathBuf {
            self.all.path().join("outside")
        }

        fn is_untouched(&self) -> bool {
            self.outside().join("folder/file").exists()
        }
    }

    #[test]
    fn links_are_removed_and_not_followed() -> io::Result<()> {
        let stage = Stage::new()?;
        std::fs::create_dir(stage.top().join("folder"))?;
        symlink(OUTSIDE, stage.top().join("link"))?;
        symlink("../../outside", stage.top().join("folder/link"))?;
        empty(stage.folder.as_fd(), u64::MAX)?;
        assert!(is_empty(&stage.top())?);
        assert!(stage.is_untouched());
        Ok(())
    }

    #[test]
    fn a_folder_that_became_a_link_is_not_entered() -> io::Result<()> {
        let stage = Stage::new()?;
        symlink(OUTSIDE, stage.top().join("link"))?;
        for mode in [0o700, 0o000] {
            set_mode(&stage.outside(), mode)?;
            assert!(enter(stage.folder.as_fd(), c"link").is_err());
            assert_eq!(std::fs::metadata(stage.outside())?.permissions().mode() & 0o777, mode);
        }
        set_mode(&stage.outside(), 0o700)
    }

    /// A process that got away puts links where folders were, as fast as it can.
    #[test]
    fn a_race_reaches_nothing_outside() -> io::Result<()> {
        let stage = Stage::new()?;
        let folder = &stage.folder;
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = mkdirat(folder, "a", Mode::empty());
                    let _ = symlinkat(OUTSIDE, folder, "b");
                    let _ = renameat_with(folder, "a", folder, "b", RenameFlags::EXCHANGE);
                }
            });
            for _ in 0..5_000 {
                // It need not succeed.
                let _ = empty(folder.as_fd(), 100);
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(stage.is_untouched());
        Ok(())
    }
}
