//! How many connections there may be, and how much they may carry.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What all connections may still carry together, and how many are open.
#[derive(Debug)]
pub(super) struct Meter {
    left: AtomicU64,
    open: watch::Sender<usize>,
    most: usize,
}

impl Meter {
    pub(super) fn new(most: usize, bytes: Option<u64>) -> Self {
        let left = AtomicU64::new(bytes.unwrap_or(u64::MAX));
        Self { left, open: watch::Sender::new(0), most }
    }

    /// A place for one connection, if there is one.
    pub(super) fn enter(&self) -> Option<Place<'_>> {
        let mut entered = false;
        self.open.send_if_modified(|open| {
            entered = *open < self.most;
            *open += usize::from(entered);
            entered
        });
        entered.then(|| Place(self))
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until none is open.
    pub(super) async fn empty(&self) {
        // The sender is in this value, so waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Whether everything has been carried that may be.
    pub(super) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// The place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Meter);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// What one connection may still carry: its own part and that of all.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    meter: &'a Meter,
    left: AtomicU64,
}

impl<'a> Budget<'a> {
    /// Memory that connections whose readers are slow hold together, about, when there are many.
    const SHARED: usize = 2 << 20;
    /// The least that is read at once.
    const LEAST: usize = 4 << 10;

    pub(super) fn new(meter: &'a Meter, bytes: Option<u64>) -> Self {
        Self { meter, left: AtomicU64::new(bytes.unwrap_or(u64::MAX)) }
    }

    /// Takes room for reading: what is left, at most `wanted`, and less when many are open.
    pub(super) fn take(&self, wanted: usize) -> usize {
        let fair = (Self::SHARED / self.meter.open().max(1)).max(Self::LEAST);
        let own = take(&self.left, wanted.min(fair));
        let common = take(&self.meter.left, own);
        give(&self.left, own - common);
        common
    }

    /// Takes room for all of it, or none.
    pub(super) fn take_all(&self, count: usize) -> bool {
        let own = take(&self.left, count);
        let common = if own == count { take(&self.meter.left, count) } else { 0 };
        if own < count || common < count {
            give(&self.left, own);
            give(&self.meter.left, common);
            return false;
        }
        true
    }

    /// Gives room back that was not needed.
    pub(super) fn give_back(&self, count: usize) {
        give(&self.left, count);
        give(&self.meter.left, count);
    }
}

fn take(left: &AtomicU64, wanted: usize) -> usize {
    let less = |left: u64| Some(left.saturating_sub(wanted as u64));
    let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    let (Ok(before) | Err(before)) = before;
    usize::try_from(before).unwrap_or(usize::MAX).min(wanted)
}

fn give(left: &AtomicU64, count: usize) {
    left.fetch_add(count as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let meter = Meter::new(2, None);
        let first = meter.enter();
        let second = meter.enter();
        assert!(first.is_some() && second.is_some() && meter.enter().is_none());
        drop(first);
        assert_eq!(meter.open(), 1);
        assert!(meter.enter().is_some());
    }

    #[test]
    fn nobody_takes_more_than_is_left() {
        let meter = Meter::new(2, Some(100));
        let (one, two) = (Budget::new(&meter, Some(70)), Budget::new(&meter, None));
        assert_eq!(one.take(1000), 70);
        assert_eq!(one.take(1), 0);
        assert_eq!(two.take(1000), 30);
        two.give_back(20);
        assert_eq!((one.take(1), meter.is_spent()), (0, false));
        one.give_back(5);
        assert_eq!(one.take(1000), 5);
        assert_eq!(two.take(1000), 20);
        assert!(meter.is_spent());
    }

    #[test]
    fn many_connections_read_less_at_once() {
        let meter = Meter::new(1000, None);
        let places: Vec<_> = (0..400).map(|_| meter.enter()).collect();
        let budget = Budget::new(&meter, None);
        assert!(budget.take(64 << 10) * places.len() * 2 <= 5 << 20);
        drop(places);
        assert_eq!(budget.take(64 << 10), 64 << 10);
    }
}
