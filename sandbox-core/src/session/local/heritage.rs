//! What a fork gets of its parent's own folders: copies of its memory, its outputs and its scratch
//! folders. Layers are shared and need none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::live::Live;
use super::system;
use crate::error::{Result, SandboxError};
use crate::ids::SnapshotName;
use crate::snapshot::{Folder, Limits, Store};

/// A folder of a session's own, with a name that its forks' has too.
type Own = (String, PathBuf);

impl Live {
    /// Gives forks what lies in this session's own folders, or fails.
    pub(super) async fn hand_down(&self, forks: &[Arc<Self>]) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("a fork")?;
        let own = self.folder().own()?;
        if own.iter().all(|(_, path)| is_empty(path)) {
            return Ok(());
        }
        let heirs = forks.iter().map(|fork| fork.folder().own()).collect::<Result<Vec<_>>>()?;
        let place = self.folder().path().join("forking");
        let stillness = self.hold_still()?;
        let done = tokio::task::spawn_blocking(move || copy(&place, &own, &heirs)).await;
        stillness.end()?;
        done.map_err(|error| SandboxError::io("copying folders")(error.into()))?
    }
}

fn copy(place: &Path, own: &[Own], heirs: &[Vec<Own>]) -> Result<()> {
    let (store, name) = (Store::open(place)?, SnapshotName::new("fork")?);
    let copied = store
        .save(&name, &listed(own), Limits::default(), &|_| {})
        .and_then(|_| heirs.iter().try_for_each(|it| store.restore(&name, &listed(it), &|_| {})));
    drop(store);
    system::remove_tree(place).map_err(SandboxError::io("removing a copy"))?;
    copied
}

fn listed(folders: &[Own]) -> Vec<Folder<'_>> {
    folders.iter().map(|(label, path)| Folder::new(label, path)).collect()
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
