//! A file system that tests make up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Kind, Lookup};

/// Paths and what they are. Parents are directories without being named.
#[derive(Default)]
pub(crate) struct Forged {
    entries: BTreeMap<PathBuf, Entry>,
}

enum Entry {
    Directory,
    File,
    Link(PathBuf),
    /// A directory whose names cannot be looked up.
    Closed,
}

impl Forged {
    /// Writes `/dir/`, `/file`, `/link -> target` or `/closed!`, one each.
    pub(crate) fn new(lines: &[&str]) -> Self {
        let mut forged = Self::default();
        for line in lines {
            forged.add(line);
        }
        forged
    }

    pub(crate) fn add(&mut self, line: &str) {
        let (path, entry) = match line.split_once(" -> ") {
            Some((path, target)) => (path, Entry::Link(target.into())),
            None => match (line.strip_suffix('/'), line.strip_suffix('!')) {
                (Some(path), _) => (path, Entry::Directory),
                (_, Some(path)) => (path, Entry::Closed),
                _ => (line, Entry::File),
            },
        };
        for parent in Path::new(path).ancestors().skip(1) {
            self.entries.entry(parent.to_path_buf()).or_insert(Entry::Directory);
        }
        self.entries.insert(path.into(), entry);
    }
}

impl Lookup for Forged {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let parent = path.parent().map(|parent| self.entries.get(parent));
        match parent {
            Some(Some(Entry::Closed)) => return Err(io::ErrorKind::PermissionDenied.into()),
            Some(Some(Entry::File)) => return Err(io::ErrorKind::NotADirectory.into()),
            _ => {}
        }
        match self.entries.get(path) {
            Some(Entry::Directory | Entry::Closed) => Ok(Kind::Directory),
            Some(Entry::File) => Ok(Kind::File),
            Some(Entry::Link(_)) => Ok(Kind::Link),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        match self.entries.get(path) {
            Some(Entry::Link(target)) => Ok(target.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}
