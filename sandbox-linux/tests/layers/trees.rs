//! An independent reading: whole trees, read by their paths, and how two of them differ.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sandbox_core::session::{Change, ChangeKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Folder,
    /// With its content; none if it cannot be read.
    File(Option<Vec<u8>>),
    Link(PathBuf),
    Fifo,
    Socket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) thing: Thing,
    pub(crate) mode: u32,
    size: u64,
}

/// Everything below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<PathBuf, Node>);

impl Tree {
    pub(crate) fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(root, Path::new(""));
        tree
    }

    fn add(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(root.join(folder)).expect("a list") {
            let path = folder.join(entry.expect("a name").file_name());
            let node = Node::read(&root.join(&path));
            let is_folder = node.thing == Thing::Folder;
            self.0.insert(path.clone(), node);
            if is_folder {
                self.add(root, &path);
            }
        }
    }

    /// How another tree differs from this one.
    pub(crate) fn changes(&self, other: &Self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for (path, node) in &other.0 {
            if let Some(kind) = self.0.get(path).map_or(Some(ChangeKind::Added), |it| it.kind(node))
            {
                changes.push(node.change(path, kind));
            }
        }
        for (path, node) in &self.0 {
            let around = path.parent().expect("a parent");
            let around = around == Path::new("") || other.is_folder(around);
            if !other.0.contains_key(path) && around {
                let change = node.change(path, ChangeKind::Deleted);
                changes.push(Change { size: 0, ..change });
            }
        }
        changes.sort();
        changes
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.0.get(path).is_some_and(|node| node.thing == Thing::Folder)
    }
}

impl Node {
    fn read(path: &Path) -> Self {
        let found = fs::symlink_metadata(path).expect("something");
        let kind = found.file_type();
        let thing = if kind.is_dir() {
            Thing::Folder
        } else if kind.is_symlink() {
            Thing::Link(fs::read_link(path).expect("a link"))
        } else if kind.is_fifo() {
            Thing::Fifo
        } else if kind.is_socket() {
            Thing::Socket
        } else {
            Thing::File(fs::read(path).ok())
        };
        let is_file = matches!(thing, Thing::File(_));
        Self { thing, mode: found.mode() & 0o7777, size: if is_file { found.size() } else { 0 } }
    }

    fn change(&self, path: &Path, kind: ChangeKind) -> Change {
        let directory = self.thing == Thing::Folder;
        Change { path: path.to_path_buf(), kind, directory, size: self.size }
    }

    /// What it is that `other` has come to.
    fn kind(&self, other: &Self) -> Option<ChangeKind> {
        match (&self.thing, &other.thing) {
            (Thing::File(before), Thing::File(after)) if before != after => {
                Some(ChangeKind::Changed)
            }
            (Thing::Link(before), Thing::Link(after)) => {
                (before != after).then_some(ChangeKind::Link)
            }
            (before, after) if std::mem::discriminant(before) != std::mem::discriminant(after) => {
                Some(ChangeKind::Kind)
            }
            _ => (self.mode != other.mode).then_some(ChangeKind::Mode),
        }
    }
}
