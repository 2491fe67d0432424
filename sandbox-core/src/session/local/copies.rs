//! Snapshots of a session without layers: copies of the folders that its commands write to.
//!
//! These are the folders of the host that are mounted to be written, the scratch folders and the
//! policy's workspace. What becomes of them on the host is final, so there is nothing to apply. What
//! a sandbox has mounted inside them stays where it is: see [`written`](super::written).

use std::path::PathBuf;

use super::live::Live;
use super::written::{Written, is_written, written};
use crate::error::{Result, SandboxError};
use crate::ids::SnapshotName;
use crate::mount::MountSource;
use crate::plan::Place;
use crate::session::backend::MountChanges;
use crate::session::spec::SandboxSnapshot;
use crate::snapshot::{Folder, Limits, Store, StoredSnapshot, diff_trees};

impl Live {
    /// Keeps the present state of the folders under a name.
    pub(super) async fn save_copy(&self, name: &SnapshotName) -> Result<SandboxSnapshot> {
        let name = name.clone();
        let stored = self.with_store(move |store, folders| {
            store.save(&name, &listed(folders), Limits::default(), &|_| {})
        });
        stored.await.map(SandboxSnapshot::from)
    }

    pub(super) fn copies(&self) -> Result<Vec<SandboxSnapshot>> {
        if !self.store().exists() {
            return Ok(Vec::new());
        }
        let stored = Store::open(&self.store())?.list()?;
        Ok(stored.into_iter().map(SandboxSnapshot::from).collect())
    }

    /// Goes back to a state.
    pub(super) async fn restore_copy(&self, name: &SnapshotName) -> Result<()> {
        let name = name.clone();
        let restored =
            self.with_store(move |store, folders| store.restore(&name, &listed(folders), &|_| {}));
        restored.await
    }

    /// What was changed since the last snapshot.
    pub(super) async fn diff_copy(&self) -> Result<Vec<MountChanges>> {
        let id = self.id().clone();
        let compared = self.with_store(move |store, folders| {
            let last = store.list()?.pop().ok_or_else(|| {
                SandboxError::InvalidRequest(format!(
                    "the session {id} has no copy of its folders to compare them with: make a \
                     snapshot first, or give it an overlay"
                ))
            })?;
            let changes = |folder: &Written| {
                let old = store.copy_of(&last.name, &folder.label)?;
                let changes = diff_trees(&old, &folder.host, &folder.spared)?;
                Ok(MountChanges { target: folder.target.clone(), changes })
            };
            folders.iter().map(changes).collect()
        });
        compared.await
    }

    fn store(&self) -> PathBuf {
        self.folder().path().join("snapshots")
    }

    /// Works on the store, beside whatever else this thread has to do, while nothing moves.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &[Written]) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (folders, store) = (self.written()?, self.store());
        let stillness = self.hold_still()?;
        let done = tokio::task::spawn_blocking(move || work(&Store::open(&store)?, &folders));
        let done = done.await;
        stillness.end()?;
        done.map_err(|error| SandboxError::io("copying folders")(error.into()))?
    }

    /// The folders that are copied.
    fn written(&self) -> Result<Vec<Written>> {
        let mounts = self.mounts();
        let scratch = mounts.iter().filter(|mount| mount.source == MountSource::Scratch);
        let scratch: Vec<_> = scratch.map(|mount| &mount.target).collect();
        let own = self.folder().path();
        let is_copied = |place: &Place| {
            let kept = !place.host().starts_with(own)
                || scratch.iter().any(|target| target.as_path() == place.path);
            kept && is_written(place)
        };
        let all = written(&self.inner().plan.places, is_copied)?;
        if all.is_empty() {
            return Err(SandboxError::InvalidRequest(format!(
                "the session {} has no folder that its commands write to: give it an overlay",
                self.id()
            )));
        }
        Ok(all)
    }
}

fn listed(folders: &[Written]) -> Vec<Folder<'_>> {
    folders.iter().map(Written::as_folder).collect()
}

impl From<StoredSnapshot> for SandboxSnapshot {
    fn from(stored: StoredSnapshot) -> Self {
        Self { name: stored.name, created: stored.created }
    }
}
