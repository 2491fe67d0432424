//! Restoring: check, stage, exchange.

use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::copy::{Copying, Purpose};
use super::entry::{Entry, Listing, ROOT};
use super::handles::Tree;
use super::journal::{Exchange, Journal, Part, State};
use super::manifest::{Manifest, damaged, tree_name};
use super::meter::{Meter, Progress};
use super::save::meter;
use super::scan::{Allowance, Closed, Limits, scan};
use super::store::{Place, Store, missing_folder};
use super::{Folder, failed, swap, sys};
use crate::error::Result;
use crate::ids::SnapshotName;

impl Store {
    /// Gives folders the content that a snapshot holds under their labels. The folders themselves
    /// stay what they are, so mounts of them stay; everything in them is replaced, and its room is
    /// needed twice for a while. Callers see to it that nothing changes meanwhile.
    ///
    /// `progress` is called on this thread.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`](crate::SandboxError::NotFound) for the snapshot or a label;
    /// [`SnapshotError::Damaged`](super::SnapshotError::Damaged); what the file system answers. The
    /// folders are then as they were, unless the error is
    /// [`SnapshotError::Interrupted`](super::SnapshotError::Interrupted), or was met when the old
    /// content was removed after the new one was in its place.
    pub fn restore(
        &self,
        name: &SnapshotName,
        folders: &[Folder<'_>],
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        let _lock = self.lock()?;
        swap::recover(self, swap::Leftovers::MustNot)?;
        self.check(folders)?;
        let (place, manifest) = self.find(name)?;
        let kept = folders.iter().map(|folder| Kept::open(&place, &manifest, folder.label));
        let kept: Vec<Kept> = kept.collect::<Result<_>>()?;
        let meter = meter(kept.iter().map(|kept| &kept.listing), progress);
        let folders = folders.iter().zip(&kept);
        let exchanges = folders.map(|(it, kept)| exchange(it.path, &kept.listing.entries));
        let mut journal = Journal::new(exchanges.collect::<Result<_>>()?);
        // Before the folders are looked into: what is closed is opened for that.
        journal.begin(self)?;
        match self.stage(&mut journal, &kept, &meter) {
            Ok(()) => swap::settle(self, &journal, State::Swap),
            Err(error) => {
                // The first error is the one that matters; the journal knows what is left.
                let _ = swap::settle(self, &journal, State::Stage);
                Err(error)
            }
        }
    }

    fn stage(&self, journal: &mut Journal, kept: &[Kept], meter: &Meter<'_>) -> Result<()> {
        for exchange in &mut journal.folders {
            exchange.old = self.parts(Path::new(&exchange.path))?;
        }
        journal.begin(self)?;
        for (exchange, kept) in journal.folders.iter().zip(kept) {
            let path = Path::new(&exchange.path);
            let live = swap::open_live(&self.disk, path).map_err(failed("opening", path))?;
            let room = swap::make_rooms(&self.disk, &live, &exchange.work);
            let path = path.join(&exchange.work).join(swap::NEW);
            let room = room.map_err(failed("making", &path))?;
            let from = Tree { dir: &kept.dir, path: &kept.path };
            let to = Tree { dir: &room, path: &path };
            let entries = &kept.listing.entries;
            Copying { disk: &self.disk, entries, from, to, purpose: Purpose::Stage }.run(meter)?;
        }
        meter.tell();
        Journal::turn(self, State::Stage, State::Swap)
    }

    /// What lies in a folder. What is mounted inside could not be moved, or would be removed with
    /// what is.
    fn parts(&self, path: &Path) -> Result<Vec<Part>> {
        let live = swap::open_live(&self.disk, path).map_err(failed("opening", path))?;
        let mut unlimited = Allowance::new(Limits::default());
        scan(Tree { dir: &live, path }, Closed::Passed, &mut unlimited)?;
        let parts = live.entries().and_then(|found| found.map(|entry| Part::of(&entry?)).collect());
        parts.map_err(failed("reading", path))
    }
}

/// What will be done with a folder, but for what lies in it.
fn exchange(path: &Path, entries: &[Entry]) -> Result<Exchange> {
    let top = entries.iter().skip(1).filter(|entry| entry.folder == ROOT);
    Ok(Exchange {
        path: path.into(),
        work: Exchange::work_name(),
        old: Vec::new(),
        new: top.map(Part::to_be).collect(),
        before: swap::look_at(path).map_err(failed("opening", path))?,
        after: entries[ROOT].attributes.clone(),
    })
}

/// The copy of a folder in a snapshot, checked.
struct Kept {
    dir: Dir,
    path: PathBuf,
    listing: Listing,
}

impl Kept {
    fn open(place: &Place, manifest: &Manifest, label: &str) -> Result<Self> {
        let mut folders = manifest.folders.iter().enumerate();
        let stored = folders.find(|(_, folder)| folder.label == label);
        let (index, stored) = stored.ok_or_else(|| missing_folder(&manifest.name, label))?;
        let path = place.path.join(tree_name(index));
        let dir = place.dir.open_dir_nofollow(tree_name(index));
        let dir =
            dir.map_err(|error| damaged(&place.path, format!("{}: {error}", tree_name(index))))?;
        let mut unlimited = Allowance::new(Limits::default());
        let found = scan(Tree { dir: &dir, path: &path }, Closed::Refused, &mut unlimited)?;
        let entries = stored.check(&place.dir, &place.path, index, &found)?;
        Ok(Self { dir, path, listing: Listing { entries, ..found } })
    }
}

impl Part {
    fn of(entry: &cap_std::fs::DirEntry) -> std::io::Result<Self> {
        let found = entry.metadata()?;
        let mode = sys::attributes(&found)?.mode;
        let closed = found.is_dir() && sys::is_closed(mode);
        Ok(Self { name: entry.file_name(), mode: closed.then_some(mode) })
    }

    fn to_be(entry: &Entry) -> Self {
        let mode = entry.attributes.mode;
        let closed = entry.is_folder() && sys::is_closed(mode);
        Self { name: entry.name.clone(), mode: closed.then_some(mode) }
    }
}
