//! Takes away the private folders of launchers that were killed.
//!
//! # Theory of operation
//! One listing of the folder that they are made in, once a process, on a thread that nobody waits
//! for: a sweep that ends with its process goes on in the next one. Everybody can make names there,
//! so a name only says what is worth a look. What is taken away is, by the descriptor that the look
//! opened: a folder and no link to one, on the same mount; of this user; as closed as one was made;
//! and not locked. Then the sweep has the lock itself, which keeps other sweeps off.
//!
//! A payload can hold such a lock as well, but only on its own folder, and only while it runs.
//!
//! Nothing that is left behind may make this long: the folders of a sweep are counted, and so is
//! what is taken out of each.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, fstatfs, openat, unlinkat,
};
use rustix::process::geteuid;

use super::{PREFIX, RANDOM, TEMP, removal};

/// The most folders that a sweep takes away.
const FOLDERS: usize = 16;

/// The most steps that it does for one of them.
const STEPS: u64 = 1 << 16;

/// The file systems of one machine: a lock says nothing about the launchers of others.
const LOCAL: [u32; 9] = [
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x0000_ef53, // ext2 to ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x794c_7630, // overlayfs
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
];

/// Starts the sweep, unless this process has had one.
pub(super) fn start() {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return;
    }
    let sweep = || {
        if let Err(error) = of(Path::new(TEMP)) {
            tracing::debug!(%error, "no sweep of {TEMP}");
        }
    };
    // Without a thread there is no sweep, and the next process has one.
    let _ = std::thread::Builder::new().name("sandbox-sweep".into()).spawn(sweep);
}

/// Whether the folders in a folder can be swept at all.
pub(super) fn works(folder: BorrowedFd<'_>) -> bool {
    let kind = fstatfs(folder).map(|found| u32::try_from(found.f_type));
    kind.is_ok_and(|kind| kind.is_ok_and(|kind| LOCAL.contains(&kind)))
}

/// Sweeps a folder; how many stale ones there were.
///
/// # Errors
/// It cannot be listed.
pub(super) fn of(temp: &Path) -> io::Result<usize> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let temp = openat(CWD, temp, flags, Mode::empty())?;
    if !works(temp.as_fd()) {
        return Ok(0);
    }
    let named = removal::entries(temp.as_fd())?.flatten().filter(|it| is_named(it.file_name()));
    let stale = named.filter_map(|it| Some((stale(temp.as_fd(), it.file_name())?, it)));
    let mut count = 0;
    for (folder, entry) in stale.take(FOLDERS) {
        count += 1;
        let name = entry.file_name();
        let emptied = removal::empty(folder.as_fd(), STEPS);
        let removed = emptied.and_then(|()| Ok(unlinkat(&temp, name, AtFlags::REMOVEDIR)?));
        if let Err(error) = removed {
            tracing::debug!(?name, %error, "a stale private folder stays");
        }
    }
    Ok(count)
}

/// Whether a name is one that we would give.
fn is_named(name: &CStr) -> bool {
    let random = name.to_bytes().strip_prefix(PREFIX.as_bytes());
    random.is_some_and(|it| it.len() == RANDOM && it.iter().all(u8::is_ascii_alphanumeric))
}

