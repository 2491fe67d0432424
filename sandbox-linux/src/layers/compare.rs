//! How one path differs from the host's.

use std::ffi::CStr;
use std::io;
use std::path::PathBuf;

use rustix::fs::readlinkat;
use sandbox_core::session::{Change, ChangeKind};

use super::beneath::{self, Access, Folder};
use super::content;
use super::entry::{Entry, Kind};

/// A path that differs, with what stands at it.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) path: PathBuf,
    pub(super) kind: ChangeKind,
    /// What the session sees, and the number of the layer that it is in.
    pub(super) ours: Option<(usize, Entry)>,
    /// What the host has.
    pub(super) theirs: Option<Entry>,
    /// Whether it is a folder that the session has as a copy, and the host no longer.
    pub(super) removed: bool,
}

impl Difference {
    /// As the world outside is told.
    pub(super) fn change(&self) -> Change {
        let seen = self.ours.as_ref().map(|(_, entry)| entry);
        let shown = seen.or(self.theirs.as_ref());
        let size = seen.filter(|entry| entry.kind == Kind::File).map_or(0, |entry| entry.size);
        Change {
            path: self.path.clone(),
            kind: self.kind,
            directory: shown.is_some_and(Entry::is_folder),
            size,
        }
    }
}

/// One thing, and the folder that it lies in.
#[derive(Clone, Copy)]
pub(super) struct Thing<'a> {
    pub(super) folder: &'a Folder,
    pub(super) entry: &'a Entry,
}

/// What a session's thing at a name is, measured by the host's; none if it is no different.
///
/// # Errors
/// What the kernel answers about the session's; the host's counts as different where it cannot be
/// read.
pub(super) fn kind(
    name: &CStr,
    ours: Option<Thing<'_>>,
    theirs: Option<Thing<'_>>,
) -> io::Result<Option<ChangeKind>> {
    let (ours, theirs) = match (ours, theirs) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Ok(Some(ChangeKind::Deleted)),
        (Some(_), None) => return Ok(Some(ChangeKind::Added)),
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    if ours.entry.kind != theirs.entry.kind {
        return Ok(Some(ChangeKind::Kind));
    }
    let mode = (ours.entry.mode != theirs.entry.mode).then_some(ChangeKind::Mode);
    Ok(match ours.entry.kind {
        Kind::File if !same_content(name, ours, theirs)? => Some(ChangeKind::Changed),
        Kind::Link if target(ours, name)? != target(theirs, name)? => Some(ChangeKind::Link),
        Kind::Link => None,
        _ => mode,
    })
}

fn same_content(name: &CStr, ours: Thing<'_>, theirs: Thing<'_>) -> io::Result<bool> {
    if ours.entry.size != theirs.entry.size {
        return Ok(false);
    }
    let Ok(theirs) = beneath::file(theirs.folder, name, Access::Look) else { return Ok(false) };
    let own = beneath::file(ours.folder, name, Access::Read)?;
    content::same(&own, &theirs, ours.entry.size)
}

fn target(link: Thing<'_>, name: &CStr) -> io::Result<Vec<u8>> {
    Ok(readlinkat(link.folder, name, Vec::new())?.into_bytes())
}
