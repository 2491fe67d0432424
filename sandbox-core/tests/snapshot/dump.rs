//! A folder as text, to be compared with what it was.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Each path with what is there, what it holds, its mode and date; the folder itself has the empty
/// path. Second names of a file are told from copies.
pub(crate) fn dump(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut lines = BTreeMap::new();
    let mut files: BTreeMap<_, Vec<PathBuf>> = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let full = root.join(&path);
        let found = fs::symlink_metadata(&full).expect("what was listed is there");
        let what = if found.is_dir() {
            let names = fs::read_dir(&full).expect("folders can be listed");
            pending.extend(names.map(|entry| path.join(entry.expect("a name").file_name())));
            "folder".to_owned()
        } else if found.is_symlink() {
            format!("link to {:?}", fs::read_link(&full).expect("a link"))
        } else if found.is_file() {
            files.entry(found.ino()).or_default().push(path.clone());
            content(&full)
        } else {
            format!("{:?}", found.file_type().is_fifo())
        };
        let mode = if found.is_symlink() { 0 } else { found.mode() & 0o7777 };
        let date = (found.mtime(), found.mtime_nsec());
        let owner = (found.uid(), found.gid());
        lines.insert(path, format!("{what} {mode:o} {date:?} {owner:?}"));
    }
    for mut names in files.into_values().filter(|names| names.len() > 1) {
        names.sort();
        for name in &names {
            lines.entry(name.clone()).and_modify(|line| *line += &format!(" one of {names:?}"));
        }
    }
    lines
}

fn content(path: &Path) -> String {
    let bytes = fs::read(path).expect("files can be read");
    if bytes.len() < 100 {
        return format!("{:?}", String::from_utf8_lossy(&bytes));
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{} bytes {:x}", bytes.len(), hasher.finish())
}
