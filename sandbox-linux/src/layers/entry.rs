//! What stands at a name: kind, mode, size, times, without looking into it.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Mode, Stat, fstat, statat};
use rustix::io::Errno;

use super::stamp::Moment;

/// Device and number of an inode.
pub(super) type Identity = (u64, u64);

/// The kinds of things that a folder can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    Link,
    Fifo,
    Socket,
    /// The device 0/0: how overlayfs writes that there is nothing.
    Whiteout,
    Device,
}

/// One thing, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// The lowest twelve bits.
    pub(super) mode: Mode,
    pub(super) size: u64,
    /// How many names it has.
    pub(super) names: u64,
    pub(super) owner: (u32, u32),
    pub(super) identity: Identity,
    pub(super) changed: Moment,
    pub(super) modified: Moment,
}

impl Entry {
    /// Looks at a name; none if there is nothing.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn look(at: impl AsFd, name: &CStr) -> io::Result<Option<Self>> {
        match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            found => Ok(Some(Self::of(&found?))),
        }
    }

    /// Looks at what is open.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn opened(descriptor: impl AsFd) -> io::Result<Self> {
        Ok(Self::of(&fstat(descriptor)?))
    }

    #[allow(clippy::unnecessary_cast, reason = "the fields' widths differ between architectures")]
    fn of(found: &Stat) -> Self {
        Self {
            kind: Kind::of(found),
            mode: Mode::from_raw_mode(found.st_mode),
            size: u64::try_from(found.st_size).unwrap_or(0),
            names: found.st_nlink as u64,
            owner: (found.st_uid, found.st_gid),
            identity: (found.st_dev as u64, found.st_ino as u64),
            changed: Moment::new(found.st_ctime as i64, found.st_ctime_nsec as u32),
            modified: Moment::new(found.st_mtime as i64, found.st_mtime_nsec as u32),
        }
    }

    /// Whether it is a folder.
    pub(super) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// Whether a later look found the same thing, untouched. Of a folder only that it is the same
    /// one: what happens in it is looked at there.
    pub(super) fn is_still(&self, later: &Self) -> bool {
        let same = self.kind == later.kind && self.identity == later.identity;
        // That another of its names went away counts as a change of a file.
        let told = |entry: &Self| (entry.size, entry.mode, entry.modified);
        let fewer = later.names < self.names && told(self) == told(later);
        same && (self.is_folder() || self.changed == later.changed || fewer)
    }
}

impl Kind {
    fn of(found: &Stat) -> Self {
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => Self::Folder,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice if found.st_rdev == 0 => Self::Whiteout,
            _ => Self::Device,
        }
    }
}
