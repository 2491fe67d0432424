//! One look at a tree: what is there now, and what of it tells one state from another.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt, MetadataExt};
use cap_std::fs::{Dir, Metadata};

use super::FileChange;
use crate::path::SandboxPath;
use crate::session::files::stat::Stat;
use crate::session::files::system;

/// The most names that are watched.
const NAMES: usize = 10_000;

/// The most folders on the way down to one of them.
const DEPTH: usize = 64;

/// What is watched.
#[derive(Debug)]
pub(super) enum Watched {
    /// A folder, whatever it is called.
    Folder(Dir),
    /// A name in a folder, whatever it is.
    Name(Dir, PathBuf),
}

/// What was there at one moment. A watched file has the empty name.
#[derive(Debug, Default)]
pub(super) struct Look {
    found: BTreeMap<PathBuf, Mark>,
    /// Whether some of it was left out.
    pub(super) incomplete: bool,
    /// Whether the watched folder was removed, which it will stay.
    pub(super) gone: bool,
}

/// What differs when a file does.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    file: (u64, u64),
    stat: Stat,
    changed: (i64, i64),
}

impl Mark {
    fn of(metadata: &Metadata) -> Self {
        let mut mark = Self {
            file: (metadata.dev(), metadata.ino()),
            stat: Stat::of(metadata),
            changed: system::changed(metadata),
        };
        if metadata.is_dir() {
            // Whatever comes or goes in a folder is told of itself.
            (mark.stat.size, mark.stat.modified, mark.changed) = (0, None, (0, 0));
        }
        mark
    }
}

impl Watched {
    pub(super) fn look(&self) -> io::Result<Look> {
        let mut look = Look::default();
        match self {
            Self::Folder(root) => {
                look.folders(root)?;
                look.gone = root.dir_metadata()?.nlink() == 0;
            }
            Self::Name(folder, name) => match folder.symlink_metadata(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => look.add(PathBuf::new(), &found?),
            },
        }
        Ok(look)
    }
}

impl Look {
    /// Looks at the folders near the top first, so that what is left out lies deep.
    fn folders(&mut self, root: &Dir) -> io::Result<()> {
        let mut folders = VecDeque::from([PathBuf::new()]);
        while let Some(path) = folders.pop_front() {
            match self.folder(root, &path, &mut folders) {
                // It has gone, or closed, or become something else since: so nothing is in it.
                Err(_) if !path.as_os_str().is_empty() => {}
                looked => looked?,
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        root: &Dir,
        path: &Path,
        folders: &mut VecDeque<PathBuf>,
    ) -> io::Result<()> {
        let folder = open(root, path)?;
        for entry in folder.entries()? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if self.found.len() == NAMES {
                self.incomplete = true;
                break;
            }
            let path = path.join(entry.file_name());
            if metadata.is_dir() {
                if path.components().count() < DEPTH {
                    folders.push_back(path.clone());
                } else {
                    self.incomplete = true;
                }
            }
            self.add(path, &metadata);
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) {
        self.found.insert(path, Mark::of(metadata));
    }

    /// This look, remembering what was said before.
    pub(super) fn after(self, before: &Self) -> Self {
        Self { incomplete: self.incomplete || before.incomplete, ..self }
    }

    /// What differs from the look before: what went first, then what came or changed.
    pub(super) fn differences<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a Path, fn(SandboxPath) -> FileChange)> {
        let gone = before.found.keys().filter(|path| !self.found.contains_key(*path));
        let gone = gone.map(|path| (&**path, FileChange::Removed as fn(_) -> _));
        let new = self.found.iter().filter_map(|(path, mark)| {
            let change: fn(_) -> _ = match before.found.get(path) {
                None => FileChange::Added,
                Some(old) if old == mark => return None,
                Some(_) => FileChange::Changed,
            };
            Some((&**path, change))
        });
        gone.chain(new)
    }
}

/// Opens a folder below another without following a link.
fn open(root: &Dir, path: &Path) -> io::Result<Dir> {
    path.components().try_fold(root.try_clone()?, |folder, name| folder.open_dir_nofollow(name))
}
