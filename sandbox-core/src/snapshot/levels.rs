//! Takes a folder that is to be restored apart into its levels: the folder itself, and each folder in
//! it that stays where it is.
//!
//! The listing of the copy is shared out, so that a level is a tree like any other, which is staged
//! and exchanged on its own. What is spared is in none of them, also where an older snapshot has it.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::entry::{Entry, Kind, Listing, ROOT};
use super::error::SnapshotError;
use super::failed;
use super::fixed::Fixed;
use crate::error::Result;

/// A folder in which names are exchanged.
pub(super) struct Level {
    /// Where it lies in the folder that is restored, and in its copy.
    pub(super) inside: PathBuf,
    /// The names in it that are not exchanged.
    pub(super) stay: BTreeSet<OsString>,
    /// What it will hold beside them.
    pub(super) listing: Listing,
}

/// What becomes of an entry of the listing, if it does not go where its folder goes.
enum Role {
    /// It is a level.
    Level(usize),
    Spared,
}

/// The levels of a folder, the outer before the inner. `enter` opens each of them.
///
/// # Errors
/// What `enter` answers; [`SnapshotError::NoLevel`]; what the file system answers.
pub(super) fn levels(
    path: &Path,
    fixed: &Fixed,
    listing: Listing,
    enter: &mut dyn FnMut(&Path) -> Result<Dir>,
) -> Result<Vec<Level>> {
    let mut search = Search { path, entries: &listing.entries, roles: HashMap::new() };
    let mut levels = Vec::new();
    let mut pending = vec![(PathBuf::new(), ROOT, fixed)];
    while let Some((inside, index, fixed)) = pending.pop() {
        let live = enter(&path.join(&inside))?;
        search.roles.insert(index, Role::Level(levels.len()));
        let stay = search.names(&live, (&inside, index, fixed), &mut pending)?;
        let listing = Listing { entries: Vec::new(), bytes: 0, ..listing };
        levels.push(Level { inside, stay, listing });
    }
    let roles = search.roles;
    if roles.len() == 1 {
        levels[0].listing = listing;
    } else {
        share_out(&listing.entries, &roles, &mut levels);
    }
    Ok(levels)
}

/// A level: where it is, its place in the listing, and what stays in it.
type Found<'f> = (PathBuf, usize, &'f Fixed);

struct Search<'a> {
    path: &'a Path,
    entries: &'a [Entry],
    /// By the places of entries.
    roles: HashMap<usize, Role>,
}

impl Search<'_> {
    /// The names that stay in a level; those that are levels are yet to be looked into.
    fn names<'f>(
        &mut self,
        live: &Dir,
        (inside, index, fixed): (&Path, usize, &'f Fixed),
        pending: &mut Vec<Found<'f>>,
    ) -> Result<BTreeSet<OsString>> {
        let mut stay = BTreeSet::new();
        for (name, inner) in fixed.names() {
            let then = self.find(index, name);
            if inner.is_spared() {
                self.roles.extend(then.map(|then| (then, Role::Spared)));
                stay.insert(name.clone());
                continue;
            }
            let inside = inside.join(name);
            let then = then.filter(|then| self.entries[*then].is_folder());
            let path = self.path.join(&inside);
            let now = is_folder(live, name).map_err(failed("reading", &path))?;
            match (then, now) {
                (Some(then), true) => {
                    stay.insert(name.clone());
                    pending.push((inside, then, inner));
                }
                // Nothing is there that could stay.
                (None, false) => {}
                (Some(_), false) => {
                    let why = "it is none any more: make one there";
                    return Err(SnapshotError::NoLevel { path, why }.into());
                }
                (None, true) => {
                    let why =
                        "it is none in the snapshot, which can be restored without that mount";
                    return Err(SnapshotError::NoLevel { path, why }.into());
                }
            }
        }
        Ok(stay)
    }

    /// The place of a name in the listing.
    fn find(&self, folder: usize, name: &OsStr) -> Option<usize> {
        let is_it = |entry: &Entry| entry.folder == folder && entry.name == name;
        let below = self.entries.iter().skip(1).position(is_it);
        below.map(|index| index + 1)
    }
}

