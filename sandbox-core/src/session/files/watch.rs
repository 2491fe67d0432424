//! Changes of files, as they happen.
//!
//! # Theory of operation
//! What a kernel offers for this goes by names or loses events when there are many. Here the tree is
//! looked at twice a second, through the descriptor of the watched folder, whatever it is called
//! meanwhile, and compared with the look before. A change that is undone between two looks is not
//! seen; one that comes while nobody reads is not lost, because there is no next look until all
//! changes of the last are handed over. Looking takes at most a tenth of the time.

mod look;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::error::Result;
use super::list;
use super::walk::Place;
use crate::path::SandboxPath;
use look::{Look, Watched};

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How much longer than a look the time after it is.
const REST: u32 = 9;

/// How many changes may wait for their reader.
const WAITING: usize = 256;

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileChange {
    /// It was not there before.
    Added(SandboxPath),
    /// It is another file now, or its content, its mode or its times changed; for a folder, its mode.
    Changed(SandboxPath),
    /// It is not there any more.
    Removed(SandboxPath),
    /// There is more below the watched folder than is watched: 10 000 names, 64 folders deep. What
    /// lies deeper is left out first. Said once.
    Incomplete,
}

/// The changes of a file or folder. Dropping it ends the watch.
#[derive(Debug)]
pub struct Changes(Receiver<FileChange>);

impl Changes {
    /// The next change; `None` when a watched folder was removed.
    ///
    /// Can be given up and called again; nothing is lost by that.
    pub async fn next(&mut self) -> Option<FileChange> {
        self.0.recv().await
    }
}

pub(super) fn watch(place: &Place<'_>) -> Result<Changes> {
    let watched = if place.metadata()?.is_dir() {
        Watched::Folder(list::open(place)?)
    } else {
        let folder = place.folder.try_clone().map_err(place.io("opening"))?;
        Watched::Name(folder, place.name.clone())
    };
    let first = watched.look().map_err(place.io("looking at"))?;
    let (sender, changes) = channel(WAITING);
    let watch = Watch { path: place.path.clone(), watched: Arc::new(watched), sender };
    tokio::spawn(watch.run(first));
    Ok(Changes(changes))
}

struct Watch {
    path: SandboxPath,
    watched: Arc<Watched>,
    sender: Sender<FileChange>,
}

impl Watch {
    /// Looks until nobody listens or there is nothing to look at.
    async fn run(self, mut before: Look) {
        let mut pause = PAUSE;
        if before.incomplete && self.sender.send(FileChange::Incomplete).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = self.sender.closed() => return,
            }
            let watched = Arc::clone(&self.watched);
            let start = Instant::now();
            let looked = spawn_blocking(move || watched.look()).await;
            pause = PAUSE.max(start.elapsed() * REST);
            let Ok(look) = looked else { return };
            // What cannot be looked at now, a closed folder for one, may be so later.
            let Ok(now) = look else { continue };
            if self.tell(&before, &now).await.is_none() || now.gone {
                return;
            }
            before = now.after(&before);
        }
    }

    /// Hands the differences over; `None` when nobody listens.
    async fn tell(&self, before: &Look, now: &Look) -> Option<()> {
        if now.incomplete && !before.incomplete {
            self.sender.send(FileChange::Incomplete).await.ok()?;
        }
        for (name, change) in now.differences(before) {
            let path = match name.as_os_str().is_empty() {
                true => Ok(self.path.clone()),
                false => self.path.join(name),
            };
            // A name that was found below the folder is legal in a path.
            let Ok(path) = path else { continue };
            self.sender.send(change(path)).await.ok()?;
        }
        Some(())
    }
}
