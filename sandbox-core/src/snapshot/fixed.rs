//! What stays the same file or folder in a folder that is restored, because a mount hangs on it.
//!
//! A mount hangs on an inode, not on a name. A folder that is moved away takes along what is mounted
//! in it, and what is put in its place is bare. So the names on the way to such a place are never
//! moved: they form a tree, whose leaves are left alone or are folders, and each folder in it is a
//! *level*, in which all other names are exchanged.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};

use super::Folder;
use crate::error::{Result, SandboxError};
use crate::path::quoted;

/// A name that stays what it is, and the names in it that do.
#[derive(Debug, Default)]
pub(super) struct Fixed {
    /// Whether what it holds is nobody's business here. Then it has no names in it.
    spared: bool,
    inside: BTreeMap<OsString, Fixed>,
}

impl Fixed {
    /// What a folder says of itself.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`] for a path that does not lie in the folder.
    pub(super) fn of(folder: &Folder<'_>) -> Result<Self> {
        Self::new(folder.spared, folder.fixed)
    }

    pub(super) fn new(spared: &[impl AsRef<Path>], fixed: &[impl AsRef<Path>]) -> Result<Self> {
        let mut all = Self::default();
        for path in fixed {
            all.add(path.as_ref(), false)?;
        }
        for path in spared {
            all.add(path.as_ref(), true)?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path, spared: bool) -> Result<()> {
        let plain = |it: Component<'_>| matches!(it, Component::Normal(_));
        if path.as_os_str().is_empty() || !path.components().all(plain) {
            let message = format!("{} does not lie in a folder to be saved", quoted(path));
            return Err(SandboxError::InvalidRequest(message));
        }
        let mut at = self;
        for name in path {
            if at.spared {
                return Ok(());
            }
            at = at.inside.entry(name.to_owned()).or_default();
        }
        if spared {
            *at = Self { spared, inside: BTreeMap::new() };
        }
        Ok(())
    }

    /// What is said of a name in this one.
    pub(super) fn get(&self, name: &OsStr) -> Option<&Self> {
        self.inside.get(name)
    }

    /// The names in this one that stay what they are.
    pub(super) fn names(&self) -> impl Iterator<Item = (&OsString, &Self)> {
        self.inside.iter()
    }

    /// Whether it is left alone with all that it holds.
    pub(super) fn is_spared(&self) -> bool {
        self.spared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_alone_is_left_alone_with_all_in_it() {
        let fixed = Fixed::new(&["a/b", "c/d/e", "f"], &["a", "a/b/c", "c/d", "f/g"]);
        let fixed = fixed.expect("paths in a folder");
        let lists = |fixed: &Fixed| -> Vec<(String, bool)> {
            let names = fixed.names();
            names.map(|(name, it)| (name.display().to_string(), it.is_spared())).collect()
        };
        assert_eq!(lists(&fixed), [("a".into(), false), ("c".into(), false), ("f".into(), true)]);
        let inner = |name: &str| fixed.get(name.as_ref()).expect("it is said");
        assert_eq!(lists(inner("a")), [("b".into(), true)]);
        assert_eq!(lists(inner("c")), [("d".into(), false)]);
        assert_eq!(lists(inner("f")), []);
    }

    #[test]
    fn a_path_lies_in_the_folder() {
        for bad in ["", "/", "/a", "..", "a/../..", "."] {
            let refused = Fixed::new(&[bad], &[""; 0]);
            assert!(matches!(refused, Err(SandboxError::InvalidRequest(_))), "{bad:?}");
        }
    }
}
