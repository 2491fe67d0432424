//! Makes one thing on the host as it is in a layer, and brings it to its name.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
    chownat, fchmod, futimens, mknodat, openat, readlinkat, renameat, renameat_with, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::copy;
use crate::layers::beneath::{self, Access, Folder};
use crate::layers::entry::{Entry, Kind};
use crate::layers::{removal, temporary};

/// The bits of a mode that a session can give.
pub(super) const GIVEN: Mode = Mode::from_raw_mode(0o1777);
/// Those that make a program run as somebody else.
pub(super) const PRIVILEGED: Mode = Mode::SUID.union(Mode::SGID);

const OWNER_ONLY: Mode = Mode::RUSR.union(Mode::WUSR);

/// Where something is made.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) folder: &'a Folder,
    pub(super) name: &'a CStr,
    /// Whose it becomes, if not ours.
    pub(super) owner: Option<(u32, u32)>,
}

/// Makes what is no folder. A failure leaves nothing.
///
/// # Errors
/// What the kernel answers.
pub(super) fn thing(from: &Folder, name: &CStr, ours: &Entry, to: Target<'_>) -> io::Result<()> {
    let made = match ours.kind {
        Kind::File => file(from, name, ours, to),
        Kind::Link => link(from, name, ours, to),
        Kind::Fifo => fifo(ours, to),
        _ => Err(beneath::moved()),
    };
    if made.is_err() {
        // The first error counts, and a name that stays is taken away later.
        let _ = unlinkat(to.folder, to.name, AtFlags::empty());
    }
    made
}

fn file(from: &Folder, name: &CStr, ours: &Entry, to: Target<'_>) -> io::Result<()> {
    let source = beneath::file(from, name, Access::Read)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(to.folder, to.name, flags, OWNER_ONLY)?;
    copy::content(&source, &file)?;
    copy::attributes(&source, &file)?;
    give(file.as_fd(), to.owner)?;
    fchmod(&file, ours.mode & GIVEN)?;
    Ok(futimens(&file, &times(ours))?)
}

fn link(from: &Folder, name: &CStr, ours: &Entry, to: Target<'_>) -> io::Result<()> {
    let target = readlinkat(from, name, Vec::new())?;
    symlinkat(&*target, to.folder, to.name)?;
    let made = made(ours, to)?;
    give(made.as_fd(), to.owner)?;
    // Before Linux 5.8 there is no way to say it of a descriptor, and a link's time means little.
    let _ = utimensat(&made, c"", &times(ours), AtFlags::EMPTY_PATH);
    Ok(())
}

fn fifo(ours: &Entry, to: Target<'_>) -> io::Result<()> {
    mknodat(to.folder, to.name, FileType::Fifo, OWNER_ONLY, 0)?;
    let made = made(ours, to)?;
    give(made.as_fd(), to.owner)?;
    beneath::set_mode(made.as_fd(), ours.mode & GIVEN)
}

/// Opens what was just made. Whoever can write to the folder may have put something else there,
/// which is not to be given to him.
fn made(ours: &Entry, to: Target<'_>) -> io::Result<OwnedFd> {
    let place = beneath::place(to.folder, to.name)?;
    let found = Entry::opened(&place)?;
    let is_ours = found.kind == ours.kind && found.owner.0 == geteuid().as_raw();
    if is_ours { Ok(place) } else { Err(changed()) }
}

/// Gives away what any descriptor stands for.
///
/// # Errors
/// What the kernel answers.
pub(super) fn give(made: BorrowedFd<'_>, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((user, group)) = owner else { return Ok(()) };
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    Ok(chownat(made, c"", Some(user), Some(group), AtFlags::EMPTY_PATH)?)
}

fn times(ours: &Entry) -> Timestamps {
    let changed =
        Timespec { tv_sec: ours.modified.seconds, tv_nsec: ours.modified.nanoseconds.into() };
    let kept = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: kept, last_modification: changed }
}

/// Moves what is finished to its name, over what was there, which is removed.
///
/// # Errors
/// What the kernel answers; that something else is there now.
pub(super) fn install(
    folder: &Folder,
    temporary: &CStr,
    name: &CStr,
    theirs: Option<&Entry>,
) -> io::Result<()> {
    let Some(theirs) = theirs else { return move_free(folder, temporary, name) };
    let now = Entry::look(folder, name)?;
    if !now.is_some_and(|now| theirs.is_still(&now)) {
        return Err(changed());
    }
    let ours_is_folder = Entry::look(folder, temporary)?.is_some_and(|entry| entry.is_folder());
    if theirs.is_folder() || ours_is_folder {
        exchange(folder, temporary, name)
    } else {
        Ok(renameat(folder, temporary, folder, name)?)
    }
}

/// Moves to a name that nothing has.
fn move_free(folder: &Folder, from: &CStr, to: &CStr) -> io::Result<()> {
    match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => Err(changed()),
        // Some file systems do not know how.
        Err(Errno::INVAL | Errno::NOSYS) => match Entry::look(folder, to)? {
            Some(_) => Err(changed()),
            None => Ok(renameat(folder, from, folder, to)?),
        },
        moved => Ok(moved?),
    }
}

/// Puts one thing in the place of another, which is removed: a folder cannot be moved over a file,
/// nor a file over a folder.
fn exchange(folder: &Folder, temporary: &CStr, name: &CStr) -> io::Result<()> {
    match renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            remove(folder, name)?;
            move_free(folder, temporary, name)
        }
        exchanged => {
            exchanged?;
            removal::remove(folder, temporary)
        }
    }
}

/// Removes a folder, or anything else, from sight at once.
///
/// # Errors
/// What the kernel answers.
pub(super) fn remove(folder: &Folder, name: &CStr) -> io::Result<()> {
    let temporary = temporary::name()?;
    renameat(folder, name, folder, &*temporary)?;
    removal::remove(folder, &temporary)
}

/// The host was faster.
pub(super) fn changed() -> io::Error {
    io::Error::other("it changed on the host while the session was applied")
}
