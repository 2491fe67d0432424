//! Who watches, how far each has read, and who holds a writer up.

use std::collections::BTreeMap;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Readers {
    readers: BTreeMap<u64, Reader>,
    next: u64,
}

#[derive(Debug)]
struct Reader {
    /// What it will read next.
    place: u64,
    /// Since when it has held a writer up without reading anything.
    holds_since: Option<Instant>,
    /// Whether nobody waits for it until it reads again.
    behind: bool,
}

impl Readers {
    pub(super) fn add(&mut self, place: u64) -> u64 {
        let key = self.next;
        self.next += 1;
        self.readers.insert(key, Reader { place, holds_since: None, behind: false });
        key
    }

    pub(super) fn remove(&mut self, key: u64) {
        self.readers.remove(&key);
    }

    pub(super) fn place(&self, key: u64) -> u64 {
        self.readers.get(&key).map_or(0, |reader| reader.place)
    }

    /// Notes that a watcher has read up to `place`: it is waited for again.
    pub(super) fn advance(&mut self, key: u64, place: u64) {
        if let Some(reader) = self.readers.get_mut(&key) {
            *reader = Reader { place, holds_since: None, behind: false };
        }
    }

    /// The place that must not be dropped.
    pub(super) fn slowest(&self) -> Option<u64> {
        let kept = self.readers.values().filter(|reader| !reader.behind);
        kept.map(|reader| reader.place).min()
    }

    /// Notes that a writer waits for whoever is to read the oldest byte yet, and says for how long
    /// the first of them has kept it waiting.
    pub(super) fn held_since(&mut self, oldest: u64, now: Instant) -> Option<Instant> {
        let holds = |reader: &&mut Reader| !reader.behind && reader.place <= oldest;
        let holders = self.readers.values_mut().filter(holds);
        holders.map(|reader| *reader.holds_since.get_or_insert(now)).min()
    }

    pub(super) fn leave_behind(&mut self, since: Instant) {
        for reader in self.readers.values_mut() {
            reader.behind |= reader.holds_since.is_some_and(|held| held <= since);
        }
    }
}
