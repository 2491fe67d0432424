//! What has changed between two trees, for backends that copy folders instead of layering them.
//!
//! Files of the same size and date hold the same; other files of the same size are compared. So a
//! diff against a snapshot reads little but names.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::content;
use super::entry::{Entry, Kind, ROOT, path_of};
use super::failed;
use super::fixed::Fixed;
use super::handles::{Handles, Tree};
use super::scan::{Allowance, Closed, Limits, scan};
use crate::error::Result;
use crate::resolve::open_folder;
use crate::session::{Change, ChangeKind};

/// Compares two folders: what was done to `old` to make it `new`, sorted by path. Times and owners
/// are not compared, set-ID bits, sockets and devices are not seen, and the folders' own modes do
/// not count. A name that has become a folder, or was not there, is followed by what it holds now.
/// What lies at the `spared` paths in both is not compared; see [`Folder`](super::Folder).
///
/// # Errors
/// What cannot be read, by its name; [`SandboxError::InvalidRequest`](crate::SandboxError) for a
/// spared path that is not a path in a folder.
pub fn diff_trees(old: &Path, new: &Path, spared: &[PathBuf]) -> Result<Vec<Change>> {
    let fixed = Fixed::new(spared, &[] as &[PathBuf])?;
    let open = |path: &Path| open_folder(path).map_err(failed("opening", path));
    let (old_dir, new_dir) = (open(old)?, open(new)?);
    let old = Side::open(Tree { dir: &old_dir, path: old }, &fixed)?;
    let new = Side::open(Tree { dir: &new_dir, path: new }, &fixed)?;
    let mut diff = Diff { old, new, changes: Vec::new(), both: vec![(ROOT, ROOT)] };
    while let Some((old, new)) = diff.both.pop() {
        diff.folders(old, new)?;
    }
    diff.changes.sort_unstable();
    Ok(diff.changes)
}

struct Diff<'a> {
    old: Side<'a>,
    new: Side<'a>,
    changes: Vec<Change>,
    /// Folders that are in both and were not compared yet.
    both: Vec<(usize, usize)>,
}

/// One of the two trees.
struct Side<'a> {
    tree: Tree<'a>,
    handles: Handles<'a>,
    entries: Vec<Entry>,
    /// Where the entries of each folder stand.
    inside: Vec<Range<usize>>,
}

impl<'a> Side<'a> {
    fn open(tree: Tree<'a>, fixed: &Fixed) -> Result<Self> {
        let mut unlimited = Allowance::new(Limits::default());
        let entries = scan(tree, fixed, Closed::Refused, &mut unlimited)?.entries;
        let mut inside = vec![0..0; entries.len()];
        for (index, entry) in entries.iter().enumerate().skip(1) {
            let first = match &inside[entry.folder] {
                range if range.start == range.end => index,
                range => range.start,
            };
            inside[entry.folder] = first..index + 1;
        }
        Ok(Self { tree, handles: Handles::new(tree.dir), entries, inside })
    }

    fn name(&self, index: usize) -> &OsStr {
        &self.entries[index].name
    }

    /// Where the content of a file stands, and its size.
    fn file(&self, index: usize) -> Option<(usize, u64)> {
        match self.entries[index].kind {
            Kind::File { size } => Some((index, size)),
            Kind::Twin { of } => self.file(of),
            _ => None,
        }
    }

    fn source(&mut self, index: usize) -> Result<content::Source> {
        let Entry { folder, ref name, .. } = self.entries[index];
        let opened = self.handles.get(&self.entries, folder);
        let opened = opened.and_then(|at| content::open(at, name));
        opened.map_err(self.tree.failed("reading", &self.entries, index))
    }

    fn change(&self, index: usize, kind: ChangeKind) -> Change {
        let size = match kind {
            ChangeKind::Deleted => 0,
            _ => self.file(index).map_or(0, |(_, size)| size),
        };
        let path = path_of(Path::new(""), &self.entries, index);
        Change { path, kind, directory: self.entries[index].is_folder(), size }
    }
}

impl Diff<'_> {
    /// Compares what two folders hold; both are sorted.
    fn folders(&mut self, old: usize, new: usize) -> Result<()> {
        let (mut ours, mut theirs) = (self.old.inside[old].clone(), self.new.inside[new].clone());
        while !ours.is_empty() || !theirs.is_empty() {
            let one = (!ours.is_empty()).then(|| self.old.name(ours.start));
            let other = (!theirs.is_empty()).then(|| self.new.name(theirs.start));
            match (one, other) {
                (Some(one), Some(other)) if one == other => {
                    self.compare(ours.start, theirs.start)?;
                    (ours.start, theirs.start) = (ours.start + 1, theirs.start + 1);
                }
                (Some(one), other) if other.is_none_or(|other| one < other) => {
                    self.changes.push(self.old.change(ours.start, ChangeKind::Deleted));
                    ours.start += 1;
                }
                _ => {
                    self.added(theirs.start, ChangeKind::Added);
                    theirs.start += 1;
                }
            }
        }
        Ok(())
    }

    /// Notes a name that was not there or was something else, and all that it holds.
    fn added(&mut self, index: usize, kind: ChangeKind) {
        self.changes.push(self.new.change(index, kind));
        let mut inner = vec![self.new.inside[index].clone()];
        while let Some(range) = inner.pop() {
            for index in range {
                self.changes.push(self.new.change(index, ChangeKind::Added));
                inner.push(self.new.inside[index].clone());
            }
        }
    }

    fn compare(&mut self, old: usize, new: usize) -> Result<()> {
        let modes = [&self.old.entries[old], &self.new.entries[new]];
        let mode = modes[0].attributes.mode != modes[1].attributes.mode;
        let mode = mode.then_some(ChangeKind::Mode);
        let change = match (&modes[0].kind, &modes[1].kind) {
            (Kind::Folder, Kind::Folder) => {
                self.both.push((old, new));
                mode
            }
            (Kind::Link { target: one }, Kind::Link { target: other }) => {
                (one != other).then_some(ChangeKind::Link)
            }
            (Kind::Pipe, Kind::Pipe) => mode,
            _ => match (self.old.file(old), self.new.file(new)) {
                (Some(one), Some(other)) if self.same(one, other)? => mode,
                (Some(_), Some(_)) => Some(ChangeKind::Changed),
                _ => {
                    self.added(new, ChangeKind::Kind);
                    None
                }
            },
        };
        self.changes.extend(change.map(|kind| self.new.change(new, kind)));
        Ok(())
    }

    /// Whether two files hold the same.
    fn same(&mut self, (old, one): (usize, u64), (new, other): (usize, u64)) -> Result<bool> {
        if one != other {
            return Ok(false);
        }
        let date = |side: &Side<'_>, index: usize| side.entries[index].attributes.modified;
        if date(&self.old, old) == date(&self.new, new) {
            return Ok(true);
        }
        let (old, new) = (self.old.source(old)?, (self.new.source(new)?, new));
        content::same(&old, &new.0).map_err(self.new.tree.failed(
            "comparing",
            &self.new.entries,
            new.1,
        ))
    }
}
