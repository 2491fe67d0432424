//! Whether the host changed what the session changed.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sandbox_core::Result;
use sandbox_core::session::{ChangeKind, Conflict};

use crate::layers::beneath::{Access, Folder};
use crate::layers::compare::Difference;
use crate::layers::cursor::Cursor;
use crate::layers::entry::{Entry, Kind};
use crate::layers::walk::{Event, Walk};
use crate::layers::{Stack, Stamp, at, temporary};

const CHANGED: &str = "it was made or changed";
const REMOVED: &str = "the folder was removed";
const REPLACED: &str = "it is another folder";
const MOVED: &str = "the folder was moved here, or its attributes changed";

/// All that would be written, and all that speaks against it.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Sorted by path.
    pub(super) differences: Vec<Difference>,
    /// Sorted by path.
    pub(super) conflicts: Vec<Conflict>,
}

/// Looks at everything. Takes away what an earlier attempt has left.
///
/// # Errors
/// What the walk meets.
pub(super) fn check(stack: &Stack, since: &Stamp) -> Result<Checked> {
    let mut all = Checked::default();
    let mut moved = Vec::new();
    let source = Entry::opened(stack.source()).map_err(at("opening", Path::new("")))?;
    if !since.is_of(&source) {
        all.conflict(Path::new(""), ChangeKind::Changed, REPLACED);
        return Ok(all);
    }
    let mut walk = Walk::new(stack)?;
    while let Some(event) = walk.next()? {
        match event {
            Event::Entered => {
                let Some(folder) = walk.host_folder() else { continue };
                if since.precedes_move(folder.found()) {
                    moved.push(walk.path().to_path_buf());
                }
                temporary::clean(folder);
            }
            Event::Found(difference) if is_applied(&difference) => {
                all.look(since, walk.host_folder(), &difference)?;
                all.differences.push(difference);
            }
            Event::Found(_) => {}
        }
    }
    all.look_around(&moved);
    all.conflicts.sort();
    all.conflicts.dedup_by(|later, first| later.path == first.path);
    Ok(all)
}

/// Sockets mean nothing without the process that made them.
fn is_applied(difference: &Difference) -> bool {
    let is_socket = matches!(&difference.ours, Some((_, entry)) if entry.kind == Kind::Socket);
    !is_socket && !temporary::is_in(&difference.path)
}

impl Checked {
    fn conflict(&mut self, path: &Path, ours: ChangeKind, theirs: &str) {
        self.conflicts.push(Conflict { path: path.to_path_buf(), ours, theirs: theirs.into() });
    }

    /// Looks at one difference; `around` is the host's folder that it lies in.
    fn look(&mut self, since: &Stamp, around: Option<&Folder>, found: &Difference) -> Result<()> {
        let (path, ours) = (found.path.as_path(), found.kind);
        let known = self.conflicts.last().is_some_and(|last| path.starts_with(&last.path));
        if found.removed && !known {
            self.conflict(path, ours, REMOVED);
        }
        if found.theirs.as_ref().is_some_and(|theirs| since.precedes(theirs)) {
            self.conflict(path, ours, CHANGED);
        }
        let (Some(around), true) = (around, found.removes_folder()) else { return Ok(()) };
        for (path, theirs) in below(since, around, path).map_err(at("reading", path))? {
            self.conflict(&path, ours, &theirs);
        }
        Ok(())
    }

    /// Looks at folders that may have been moved, if something is to be written in them.
    fn look_around(&mut self, moved: &[PathBuf]) {
        for path in moved.iter().filter(|path| path.as_os_str() != OsStr::new("")) {
            let next = self.differences.partition_point(|other| other.path <= *path);
            let inside = self.differences.get(next).filter(|other| other.path.starts_with(path));
            if let Some(kind) = inside.map(|other| other.kind) {
                self.conflict(path, kind, MOVED);
            }
        }
    }
}

impl Difference {
    /// Whether the host loses a folder by it, with all that is in it.
    pub(super) fn removes_folder(&self) -> bool {
        let folder = |entry: &Entry| entry.is_folder();
        self.theirs.as_ref().is_some_and(folder)
            && !self.ours.as_ref().is_some_and(|(_, entry)| folder(entry))
    }

    /// Its own name.
    ///
    /// # Errors
    /// Never: no name of a file holds a zero.
    pub(super) fn name(&self) -> io::Result<CString> {
        let name = self.path.file_name().unwrap_or_default();
        Ok(CString::new(name.as_bytes())?)
    }
}

/// What the host changed in a folder, whose parent is `around`, at any depth.
///
/// # Errors
/// What the kernel answers; what cannot be looked into is told as a change.
pub(super) fn below(
    since: &Stamp,
    around: &Folder,
    path: &Path,
) -> io::Result<Vec<(PathBuf, String)>> {
    let name = CString::new(path.file_name().unwrap_or_default().as_bytes())?;
    let (mut cursor, mut path) = match Cursor::new(around, &name, Access::Look) {
        Ok(cursor) => (cursor, path.to_path_buf()),
        Err(error) => return Ok(vec![(path.to_path_buf(), closed(&error))]),
    };
    let mut changed = Vec::new();
    let mut lists = vec![names(&cursor, &path, &mut changed)];
    while let Some(list) = lists.last_mut() {
        let Some(name) = list.pop() else {
            lists.pop();
            path.pop();
            cursor.up()?;
            continue;
        };
        let Some(entry) = Entry::look(cursor.here(), &name)? else { continue };
        if since.precedes(&entry) {
            changed.push((path.join(text(&name)), CHANGED.into()));
        }
        if entry.is_folder() {
            match cursor.down(&name) {
                Ok(()) => {
                    path.push(text(&name));
                    lists.push(names(&cursor, &path, &mut changed));
                }
                Err(error) => changed.push((path.join(text(&name)), closed(&error))),
            }
        }
    }
    Ok(changed)
}

fn names(cursor: &Cursor, path: &Path, changed: &mut Vec<(PathBuf, String)>) -> Vec<CString> {
    cursor.here().names().unwrap_or_else(|error| {
        changed.push((path.to_path_buf(), closed(&error)));
        Vec::new()
    })
}

fn closed(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::CrossesDevices => "something is mounted there".into(),
        _ => format!("it cannot be looked into: {error}"),
    }
}

fn text(name: &CStr) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}
