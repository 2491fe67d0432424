//! What becomes of connections while this process has no descriptors left.
//!
//! Theory of operation. To look a name up, to ask whose an address is and to dial takes descriptors.
//! That there are none says nothing about the connection, so whoever lacks one waits, and tries
//! again until its time is over. Those who wait try one after the other: together they would take
//! from each other what comes free. Meanwhile nobody takes new connections, which are better off in
//! the kernel: there they hold nothing that others wait for.

use std::io;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout_at};

/// How long after the one before the next one tries.
const PAUSE: Duration = Duration::from_millis(5);

/// What the system says where there are no descriptors: for the process, and for all processes.
const CODES: [i32; 2] = if cfg!(windows) { [10024, 4] } else { [24, 23] };

/// Whether something failed for want of descriptors.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

/// Who waits for descriptors.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    waiting: watch::Sender<usize>,
    turn: Mutex<()>,
}

impl Shortage {
    /// Waits while anybody waits for descriptors.
    pub(super) async fn over(&self) {
        self.until(|waiting| waiting == 0).await;
    }

    /// Waits while nobody does.
    pub(super) async fn begun(&self) {
        self.until(|waiting| waiting > 0).await;
    }

    async fn until(&self, is_so: impl Fn(usize) -> bool) {
        // The sender is in this value, so waiting cannot fail.
        let _ = self.waiting.subscribe().wait_for(|waiting| is_so(*waiting)).await;
    }

    /// For one who needs descriptors and waits so long for them.
    pub(super) fn patience(&self, time: Duration) -> Patience<'_> {
        Patience { shortage: self, until: Instant::now() + time, waiting: None }
    }
}

/// How long descriptors are waited for. What is tried then has a time of its own: one that ends in
/// the middle of it would be taken for a host that does not answer.
#[derive(Debug)]
pub(super) struct Patience<'a> {
    shortage: &'a Shortage,
    until: Instant,
    waiting: Option<Waiting<'a>>,
}

impl Patience<'_> {
    /// Whether to try again what failed so. Returns when it is time to.
    pub(super) async fn allows_again(&mut self, error: &io::Error) -> bool {
        if !is_shortage(error) {
            return false;
        }
        self.waiting.get_or_insert_with(|| Waiting::new(self.shortage));
        let turn = async {
            let _turn = self.shortage.turn.lock().await;
            sleep(PAUSE).await;
        };
        timeout_at(self.until, turn).await.is_ok()
    }
}

/// One who waits.
#[derive(Debug)]
struct Waiting<'a>(&'a Shortage);

impl<'a> Waiting<'a> {
    fn new(shortage: &'a Shortage) -> Self {
        shortage.waiting.send_modify(|waiting| *waiting += 1);
        Self(shortage)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none_left() -> io::Error {
        io::Error::from_raw_os_error(CODES[0])
    }

    #[tokio::test(start_paused = true)]
    async fn who_lacks_descriptors_tries_until_its_time_is_over() {
        let shortage = Shortage::default();
        let mut patience = shortage.patience(Duration::from_millis(100));
        let mut tries = 0;
        while tries < 1000 && patience.allows_again(&none_left()).await {
            tries += 1;
        }
        assert!((10..=20).contains(&tries), "{tries}");
        assert!(!patience.allows_again(&io::ErrorKind::ConnectionRefused.into()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nobody_waits() {
        let shortage = Shortage::default();
        shortage.over().await;
        let (mut one, mut other) =
            (shortage.patience(Duration::from_secs(1)), shortage.patience(Duration::from_secs(1)));
        assert!(one.allows_again(&none_left()).await && other.allows_again(&none_left()).await);
        shortage.begun().await;
        drop(one);
        assert!(timeout_at(Instant::now(), shortage.over()).await.is_err());
        drop(other);
        shortage.over().await;
    }
}