fn is_folder(at: &Dir, name: &OsStr) -> io::Result<bool> {
    match at.symlink_metadata(name) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives each level its own part of a listing.
fn share_out(entries: &[Entry], roles: &HashMap<usize, Role>, levels: &mut [Level]) {
    // Where each entry has gone: its level, and its place there.
    let mut gone: Vec<Option<(usize, usize)>> = Vec::with_capacity(entries.len());
    // Where a level has a file whose first name lies elsewhere.
    let mut firsts: HashMap<(usize, usize), usize> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let place = match roles.get(&index) {
            Some(Role::Spared) => None,
            Some(Role::Level(level)) => Some((*level, None)),
            None => gone[entry.folder].map(|(level, folder)| (level, Some(folder))),
        };
        gone.push(place.map(|(level, folder)| {
            let listing = &mut levels[level].listing;
            let here = listing.entries.len();
            let (folder, name) = match folder {
                Some(folder) => (folder, entry.name.clone()),
                None => (ROOT, OsString::new()),
            };
            let kind = match &entry.kind {
                Kind::Twin { of } => {
                    let first = match gone[*of] {
                        Some((also, first)) if also == level => first,
                        _ => *firsts.entry((*of, level)).or_insert(here),
                    };
                    if first == here { entries[*of].kind.clone() } else { Kind::Twin { of: first } }
                }
                kind => kind.clone(),
            };
            if let Kind::File { size } = kind {
                listing.bytes += size;
            }
            let attributes = entry.attributes.clone();
            listing.entries.push(Entry { folder, name, kind, attributes });
            (level, here)
        }));
    }
}

/// Opens a level in a folder or its copy, name by name; no link is followed.
pub(super) fn open(dir: &Dir, inside: &Path) -> io::Result<Dir> {
    let mut at = dir.try_clone()?;
    for name in inside {
        at = at.open_dir_nofollow(name)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::entry::Attributes;

    fn entry(folder: usize, name: &str, kind: Kind) -> Entry {
        let modified = std::time::UNIX_EPOCH.into();
        let attributes = Attributes { mode: 0o700, modified, owner: None };
        Entry { folder, name: name.into(), kind, attributes }
    }

    /// Names of one file in several levels are a file in each, with all names that are there.
    #[test]
    fn second_names_stay_in_their_level() {
        let file = || Kind::File { size: 5 };
        let entries = [
            entry(0, "", Kind::Folder),
            entry(0, "a", file()),
            entry(0, "b", Kind::Twin { of: 1 }),
            entry(0, "level", Kind::Folder),
            entry(0, "secret", Kind::Folder),
            entry(3, "c", Kind::Twin { of: 1 }),
            entry(3, "d", Kind::Folder),
            entry(6, "e", Kind::Twin { of: 1 }),
            entry(4, "f", file()),
            entry(6, "g", Kind::Twin { of: 8 }),
        ];
        let listing = || Listing { entries: Vec::new(), bytes: 0, skipped: 0 };
        let level = || Level { inside: PathBuf::new(), stay: BTreeSet::new(), listing: listing() };
        let mut levels = [level(), level()];
        let roles = [(0, Role::Level(0)), (3, Role::Level(1)), (4, Role::Spared)];
        share_out(&entries, &HashMap::from(roles), &mut levels);
        let [outer, inner] = levels.map(|level| level.listing);
        let (twin, root) = (Kind::Twin { of: 1 }, entry(0, "", Kind::Folder));
        assert_eq!(
            outer.entries,
            [root.clone(), entry(0, "a", file()), entry(0, "b", twin.clone())]
        );
        assert_eq!(
            inner.entries,
            [
                root,
                entry(0, "c", file()),
                entry(0, "d", Kind::Folder),
                entry(2, "e", twin),
                entry(2, "g", file()),
            ]
        );
        assert_eq!((outer.bytes, inner.bytes), (5, 10));
    }
}
