//! A git worktree keeps its objects and references elsewhere: in the common directory of the
//! repository that it belongs to.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A pointer file is one line with one path.
const POINTER_LIMIT: u64 = 8 << 10;

/// The parts of a common directory that make the host run commands, now or later.
pub(super) const ACTIVE: &[&str] = &["hooks", "config"];

/// The common directory of a git worktree.
///
/// # Security
/// The `.git` file of a worktree lies in the workspace, where an earlier command could have written
/// it. It is believed only if the directory that it names points back at this workspace from
/// outside of it, as git's own worktrees do: a command cannot have written that file.
pub(super) fn common_directory(workspace: &Path) -> Option<PathBuf> {
    let pointer = workspace.join(".git");
    if !fs::symlink_metadata(&pointer).ok()?.is_file() {
        return None;
    }
    let text = read_pointer(&pointer)?;
    let gitdir = workspace.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let inside = workspace.canonicalize().ok()?;
    let back = read_pointer(&gitdir.join("gitdir"))?;
    let points_back = Path::new(back.trim()).canonicalize().ok()? == inside.join(".git");
    let worktrees = gitdir.parent()?;
    let common = worktrees.parent()?;
    let looks_right = worktrees.file_name() == Some(OsStr::new("worktrees"))
        && ["HEAD", "objects", "refs"].iter().all(|name| common.join(name).exists());
    let outside = !common.starts_with(&inside) && common.parent().is_some();
    (points_back && looks_right && outside).then(|| common.to_path_buf())
}

fn read_pointer(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(POINTER_LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}
