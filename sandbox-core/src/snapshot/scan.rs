//! Lists a tree: every name in it, without following a link and without leaving its file system.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;

use cap_fs_ext::{FileTypeExt as _, MetadataExt as _};
use cap_std::fs::{Dir, FileType, Metadata};

use super::entry::{Entry, Kind, Listing, ROOT, path_of};
use super::error::SnapshotError;
use super::fixed::Fixed;
use super::handles::{Handles, Tree};
use super::sys;
use crate::error::Result;
use crate::size::ByteSize;

/// The most that a snapshot may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The sum of the sizes of all files. Holes count: what a file claims to be is what reading it
    /// costs.
    pub bytes: Option<ByteSize>,
    /// The number of names: files, folders, links, pipes.
    pub files: Option<u64>,
}

/// What is left of the limits.
pub(super) struct Allowance {
    limits: Limits,
    bytes: u64,
    files: u64,
}

/// What becomes of folders that the caller cannot look into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// They are errors.
    Refused,
    /// Nothing is said of what they hold.
    Passed,
}

impl Allowance {
    pub(super) fn new(limits: Limits) -> Self {
        let bytes = limits.bytes.map_or(u64::MAX, ByteSize::bytes);
        Self { limits, bytes, files: limits.files.unwrap_or(u64::MAX) }
    }

    /// What is left for files that grow.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn take_name(&mut self) -> Result<(), SnapshotError> {
        let left = self.files.checked_sub(1);
        let limit = self.limits.files.unwrap_or(u64::MAX);
        self.files = left.ok_or(SnapshotError::TooManyFiles { limit })?;
        Ok(())
    }

    fn take_bytes(&mut self, bytes: u64) -> Result<(), SnapshotError> {
        let limit = self.limits.bytes.unwrap_or(ByteSize::from_bytes(u64::MAX));
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or(SnapshotError::TooManyBytes { limit })?;
        Ok(())
    }
}

/// Lists a tree, but for what is spared.
///
/// # Errors
/// What cannot be read, what is beyond the limits, and [`SnapshotError::MountedInside`].
pub(super) fn scan(
    tree: Tree<'_>,
    fixed: &Fixed,
    closed: Closed,
    allowance: &mut Allowance,
) -> Result<Listing> {
    let found = tree.dir.dir_metadata().map_err(tree.failed("reading", &[], ROOT))?;
    let attributes = sys::attributes(&found).map_err(tree.failed("reading", &[], ROOT))?;
    let root = Entry { folder: ROOT, name: OsString::new(), kind: Kind::Folder, attributes };
    let listing = Listing { entries: vec![root], bytes: 0, skipped: 0 };
    let (device, twins, pending) = (found.dev(), HashMap::new(), vec![ROOT]);
    let fixed = HashMap::from([(ROOT, fixed)]);
    Scan { tree, fixed, closed, allowance, device, twins, pending, listing }.run()
}

struct Scan<'a> {
    tree: Tree<'a>,
    /// What is said of the names in a folder, where something is.
    fixed: HashMap<usize, &'a Fixed>,
    closed: Closed,
    allowance: &'a mut Allowance,
    device: u64,
    /// Files with several names, by their identity: the first name.
    twins: HashMap<(u64, u64), usize>,
    /// Folders that were not looked into yet.
    pending: Vec<usize>,
    listing: Listing,
}

impl Scan<'_> {
    fn run(mut self) -> Result<Listing> {
        let mut handles = Handles::new(self.tree.dir);
        while let Some(folder) = self.pending.pop() {
            let found = handles.get(&self.listing.entries, folder);
            let most = self.allowance.files.saturating_add(1);
            let fixed = self.fixed.get(&folder).copied();
            let found = found.and_then(|dir| Ok((names(dir, fixed, most)?, dir)));
            let (names, dir) = match found {
                Err(error)
                    if self.closed == Closed::Passed
                        && error.kind() == io::ErrorKind::PermissionDenied =>
                {
                    continue;
                }
                found => found.map_err(self.tree.failed("reading", &self.listing.entries, folder)),
            }?;
            self.folder(folder, dir, names)?;
        }
        Ok(self.listing)
    }

    fn folder(&mut self, folder: usize, dir: &Dir, names: Vec<(OsString, Metadata)>) -> Result<()> {
        let first = self.listing.entries.len();
        for (name, found) in names {
            self.entry(folder, dir, name, &found)?;
        }
        // The last one is the next: the listing goes down before it goes on.
        let folders = (first..self.listing.entries.len()).rev();
        self.pending.extend(folders.filter(|place| self.listing.entries[*place].is_folder()));
        Ok(())
    }

    fn entry(&mut self, folder: usize, dir: &Dir, name: OsString, found: &Metadata) -> Result<()> {
        self.allowance.take_name()?;
        let entries = &self.listing.entries;
        let path = || path_of(self.tree.path, entries, folder).join(&name);
        if !is_kept(found.file_type()) {
            self.listing.skipped += 1;
            return Ok(());
        }
        if found.is_dir() && found.dev() != self.device {
            return Err(SnapshotError::MountedInside { path: path() }.into());
        }
        let failed = |error| super::failed("reading", &path())(error);
        let attributes = sys::attributes(found).map_err(failed)?;
        let kind = if found.is_symlink() {
            Kind::Link { target: dir.read_link_contents(&name).map_err(failed)?.into_os_string() }
        } else {
            self.kind(found)?
        };
        let fixed = self.fixed.get(&folder).and_then(|fixed| fixed.get(&name));
        if let Some(fixed) = fixed.filter(|_| kind == Kind::Folder) {
            self.fixed.insert(self.listing.entries.len(), fixed);
        }
        self.listing.entries.push(Entry { folder, name, kind, attributes });
        Ok(())
    }

    /// The kind of anything but a link.
    fn kind(&mut self, found: &Metadata) -> Result<Kind> {
        if found.is_dir() {
            return Ok(Kind::Folder);
        }
        if !found.is_file() {
            return Ok(Kind::Pipe);
        }
        if found.nlink() > 1 {
            let here = self.listing.entries.len();
            let first = *self.twins.entry((found.dev(), found.ino())).or_insert(here);
            if first != here {
                return Ok(Kind::Twin { of: first });
            }
        }
        self.allowance.take_bytes(found.len())?;
        self.listing.bytes += found.len();
        Ok(Kind::File { size: found.len() })
    }
}

fn is_kept(kind: FileType) -> bool {
    let plain = kind.is_dir() || kind.is_file() || kind.is_symlink();
    plain || (kind.is_fifo() && sys::PIPES)
}

/// What a folder holds and is not spared, sorted; of a folder that holds more than may be, no more
/// than shows that.
fn names(dir: &Dir, fixed: Option<&Fixed>, most: u64) -> io::Result<Vec<(OsString, Metadata)>> {
    let spared =
        |name: &OsStr| fixed.and_then(|fixed| fixed.get(name)).is_some_and(Fixed::is_spared);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut names = Vec::new();
    for entry in dir.entries()? {
        if names.len() >= most {
            break;
        }
        let entry = entry?;
        let name = entry.file_name();
        // Not even looked at: what is mounted there may not answer.
        if !spared(&name) {
            names.push((name, entry.metadata()?));
        }
    }
    names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(names)
}
