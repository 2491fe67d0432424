//! Calls on folders that are copied on write: all of them push, pop or read layers.

use std::path::PathBuf;

use super::folder::LayerFolder;
use super::layers::{Frozen, Stack};
use super::live::Live;
use crate::error::{Result, SandboxError};
use crate::ids::SnapshotName;
use crate::path::quoted;
use crate::session::backend::MountChanges;
use crate::session::changes::Applied;
use crate::session::spec::SandboxSnapshot;

impl Live {
    pub(super) async fn snapshot(&self, name: &SnapshotName) -> Result<SandboxSnapshot> {
        let _gate = self.gate.lock().await;
        self.check_alive("a snapshot")?;
        if self.layer_folder().is_none() {
            return self.save_copy(name).await;
        }
        if self.inner().snapshots.iter().any(|(known, _)| known.name == *name) {
            return Err(SandboxError::AlreadyExists {
                what: format!("the snapshot {}", quoted(name.as_str())),
            });
        }
        let frozen = self.push()?;
        let snapshot = SandboxSnapshot::now(name.clone());
        self.inner().snapshots.push((snapshot.clone(), frozen));
        Ok(snapshot)
    }

    pub(super) fn snapshots(&self) -> Result<Vec<SandboxSnapshot>> {
        if self.layer_folder().is_none() {
            return self.copies();
        }
        let inner = self.inner();
        Ok(inner.snapshots.iter().map(|(snapshot, _)| snapshot.clone()).collect())
    }

    /// Freezes what was written up to now; the layers of each mount.
    pub(super) async fn freeze_layers(&self) -> Result<Vec<Frozen>> {
        let _gate = self.gate.lock().await;
        self.check_alive("a fork")?;
        match self.layer_folder() {
            Some(_) => self.push(),
            None => Ok(Vec::new()),
        }
    }

    /// With the gate held: what every stack holds now, as layers that never change again.
    fn push(&self) -> Result<Vec<Frozen>> {
        let Some(folder) = self.layer_folder() else { return Ok(Vec::new()) };
        let stacks = self.inner().stacks.clone();
        self.still(|| {
            let numbered = stacks.iter().enumerate();
            numbered.map(|(at, stack)| self.push_one(at, stack, &folder)).collect()
        })
    }

    /// A fresh layer goes on the stack. Where a command has files open in the one that is written
    /// to, it goes on writing there, so that one is copied instead.
    fn push_one(&self, at: usize, stack: &Stack, folder: &LayerFolder) -> Result<Frozen> {
        if self.restack(at, &stack.pushed(folder)?, false)? {
            return Ok(stack.whole());
        }
        stack.copied(folder, self.enclosure())
    }

    pub(super) async fn restore(&self, name: &SnapshotName) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_alive("going back to a snapshot")?;
        if self.layer_folder().is_none() {
            return self.restore_copy(name).await;
        }
        let known = self.inner().snapshots.iter().find(|(known, _)| known.name == *name).cloned();
        let missing =
            || SandboxError::NotFound { what: format!("snapshot {}", quoted(name.as_str())) };
        let (_, frozen) = known.ok_or_else(missing)?;
        self.stack_over(frozen)
    }

    pub(super) async fn diff(&self) -> Result<Vec<MountChanges>> {
        let _gate = self.gate.lock().await;
        self.check_alive("a difference")?;
        if self.layer_folder().is_none() {
            return self.diff_copy().await;
        }
        let stacks = self.inner().stacks.clone();
        let root = &self.layer_root();
        let changes = |stack: &Stack| {
            let changes = self.enclosure().diff(&stack.source, &stack.layers(root))?;
            Ok(MountChanges { target: stack.target.clone(), changes })
        };
        self.still(|| stacks.iter().map(changes).collect())
    }

    pub(super) async fn apply(&self) -> Result<Applied> {
        let _gate = self.gate.lock().await;
        self.check_layered("applying changes")?;
        let stacks = self.inner().stacks.clone();
        let mut all = Applied::default();
        for stack in &stacks {
            let applied = self.still(|| self.apply_stack(stack))?;
            all.changes.extend(applied.changes);
            all.conflicts.extend(applied.conflicts);
        }
        if all.conflicts.is_empty() {
            // What was written is the host's now, and the work goes on from there.
            self.stack_over(vec![Vec::new(); stacks.len()])?;
            let stacks = self.inner().stacks.clone();
            let begun = stacks.into_iter().map(|stack| stack.stamped(self.enclosure()));
            self.inner().stacks = begun.collect();
        }
        Ok(all)
    }

    fn apply_stack(&self, stack: &Stack) -> Result<Applied> {
        let stamp = stack.stamp.as_ref().ok_or_else(|| {
            let source = crate::path::quoted(&stack.source);
            SandboxError::InvalidRequest(format!("{source} could not be written to at the start"))
        })?;
        self.enclosure().apply(&stack.source, &stack.layers(&self.layer_root()), stamp)
    }

    fn layer_root(&self) -> PathBuf {
        self.layer_folder().map(|folder| folder.path().to_path_buf()).unwrap_or_default()
    }

    pub(super) async fn discard(&self) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.check_layered("discarding changes")?;
        let count = self.inner().stacks.len();
        self.stack_over(vec![Vec::new(); count])
    }

    /// With the gate held: a fresh layer over these.
    fn stack_over(&self, frozen: Vec<Frozen>) -> Result<()> {
        let Some(folder) = self.layer_folder() else { return Ok(()) };
        let stacks = self.inner().stacks.clone();
        let over = stacks.iter().zip(frozen).map(|(stack, frozen)| stack.over(frozen, &folder));
        let over: Vec<_> = over.collect::<Result<_>>()?;
        self.still(|| {
            let mut numbered = over.iter().enumerate();
            numbered.try_for_each(|(at, stack)| self.restack(at, stack, true).map(drop))
        })
    }

    /// Refuses what only folders that are copied on write have.
    fn check_layered(&self, operation: &'static str) -> Result<()> {
        self.check_alive(operation)?;
        if self.layer_folder().is_some() {
            return Ok(());
        }
        Err(SandboxError::InvalidRequest(format!(
            "{operation} needs a folder that is copied on write: give the session {} an overlay",
            self.id()
        )))
    }
}
