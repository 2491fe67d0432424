//! Copies a tree as its listing says: folders first, then files on several threads, then second
//! names, and the folders' own modes and times last, from the bottom up.
//!
//! Until then every folder is open to us alone, whatever mode it will have. The listing decides what
//! is made; what lies in the tree by now is never asked for anything but a file's content.

use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::content::{self, Sharing};
use super::disk::Disk;
use super::entry::{Attributes, Entry, Kind, ROOT};
use super::error::SnapshotError;
use super::handles::{Handles, Tree};
use super::meter::Meter;
use super::sys;
use crate::error::Result;
use crate::size::ByteSize;

/// What a copy is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To be kept. Files may have grown since they were listed, as far as there is room.
    Keep {
        /// How many bytes more there may be than were listed.
        room: &'a AtomicU64,
        /// What is said of more.
        limit: ByteSize,
    },
    /// To be moved into a live folder. Files are as they were listed, and folders that must be moved
    /// stay open until they are there.
    Stage,
}

/// A tree that is being copied.
pub(super) struct Copying<'a> {
    pub(super) disk: &'a Disk,
    pub(super) entries: &'a [Entry],
    pub(super) from: Tree<'a>,
    pub(super) to: Tree<'a>,
    pub(super) purpose: Purpose<'a>,
}

/// What the threads share.
struct Shared {
    next: AtomicUsize,
    stop: AtomicBool,
    sharing: Sharing,
}

/// One thread's open folders.
struct Hands<'a> {
    from: Handles<'a>,
    to: Handles<'a>,
    /// Bytes and files that were copied.
    told: Sender<(u64, u64)>,
}

