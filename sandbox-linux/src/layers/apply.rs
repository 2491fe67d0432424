//! Brings what a session changed to the host's folder.
//!
//! # Theory of operation
//! First a complete pass that only looks ([`check`]): what differs, and whether the host changed the
//! same thing since the session began. If it did anywhere, nothing is written. Then a pass that
//! writes ([`write`]), which looks at each thing once more, right before it is replaced.
//!
//! Whatever appears on the host appears whole, by one `rename`: a file, a link, a folder with all
//! that is new in it. Until then it has a temporary name in the folder that it belongs to. What is
//! removed as a folder first gets such a name as well. So a kill at any moment leaves temporary
//! names at most, and, where a folder of the host is closed to its owner, this folder open to him.
//! The next `apply` of the same layers takes these names away. Nothing is flushed to the disk: a
//! machine that crashes may lose what was written, as with any other write.
//!
//! Everything new is written before anything is removed, so a disk that is full costs nothing.

mod check;
mod copy;
mod make;
mod write;

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use sandbox_core::session::Applied;
use sandbox_core::{Result, SandboxError};

use super::{Stack, Stamp};

/// What `apply` may do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {}

/// Writes what the session changed to the host's folder, or tells of the conflicts and writes
/// nothing.
///
/// A path conflicts if the host may have changed it at the stamp or after it. Of a folder that the
/// session removed, or replaced by something else, this holds for everything in it. A folder that
/// the host changed itself (not what is in it) conflicts with a change of its mode; one that the
/// host removed, replaced or moved conflicts with all changes in it. What the session never changed
/// may have changed in any way. That the host removed a file which the session changed is no
/// conflict: it is written again.
///
/// After this has written, the next changes should be measured by a new [`Stamp`]: against the old
/// one, what was written counts as changed by the host.
///
/// What is written differs from what the session saw in these points:
/// * setuid and setgid bits are never set; a folder that is made in a setgid folder inherits that;
/// * written by root, everything gets the owner and group of the folder that it lies in;
/// * several names of one file become files of their own, also where the host had one;
/// * sockets are left out, and so are names of the form of the temporary ones;
/// * attributes are copied if their names begin with `user.`, but never those of overlayfs; access
///   lists are not copied;
/// * of times, those of the last change of a file's content and of a link are kept.
///
/// Only one `apply` writes to a folder at a time: it holds a lock (`flock`) on it. Whoever can read
/// the folder can take the same lock and so keep it from starting.
///
/// # Errors
/// The path at which something failed, and why. What was already written stays; each thing is
/// there as a whole or not at all, and the same call can be made again. So it is if the host
/// changes something in the moment before it is replaced.
pub fn apply(stack: &Stack, since: &Stamp, _options: &Options) -> Result<Applied> {
    let _lock = Lock::take(stack).map_err(SandboxError::io("locking the host's folder"))?;
    let checked = check::check(stack, since)?;
    if !checked.conflicts.is_empty() {
        return Ok(Applied { conflicts: checked.conflicts, ..Applied::default() });
    }
    let changes = write::write(stack, since, &checked.differences)?;
    Ok(Applied { changes, ..Applied::default() })
}

/// Keeps others from applying to the same folder.
struct Lock(OwnedFd);

impl Lock {
    fn take(stack: &Stack) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(stack.source(), c".", flags, Mode::empty())?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(io::ErrorKind::ResourceBusy.into()),
            // There are file systems without locks.
            _ => Ok(Self(folder)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread has just forked has the descriptor,
        // too, until it executes something.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}
