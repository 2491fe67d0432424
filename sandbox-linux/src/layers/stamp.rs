//! A moment in a file system's own time.
//!
//! # Theory of operation
//! Whether the host changed a file since a session began is read from the file's change time
//! (`ctime`), which the kernel sets at every change and nobody can set back. It is compared with
//! the change time of a file without a name, made in the same folder: so the clock of another file
//! system, or of a server behind it, is never compared with this one.
//!
//! These times advance in steps, up to ten milliseconds on kernels before 6.13 and up to seconds on
//! some file systems. So the reference is changed until its time has advanced once: whatever was
//! changed before lies before the stamp, and whatever is changed later lies at it or after it. A
//! file system whose steps are too long to wait for gets a stamp within a step. What was changed in
//! the part of that step before the stamp then counts as changed after it: a conflict too many, and
//! never one too few.
//!
//! A clock that is set back between the stamp and a change hides the change.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, unlinkat};
use rustix::io::Errno;
use sandbox_core::{Result, SandboxError};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::temporary;

/// How often the reference is changed; the first few of the pauses between are none.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(1);

/// A time of a file, as its file system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

impl Moment {
    pub(super) fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds }
    }
}

/// When a session began, told by the host's folder that it works on a copy of.
///
/// It can be stored, and outlives the process that took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    moment: Moment,
    /// The inode of the folder. Its device may have another number tomorrow.
    folder: u64,
}

impl Stamp {
    /// Takes a stamp of a folder, before anything works on a copy of it. Leaves nothing in it.
    ///
    /// # Errors
    /// The folder cannot be written to, or what else the file system answers.
    pub fn take(folder: impl AsFd) -> Result<Self> {
        Self::new(folder.as_fd()).map_err(SandboxError::io("taking a stamp of the host's folder"))
    }

    fn new(folder: BorrowedFd<'_>) -> io::Result<Self> {
        let number = Entry::opened(folder)?.identity.1;
        let reference = reference(folder)?;
        let first = Entry::opened(&reference)?.changed;
        let mut moment = first;
        for attempt in 0..ATTEMPTS {
            fchmod(&reference, Mode::RUSR | Mode::WUSR)?;
            moment = Entry::opened(&reference)?.changed;
            if moment > first {
                break;
            }
            if attempt > 1 {
                thread::sleep(PAUSE);
            }
        }
        Ok(Self { moment, folder: number })
    }

    /// Whether something may have been changed since.
    pub(super) fn precedes(&self, entry: &Entry) -> bool {
        entry.changed >= self.moment
    }

    /// Whether a folder may have been moved to where it is, or its attributes changed, since.
    ///
    /// A name that is made or removed in a folder sets both its times to the same. Moving the
    /// folder itself sets the one alone, until the next name hides that.
    pub(super) fn precedes_move(&self, folder: &Entry) -> bool {
        self.precedes(folder) && folder.modified != folder.changed
    }

    /// Whether it was taken of this folder.
    pub(super) fn is_of(&self, folder: &Entry) -> bool {
        self.folder == folder.identity.1
    }
}

/// A file without a name in a folder.
fn reference(folder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match openat(folder, c".", flags | OFlags::TMPFILE, mode) {
        // How file systems and kernels say that they do not know such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
        opened => return Ok(opened?),
    }
    let name = temporary::name()?;
    let file = openat(folder, &*name, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
    unlinkat(folder, &*name, AtFlags::empty())?;
    Ok(file)
}