impl Copying<'_> {
    /// How many entries a thread takes at a time: neighbours mostly lie in the same folder.
    const BATCH: usize = 32;

    /// Copies.
    ///
    /// # Errors
    /// What cannot be read or made. What was made until then stays.
    pub(super) fn run(&self, meter: &Meter<'_>) -> Result<()> {
        self.folders()?;
        self.contents(meter)?;
        self.twins()?;
        self.dress_folders()
    }

    fn folders(&self) -> Result<()> {
        let mut to = Handles::new(self.to.dir);
        for (index, entry) in self.below().filter(|(_, entry)| entry.is_folder()) {
            let made = to.get(self.entries, entry.folder);
            let made = made.and_then(|at| self.disk.make_folder(at, &entry.name));
            made.map_err(self.to.failed("making", self.entries, index))?;
        }
        Ok(())
    }

    fn contents(&self, meter: &Meter<'_>) -> Result<()> {
        let shared =
            Shared { next: 1.into(), stop: AtomicBool::new(false), sharing: Sharing::new() };
        let (told, progress) = channel();
        thread::scope(|scope| {
            let work = |told: Sender<_>| {
                let shared = &shared;
                scope.spawn(move || self.work(shared, told))
            };
            let threads: Vec<_> = (0..threads()).map(|_| work(told.clone())).collect();
            drop(told);
            for (bytes, files) in progress {
                meter.add(bytes, files);
            }
            let mut joined = threads.into_iter().map(|thread| thread.join());
            joined.try_for_each(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// What one thread does.
    fn work(&self, shared: &Shared, told: Sender<(u64, u64)>) -> Result<()> {
        let [from, to] = [self.from, self.to].map(|tree| Handles::of_a_thread(tree.dir));
        let mut hands = Hands { from, to, told };
        loop {
            let first = shared.next.fetch_add(Self::BATCH, Ordering::Relaxed);
            if first >= self.entries.len() {
                return Ok(());
            }
            for index in first..self.entries.len().min(first + Self::BATCH) {
                if shared.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let done = self.entry(index, shared, &mut hands);
                done.inspect_err(|_| shared.stop.store(true, Ordering::Relaxed))?;
            }
        }
    }

    /// Makes what is neither a folder nor a second name.
    fn entry(&self, index: usize, shared: &Shared, hands: &mut Hands<'_>) -> Result<()> {
        let Entry { folder, name, kind, attributes } = &self.entries[index];
        let file = match kind {
            Kind::Folder | Kind::Twin { .. } => return Ok(()),
            Kind::File { size } => Some(self.open(index, *size, hands)?),
            Kind::Link { .. } | Kind::Pipe => None,
        };
        let made = hands.to.get(self.entries, *folder).and_then(|at| match (file, kind) {
            (Some(source), _) => {
                let mut moved = |bytes| hands.told.send((bytes, 0)).unwrap_or_default();
                let copy = source.copy(self.disk, &shared.sharing, (at, name), &mut moved)?;
                self.disk.dress_file(&copy, attributes)
            }
            (None, Kind::Link { target }) => {
                self.disk.make_link(target, at, name)?;
                self.disk.dress_link(at, name, attributes)
            }
            (None, _) => {
                self.disk.make_pipe(at, name)?;
                self.disk.dress_file(&content::open_any(at, name)?, attributes)
            }
        });
        made.map_err(self.from.failed("copying", self.entries, index))?;
        // Nobody listens any more when the work was stopped.
        hands.told.send((0, 1)).unwrap_or_default();
        Ok(())
    }

    fn open(&self, index: usize, size: u64, hands: &mut Hands<'_>) -> Result<content::Source> {
        let entry = &self.entries[index];
        let source = hands.from.get(self.entries, entry.folder);
        let source = source.and_then(|at| content::open(at, &entry.name));
        let source = source.map_err(self.from.failed("reading", self.entries, index))?;
        match self.purpose {
            Purpose::Keep { room, limit } => {
                let more = source.size.saturating_sub(size);
                let take = |left: u64| left.checked_sub(more);
                let taken = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                taken.map_err(|_| SnapshotError::TooManyBytes { limit })?;
            }
            Purpose::Stage if source.size != size => {
                let changed = io::Error::new(io::ErrorKind::InvalidData, "it has another size");
                return Err(self.from.failed("reading", self.entries, index)(changed));
            }
            Purpose::Stage => {}
        }
        Ok(source)
    }

    fn twins(&self) -> Result<()> {
        let (mut first, mut second) = (Handles::new(self.to.dir), Handles::new(self.to.dir));
        for (index, entry) in self.below() {
            let Kind::Twin { of } = entry.kind else { continue };
            let twin = &self.entries[of];
            let made = first.get(self.entries, twin.folder).and_then(|from| {
                let to = second.get(self.entries, entry.folder)?;
                self.disk.make_twin(from, &twin.name, to, &entry.name)
            });
            made.map_err(self.to.failed("making", self.entries, index))?;
        }
        Ok(())
    }

    fn dress_folders(&self) -> Result<()> {
        let mut to = Handles::new(self.to.dir);
        let folders = self.entries.iter().enumerate().rev().filter(|(_, entry)| entry.is_folder());
        for (index, entry) in folders {
            let Some(attributes) = self.dress_of(index, entry) else { continue };
            let dressed = to.get(self.entries, index);
            let dressed = dressed.and_then(|dir| self.disk.dress_folder(dir, &attributes));
            dressed.map_err(self.to.failed("changing", self.entries, index))?;
        }
        Ok(())
    }

    /// What a folder is dressed in for now.
    fn dress_of(&self, index: usize, entry: &Entry) -> Option<Attributes> {
        let attributes = entry.attributes.clone();
        match self.purpose {
            Purpose::Stage if index == ROOT => None,
            Purpose::Stage if entry.folder == ROOT => {
                Some(Attributes { mode: sys::opened(attributes.mode), ..attributes })
            }
            _ => Some(attributes),
        }
    }

    /// All entries but the tree's own folder.
    fn below(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().skip(1)
    }
}

/// Two to four: more wait for the same disk.
fn threads() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 4)
}
