//! Copying a tree from one folder to another, each held by a descriptor.

use std::io::{self, Read};
use std::path::Path;

use cap_fs_ext::{
    DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt, SystemTimeSpec,
};
use cap_std::fs::{Dir, Metadata, OpenOptions};

use super::stat::Kind;
use super::{system, write};

/// The deepest tree that is copied: every folder on the way down is open.
const DEPTH: u32 = 100;

/// The most names that are copied, should a command make them as fast as they are.
const NAMES: u32 = 1 << 24;

/// Copies what has a name, with everything below it. Content, permissions, links and times of change
/// are kept; a file with several names becomes several files.
///
/// # Errors
/// What the system answers, and what cannot be copied: pipes, sockets, devices, trees that are too
/// deep. A part of the copy may be there.
pub(super) fn copy(from: &Dir, name: &Path, to: &Dir, new: &Path) -> io::Result<()> {
    Copy { names: NAMES }.entry((from, name), (to, new), DEPTH)
}

struct Copy {
    names: u32,
}

/// A name in a folder.
pub(super) type Named<'a> = (&'a Dir, &'a Path);

impl Copy {
    fn entry(&mut self, from: Named<'_>, to: Named<'_>, depth: u32) -> io::Result<()> {
        self.names = self.names.checked_sub(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        let found = from.0.symlink_metadata(from.1)?;
        match Kind::of(&found) {
            Kind::File => file(from, to)?,
            Kind::Folder => self.folder(from, to, &found, depth)?,
            Kind::Link => system::link(&from.0.read_link_contents(from.1)?, to.0, to.1)?,
            special @ Kind::Special => {
                let name = from.1.display();
                return Err(io::Error::other(format!("{name:?} is {special}: it stays")));
            }
        }
        let modified = found.modified().ok().map(SystemTimeSpec::Absolute);
        to.0.set_symlink_times(to.1, None, modified)
    }

    fn folder(
        &mut self,
        from: Named<'_>,
        to: Named<'_>,
        found: &Metadata,
        depth: u32,
    ) -> io::Result<()> {
        let too_deep = || io::Error::other(format!("it is more than {DEPTH} folders deep"));
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        let source = from.0.open_dir_nofollow(from.1)?;
        let made = write::folder_in(to.0, to.1)?;
        let target = Dir::from_std_file(made.try_clone()?.into_std());
        for entry in source.entries()? {
            let name = entry?.file_name();
            self.entry((&source, name.as_ref()), (&target, name.as_ref()), depth)?;
        }
        // Last, because it may forbid making anything in it.
        system::mode(found).map_or(Ok(()), |mode| system::set_mode(&made, mode))
    }
}

pub(super) fn file(from: Named<'_>, to: Named<'_>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let source = from.0.open_with(from.1, &options)?;
    let found = source.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no file any more"));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).follow(FollowSymlinks::No);
    let mut target = to.0.open_with(to.1, &options)?;
    // Not more than there is now, should a command go on writing.
    io::copy(&mut source.take(found.len()), &mut target)?;
    write::finish(&target, system::mode(&found), &to.0.dir_metadata()?)
}
