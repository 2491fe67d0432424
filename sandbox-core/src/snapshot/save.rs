//! Saving: list, copy, list what was copied, write the manifest.
//!
//! The list that is kept is read back from the copy, so it says what is there to be restored, with
//! sizes of files that grew and times as fine as the store's file system has them.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::copy::{Copying, Purpose};
use super::entry::{Kind, Listing};
use super::fixed::Fixed;
use super::handles::Tree;
use super::manifest::{Manifest, Stored, StoredSnapshot, tree_name, write_list};
use super::meter::{Meter, Progress};
use super::scan::{Allowance, Closed, Limits, scan};
use super::store::{Place, Store};
use super::{Folder, failed, swap};
use crate::error::{Result, SandboxError};
use crate::ids::SnapshotName;
use crate::resolve::open_folder;
use crate::size::ByteSize;

impl Store {
    /// Saves the content of folders as a snapshot, but for what they spare. Callers see to it that nothing changes meanwhile:
    /// each file is then as it was at some moment, but not all at the same one.
    ///
    /// `progress` is called on this thread.
    ///
    /// # Errors
    /// [`SandboxError::AlreadyExists`]; [`SandboxError::InvalidRequest`] for folders that lie in one
    /// another, unless it is at a spared path, and for spared or fixed paths that lie elsewhere; [`SnapshotError`](super::SnapshotError) for what is beyond the limits; what the file
    /// system answers, with the name of the file. Nothing is saved then.
    pub fn save(
        &self,
        name: &SnapshotName,
        folders: &[Folder<'_>],
        limits: Limits,
        progress: &dyn Fn(Progress),
    ) -> Result<StoredSnapshot> {
        let _lock = self.lock()?;
        swap::recover(self, swap::Leftovers::MustNot)?;
        self.check(folders)?;
        self.check_name(name)?;
        let mut allowance = Allowance::new(limits);
        let mut listed = Vec::new();
        for folder in folders {
            let dir = open_folder(folder.path).map_err(failed("opening", folder.path))?;
            let tree = Tree { dir: &dir, path: folder.path };
            let listing = scan(tree, &Fixed::of(folder)?, Closed::Refused, &mut allowance)?;
            listed.push((folder, dir, listing));
        }
        let meter = meter(listed.iter().map(|(_, _, listing)| listing), progress);
        let limit = limits.bytes.unwrap_or(ByteSize::from_bytes(u64::MAX));
        let room = allowance.bytes().into();
        let mut save = Save { store: self, room, limit, meter, allowance: Allowance::new(limits) };
        let place = self.new_place()?;
        match save.write(name, &place, &listed) {
            Ok(snapshot) => Ok(snapshot),
            Err(error) => {
                // The first error is the one that matters; the next opening sweeps.
                let _ = self.discard(place);
                Err(error)
            }
        }
    }

    /// A damaged snapshot may have any name, and one that cannot be read cannot be replaced.
    fn check_name(&self, name: &SnapshotName) -> Result<()> {
        match self.find(name) {
            Ok(_) => Err(SandboxError::AlreadyExists { what: format!("the snapshot \"{name}\"") }),
            Err(SandboxError::NotFound { .. } | SandboxError::Snapshot(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn new_place(&self) -> Result<Place> {
        let number = self.numbers()?.last().map_or(1, |last| last.saturating_add(1));
        let made = self.disk.make_folder(&self.dir, number.to_string());
        made.map_err(failed("making", &self.path.join(number.to_string())))?;
        self.place(number)
    }
}

/// Progress over several listings.
pub(super) fn meter<'a, 'l>(
    listings: impl Iterator<Item = &'l Listing>,
    progress: &'a dyn Fn(Progress),
) -> Meter<'a> {
    let (mut bytes, mut files) = (0, 0);
    for listing in listings {
        let copied = |kind: &Kind| !matches!(kind, Kind::Folder | Kind::Twin { .. });
        bytes += listing.bytes;
        files += listing.entries.iter().filter(|entry| copied(&entry.kind)).count() as u64;
    }
    Meter::new(progress, bytes, files)
}

struct Save<'a> {
    store: &'a Store,
    room: AtomicU64,
    limit: ByteSize,
    meter: Meter<'a>,
    /// Of what is in the copies: what shares blocks may have grown until the last moment.
    allowance: Allowance,
}

impl Save<'_> {
    fn write(
        &mut self,
        name: &SnapshotName,
        place: &Place,
        folders: &[(&Folder<'_>, Dir, Listing)],
    ) -> Result<StoredSnapshot> {
        let mut stored = Vec::new();
        for (index, (folder, dir, listing)) in folders.iter().enumerate() {
            let from = Tree { dir, path: folder.path };
            stored.push(self.folder(place, index, folder.label, from, listing)?);
        }
        self.meter.tell();
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let manifest = Manifest::new(name.clone(), created.as_secs(), stored);
        // The folder first: a manifest in a folder that is gone would be no snapshot.
        self.store.disk.sync(&self.store.dir).map_err(failed("saving", &self.store.path))?;
        manifest.write(&self.store.disk, &place.dir)?;
        Ok(manifest.summary())
    }

    fn folder(
        &mut self,
        place: &Place,
        index: usize,
        label: &str,
        from: Tree<'_>,
        listing: &Listing,
    ) -> Result<Stored> {
        let name = tree_name(index);
        let path = place.path.join(&name);
        let disk = &self.store.disk;
        let made = disk.make_folder(&place.dir, &name);
        let dir = made.and_then(|()| place.dir.open_dir_nofollow(&name));
        let dir = dir.map_err(failed("making", &path))?;
        let to = Tree { dir: &dir, path: &path };
        let purpose = Purpose::Keep { room: &self.room, limit: self.limit };
        Copying { disk, entries: &listing.entries, from, to, purpose }.run(&self.meter)?;
        let kept = scan(to, &Fixed::default(), Closed::Refused, &mut self.allowance)?;
        write_list(disk, &place.dir, index, label, &Listing { skipped: listing.skipped, ..kept })
    }
}
