//! Opens what lies in a folder, and nothing that lies elsewhere.
//!
//! # Theory of operation
//! Whoever wrote a layer chose its names, links and modes; whoever works on the host may move things
//! while we look. So every call names one thing, in a folder that is open: there is no path in which
//! a link could lead away. The one name is never followed if it is a link, and, where the kernel has
//! `openat2`, never entered if something is mounted there.
//!
//! A payload may close its folders and files even to their owner. In a layer such a thing is opened
//! (`chmod` through its descriptor) for as long as it is looked at, and closed again afterwards. A
//! kill in between leaves it readable to its owner. A folder of the host is only opened so when it
//! is to be written to.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    Access as Test, AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, accessat, chmod, fchmod, openat,
    openat2,
};
use rustix::io::Errno;

use super::entry::{Entry, Kind};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PLACE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
// Without waiting: a FIFO may have been put in a file's place.
const FILE: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// What a folder is opened for, and so how far it is opened against its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To look at names in it. Nothing is changed for that.
    Look,
    /// To be read, with everything in it.
    Read,
    /// To make and remove names in it.
    Write,
}

impl Access {
    fn flags(self) -> OFlags {
        if self == Self::Look { FOLDER.union(OFlags::PATH) } else { FOLDER }
    }

    fn mode(self) -> Mode {
        match self {
            Self::Look => Mode::empty(),
            Self::Read => Mode::RUSR | Mode::XUSR,
            Self::Write => Mode::RWXU,
        }
    }

    fn test(self) -> Test {
        let read = Test::READ_OK | Test::EXEC_OK;
        if self == Self::Write { read | Test::WRITE_OK } else { read }
    }
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    descriptor: OwnedFd,
    found: Entry,
    /// The mode that it gets back.
    closed: Option<Mode>,
}

impl Folder {
    /// Opens a folder in a folder, or `.` or `..`.
    ///
    /// # Errors
    /// What the kernel answers; `EXDEV` where something is mounted.
    pub(super) fn enter(at: impl AsFd, name: &CStr, access: Access) -> io::Result<Self> {
        let opened = open(at.as_fd(), name, access.flags());
        let refused = matches!(opened, Err(Errno::ACCESS)) && access != Access::Look;
        let descriptor =
            if refused { open(at.as_fd(), name, FOLDER | OFlags::PATH) } else { opened }?;
        let found = Entry::opened(&descriptor)?;
        let mut folder = Self { descriptor, found, closed: None };
        if refused || folder.is_closed(access) {
            folder.open_up(access)?;
        }
        Ok(folder)
    }

    /// Whether the mode keeps us out; that of a folder seldom does.
    fn is_closed(&self, access: Access) -> bool {
        let test = || accessat(self, c".", access.test(), AtFlags::EACCESS);
        !self.found.mode.contains(access.mode()) && test().is_err()
    }

    fn open_up(&mut self, access: Access) -> io::Result<()> {
        set_mode(self.as_fd(), self.found.mode | access.mode())?;
        self.closed = Some(self.found.mode);
        self.descriptor = open(self.as_fd(), c".", access.flags())?;
        Ok(())
    }

    /// What it was when it was opened.
    pub(super) fn found(&self) -> &Entry {
        &self.found
    }

    /// All names in it, in no order.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn names(&self) -> io::Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in Dir::new(open(self.as_fd(), c".", FOLDER)?)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    /// Gives it its last mode, and closes it.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn finish(mut self, mode: Mode) -> io::Result<()> {
        self.closed = None;
        Ok(fchmod(&self.descriptor, mode)?)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mode) = self.closed {
            // A folder that was removed meanwhile needs none.
            let _ = set_mode(self.descriptor.as_fd(), mode);
        }
    }
}

/// Opens a file for reading.
///
/// # Errors
/// What the kernel answers; [`io::ErrorKind::InvalidData`] for what is no file.
pub(super) fn file(at: impl AsFd, name: &CStr, access: Access) -> io::Result<OwnedFd> {
    let opened = match open(at.as_fd(), name, FILE) {
        Err(Errno::ACCESS) if access != Access::Look => closed_file(at.as_fd(), name)?,
        opened => opened?,
    };
    match Entry::opened(&opened)?.kind {
        Kind::File => Ok(opened),
        _ => Err(moved()),
    }
}

/// Opens a file whose mode keeps its owner out.
fn closed_file(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let place = open(at, name, PLACE)?;
    let found = Entry::opened(&place)?;
    if found.kind != Kind::File {
        return Err(moved());
    }
    set_mode(place.as_fd(), found.mode | Mode::RUSR)?;
    let flags = FILE.difference(OFlags::NOFOLLOW);
    let opened = openat(CWD, by_number(place.as_fd()), flags, Mode::empty());
    set_mode(place.as_fd(), found.mode)?;
    Ok(opened?)
}

/// Opens anything without reading it: a place to change its mode at.
///
/// # Errors
/// What the kernel answers.
pub(super) fn place(at: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    Ok(open(at.as_fd(), name, PLACE)?)
}

/// Changes the mode of what any descriptor stands for, also one that cannot be read from.
///
/// # Errors
/// What the kernel answers.
pub(super) fn set_mode(descriptor: BorrowedFd<'_>, mode: Mode) -> io::Result<()> {
    Ok(chmod(by_number(descriptor), mode)?)
}

/// The name of a descriptor, which leads to what it stands for and nowhere else.
fn by_number(descriptor: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// Something was put in the place of what was looked at.
pub(super) fn moved() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it changed while it was looked at")
}

/// Opens one name in a folder.
fn open(at: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut resolve =
        ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if name != c".." {
        resolve |= ResolveFlags::BENEATH;
    }
    match openat2(at, name, flags, Mode::empty(), resolve) {
        // One name that is not followed stays beneath as well; only mounts cannot be told.
        Err(Errno::NOSYS) => openat(at, name, flags, Mode::empty()),
        opened => opened,
    }
}