/// Opens and locks a folder, if it is one of ours and its launcher is no more.
fn stale(temp: BorrowedFd<'_>, name: &CStr) -> Option<OwnedFd> {
    let folder = removal::open(temp, name).ok()?;
    let found = fstat(&folder).ok()?;
    let is_ours = found.st_uid == geteuid().as_raw()
        && Mode::from_raw_mode(found.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO)
            == Mode::RWXU;
    let lock = || flock(&folder, FlockOperation::NonBlockingLockExclusive);
    (is_ours && lock().is_ok()).then_some(folder)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::super::Folder;
    use super::super::tests::abandon;
    use super::*;

    /// A place to sweep; whoever has none on a file system of one machine has no sweeps either.
    fn temp() -> tempfile::TempDir {
        let temp = tempfile::tempdir().expect("a folder");
        let opened = fs::File::open(temp.path()).expect("a folder");
        assert!(works(opened.as_fd()), "nothing can be swept below {}", temp.path().display());
        temp
    }

    /// A folder that looks like one of ours.
    fn folder(temp: &Path, name: &str) -> PathBuf {
        let path = temp.join(name);
        fs::create_dir(&path).expect("a folder");
        set_mode(&path, 0o700);
        path
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
    }

    fn count(temp: &tempfile::TempDir) -> usize {
        fs::read_dir(temp.path()).expect("a folder").count()
    }

    #[test]
    fn what_a_killed_launcher_left_is_taken_away() -> io::Result<()> {
        let temp = temp();
        let stale = Folder::make(temp.path())?;
        fs::write(stale.path().join("tmp/file"), "x")?;
        abandon(stale);
        folder(temp.path(), "sandbox-private-0123456789");
        assert_eq!(count(&temp), 2);
        assert_eq!(of(temp.path())?, 2);
        assert_eq!(count(&temp), 0);
        Ok(())
    }

    #[test]
    fn what_a_launcher_has_stays() -> io::Result<()> {
        let temp = temp();
        let used = Folder::make(temp.path())?;
        assert_eq!(of(temp.path())?, 0);
        assert!(used.path().join("tmp").is_dir());
        Ok(())
    }

    #[test]
    fn links_and_files_stay() -> io::Result<()> {
        let (temp, outside) = (temp(), temp());
        let target = folder(outside.path(), "sandbox-private-0123456789");
        fs::write(target.join("file"), "x")?;
        symlink(&target, temp.path().join("sandbox-private-aaaaaaaaaa"))?;
        fs::write(temp.path().join("sandbox-private-bbbbbbbbbb"), "x")?;
        let pipe = temp.path().join("sandbox-private-cccccccccc");
        rustix::fs::mknodat(CWD, pipe, rustix::fs::FileType::Fifo, Mode::RWXU, 0)?;
        assert_eq!(of(temp.path())?, 0);
        assert_eq!(count(&temp), 3);
        assert!(target.join("file").exists());
        Ok(())
    }

    #[test]
    fn what_we_would_not_have_made_stays() -> io::Result<()> {
        let temp = temp();
        let path = folder(temp.path(), "sandbox-private-0123456789");
        for mode in [0o755, 0o770, 0o701, 0o500, 0o000] {
            set_mode(&path, mode);
            assert_eq!(of(temp.path())?, 0, "{mode:o}");
            assert!(path.exists());
        }
        set_mode(&path, 0o700);
        assert_eq!(of(temp.path())?, 1);
        Ok(())
    }

    #[test]
    fn what_belongs_to_others_stays() -> io::Result<()> {
        let temp = temp();
        let path = folder(temp.path(), "sandbox-private-0123456789");
        // Only root can give something away.
        if let Err(error) = std::os::unix::fs::chown(&path, Some(geteuid().as_raw() + 1), None) {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            return Ok(());
        }
        assert_eq!(of(temp.path())?, 0);
        assert!(path.exists());
        Ok(())
    }

    #[test]
    fn other_names_stay() -> io::Result<()> {
        let temp = temp();
        let names: [&[u8]; 7] = [
            b"sandbox-0123456789",
            b"sandbox-private-012345678",
            b"sandbox-private-01234567890",
            b"sandbox-private-01234\xff6789",
            b"sandbox-private-012345678\n",
            b"sandbox-private-\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
            b"a-sandbox-private-0123456789",
        ];
        for name in names {
            let path = temp.path().join(OsStr::from_bytes(name));
            fs::create_dir(&path)?;
            set_mode(&path, 0o700);
        }
        assert_eq!(of(temp.path())?, 0);
        assert_eq!(count(&temp), names.len());
        Ok(())
    }

    #[test]
    fn a_sweep_has_an_end() -> io::Result<()> {
        let temp = temp();
        for number in 0..FOLDERS + 3 {
            folder(temp.path(), &format!("sandbox-private-{number:010}"));
        }
        assert_eq!(of(temp.path())?, FOLDERS);
        assert_eq!(count(&temp), 3);
        assert_eq!(of(temp.path())?, 3);
        assert_eq!(count(&temp), 0);
        Ok(())
    }
}
