//! Opens folders by resolved paths: no name on the way may be a link.
//!
//! A path was resolved once, and whoever can write a folder on the way may have put a link there
//! since. Linux looks a whole path up without following any (`openat2`, Linux 5.6); elsewhere, and
//! where a filter hides that call, each name is opened in the folder before it.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path};

use cap_fs_ext::DirExt as _;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::sys;

/// Opens a folder by an absolute path, on which nothing is a link.
///
/// # Errors
/// What the file system answers, and an error for a link, in whatever place.
pub fn open_folder(path: &Path) -> io::Result<Dir> {
    open(path, Use::Listing)
}

/// Opens the folder that something lies in, with its name there. Names can be looked up in it,
/// whatever else its mode forbids.
pub(crate) fn open_around(path: &Path) -> io::Result<(Dir, &OsStr)> {
    let (Some(around), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it lies in no folder"));
    };
    Ok((open(around, Use::Names)?, name))
}

/// What a folder is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Everything in it.
    Listing,
    /// Looking up names. Elsewhere than on Linux that takes the right to list it too.
    Names,
}

fn open(path: &Path, how: Use) -> io::Result<Dir> {
    check(path)?;
    sys::open_whole(path, how).unwrap_or_else(|| walk(path))
}

/// Refuses what is no whole path.
fn check(path: &Path) -> io::Result<()> {
    let plain = |it: Component<'_>| !matches!(it, Component::ParentDir | Component::CurDir);
    if path.is_absolute() && path.components().all(plain) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not the whole path of a folder"))
}

/// Opens name after name.
fn walk(path: &Path) -> io::Result<Dir> {
    let top = path.ancestors().last().unwrap_or(path);
    let mut folder = Dir::open_ambient_dir(top, ambient_authority())?;
    for name in path.components().filter(|it| matches!(it, Component::Normal(_))) {
        let name = name.as_os_str();
        if folder.symlink_metadata(name)?.is_symlink() {
            return Err(link());
        }
        // One that comes just now is not followed either.
        folder = folder.open_dir_nofollow(name)?;
    }
    Ok(folder)
}

pub(super) fn link() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "there is a link on the way, which none was before")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_on_the_way_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(place.path()).unwrap();
        fs::create_dir_all(top.join("real/inner")).unwrap();
        fs::write(top.join("real/inner/file"), "").unwrap();
        symlink("real", top.join("first")).unwrap();
        symlink("inner", top.join("real/last")).unwrap();
        let through: [fn(&Path) -> io::Result<Dir>; 2] = [open_folder, walk];
        for open in through {
            assert!(open(&top.join("real/inner")).unwrap().exists("file"));
            for path in ["first/inner", "real/last", "first", "real/inner/file", "none"] {
                assert!(open(&top.join(path)).is_err(), "{path}");
            }
            assert!(open(Path::new("real")).is_err());
        }
        let path = top.join("real/inner");
        let (around, name) = open_around(&path).unwrap();
        assert!(around.symlink_metadata(name).unwrap().is_dir());
        assert!(open_around(&top.join("first/inner")).is_err());
        assert!(open_around(Path::new("/")).is_err());
    }

    #[test]
    fn what_is_above_need_not_be_readable() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(place.path()).unwrap();
        fs::create_dir_all(top.join("closed/inner")).unwrap();
        fs::set_permissions(top.join("closed"), fs::Permissions::from_mode(0o711)).unwrap();
        open_folder(&top.join("closed/inner")).unwrap();
        fs::set_permissions(top.join("closed"), fs::Permissions::from_mode(0o311)).unwrap();
        let path = top.join("closed/inner");
        if sys::open_whole(&top, Use::Names).is_some() {
            let (around, name) = open_around(&path).unwrap();
            around.open_dir(name).unwrap();
        }
        fs::set_permissions(top.join("closed"), fs::Permissions::from_mode(0o711)).unwrap();
    }
}
