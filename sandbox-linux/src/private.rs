//! The private folder of the Landlock tier: what stands in for `/tmp` and the home directory where
//! no mount can.
//!
//! `TMPDIR` and `HOME` name it. The home is empty but for links to what the policy grants below the
//! caller's own home directory, so that toolchains and caches are found under the names that they
//! have there.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sandbox_core::plan::{Content, Plan};
use sandbox_core::{Result, SandboxError};

use crate::jail::Variables;

/// A private folder; removed with whatever the payload left in it.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays; nobody is left to tell.
        let _ = empty(self.path());
    }
}

/// Empties a folder that a payload has filled, when all its processes are gone: folders that are
/// closed to us are opened, and deep ones are taken apart at the top, so that no depth overflows a
/// stack or the length of a path.
fn empty(top: &Path) -> io::Result<()> {
    let mut number = 0u64;
    loop {
        let entries = std::fs::read_dir(top)?.collect::<io::Result<Vec<_>>>()?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            if !entry.file_type()?.is_dir() {
                std::fs::remove_file(entry.path())?;
                continue;
            }
            std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(0o700))?;
            for inner in std::fs::read_dir(entry.path())? {
                let inner = inner?;
                if inner.file_type()?.is_dir() {
                    // A folder can only be moved by who may write it: its `..` changes.
                    std::fs::set_permissions(inner.path(), PermissionsExt::from_mode(0o700))?;
                    number += 1;
                    std::fs::rename(inner.path(), top.join(format!(".removed-{number}")))?;
                } else {
                    std::fs::remove_file(inner.path())?;
                }
            }
            std::fs::remove_dir(entry.path())?;
        }
    }
}

/// Makes the folder and lets the variables name it.
///
/// # Errors
/// What the file system answers.
pub(crate) fn folder(plan: &Plan, environment: &mut Variables) -> Result<Folder> {
    let home = environment.iter().find(|(name, _)| name == "HOME");
    let home = home.map(|(_, value)| PathBuf::from(value));
    let folder =
        make(plan, home.as_deref()).map_err(SandboxError::io("making a private folder"))?;
    for (variable, name) in [("TMPDIR", "tmp"), ("HOME", "home")] {
        environment.retain(|(name, _)| name != variable);
        environment.push((variable.into(), folder.path().join(name).into()));
    }
    environment.sort();
    Ok(folder)
}

fn make(plan: &Plan, home: Option<&Path>) -> io::Result<Folder> {
    // A fixed place: TMPDIR is the caller's, and may be what somebody wants us to believe.
    let folder = Folder(tempfile::Builder::new().prefix("sandbox-").tempdir_in("/tmp")?);
    std::fs::create_dir(folder.path().join("tmp"))?;
    let own = folder.path().join("home");
    std::fs::create_dir(&own)?;
    let Some(home) = home.filter(|home| home.parent().is_some()) else { return Ok(folder) };
    let mut linked: Vec<&Path> = Vec::new();
    for place in plan.places.iter().filter(|place| place.content == Content::Host) {
        let Ok(tail) = place.path.strip_prefix(home) else { continue };
        // A place inside a linked one is reached through it; a link there would be the host's.
        let inside = linked.iter().any(|outer| tail.starts_with(outer));
        if inside || tail.as_os_str() == OsStr::new("") {
            continue;
        }
        linked.push(tail);
        let link = own.join(tail);
        if let Some(parent) = link.parent() {
            std::fs::create_dir_all(parent)?;
        }
        symlink(&place.path, &link)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_and_deep_tree_is_removed() -> io::Result<()> {
        let top = tempfile::tempdir()?;
        let mut inside =
            rustix::fs::open(top.path(), rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())?;
        for _ in 0..5000 {
            rustix::fs::mkdirat(&inside, "deep", rustix::fs::Mode::RWXU)?;
            let flags = rustix::fs::OFlags::PATH;
            inside = rustix::fs::openat(&inside, "deep", flags, rustix::fs::Mode::empty())?;
        }
        let closed = top.path().join("closed");
        std::fs::create_dir(&closed)?;
        std::fs::write(closed.join("file"), "x")?;
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000))?;
        empty(top.path())?;
        assert_eq!(std::fs::read_dir(top.path())?.count(), 0);
        Ok(())
    }
}
