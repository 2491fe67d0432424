//! The layers of one folder that is copied on write: a stack of which the uppermost is written to.
//!
//! A snapshot puts a fresh layer on the stack, so that what lies below it never changes again; going
//! back puts a fresh layer on an older stack. Neither depends on how much has been written.

use std::path::{Path, PathBuf};

use super::folder::LayerFolder;
use crate::confine::{Enclosure, Stamp};
use crate::error::Result;
use crate::path::SandboxPath;
use crate::plan::{Layers, Mounted, Shown};

/// Frozen layers, the uppermost first.
pub(super) type Frozen = Vec<PathBuf>;

/// The stack of one mount.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) target: SandboxPath,
    /// The host's folder below all layers.
    pub(super) source: PathBuf,
    pub(super) frozen: Frozen,
    /// The layer that is written to.
    pub(super) top: PathBuf,
    /// When the copying began, if the host's folder can be written to.
    pub(super) stamp: Option<Stamp>,
}

impl Stack {
    /// A fresh layer over some frozen ones.
    pub(super) fn new(
        target: SandboxPath,
        source: PathBuf,
        frozen: Frozen,
        folder: &LayerFolder,
    ) -> Result<Self> {
        let like = frozen.first().map_or_else(|| source.clone(), |layer| layer.join("upper"));
        let top = folder.layer(&like)?;
        Ok(Self { target, source, frozen, top, stamp: None })
    }

    /// Begins anew: what the host's folder holds now is what changes are measured by.
    pub(super) fn stamped(mut self, enclosure: &dyn Enclosure) -> Self {
        self.stamp = enclosure.stamp(&self.source).ok();
        self
    }

    /// The same with everything frozen that was written, and a fresh layer on it.
    pub(super) fn pushed(&self, folder: &LayerFolder) -> Result<Self> {
        self.over(self.whole(), folder)
    }

    /// Every layer, with a copy of the one that is written to.
    pub(super) fn copied(&self, folder: &LayerFolder, enclosure: &dyn Enclosure) -> Result<Frozen> {
        let copy = folder.layer(&self.top.join("upper"))?;
        enclosure.duplicate(&self.top.join("upper"), &copy.join("upper"))?;
        Ok(std::iter::once(copy).chain(self.frozen.iter().cloned()).collect())
    }

    /// A fresh layer over other frozen ones.
    pub(super) fn over(&self, frozen: Frozen, folder: &LayerFolder) -> Result<Self> {
        let fresh = Self::new(self.target.clone(), self.source.clone(), frozen, folder)?;
        Ok(Self { stamp: self.stamp.clone(), ..fresh })
    }

    /// Every layer.
    pub(super) fn whole(&self) -> Frozen {
        std::iter::once(&self.top).chain(&self.frozen).cloned().collect()
    }

    /// The stack as plans have it.
    pub(super) fn layers(&self, root: &Path) -> Layers {
        Layers {
            root: root.to_path_buf(),
            frozen: self.frozen.iter().map(|layer| layer.join("upper")).collect(),
            upper: self.top.join("upper"),
            work: self.top.join("work"),
        }
    }

    /// The mount as plans have it.
    pub(super) fn mounted(&self, root: &Path) -> Mounted {
        let shown = Shown::Layered { source: self.source.clone(), layers: self.layers(root) };
        Mounted { target: self.target.clone(), shown }
    }
}
