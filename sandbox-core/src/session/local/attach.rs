//! Mounts that come to a session while it lives.

use std::path::Path;
use std::sync::Arc;

use super::LocalSessions;
use super::layers::Stack;
use super::live::{Inner, Live};
use super::provision::{check_mounts, shown};
use crate::confine::Confinement;
use crate::error::{Result, SandboxError};
use crate::mount::{FilesystemMount, MountSource};
use crate::path::SandboxPath;
use crate::plan::{Host, Mounted, Plan};
use crate::session::local::folder::LayerFolder;

impl<C: Confinement + ?Sized> LocalSessions<C> {
    /// Adds a mount, for commands that run and for those to come, or changes nothing.
    pub(super) async fn attach(&self, live: &Arc<Live>, mount: FilesystemMount) -> Result<()> {
        check_mounts(std::slice::from_ref(&mount))?;
        let _gate = live.gate.lock().await;
        live.check_alive("a mount")?;
        if live.mounts().iter().any(|known| known.target == mount.target) {
            let what = format!("a mount at {}", mount.target);
            return Err(SandboxError::AlreadyExists { what });
        }
        if let MountSource::Overlay { source } = &mount.source {
            let folder = live.layers_at(&self.root)?;
            let stack = stacked(&mount.target, source, &folder)?;
            let mounted = stack.mounted(folder.path());
            let stack = stack.stamped(live.enclosure());
            return live.add(mount, mounted, |inner| inner.stacks.push(stack));
        }
        let number = live.mounts().len();
        let shown = shown(&mount.source, number, live.folder())?;
        let mounted = Mounted { target: mount.target.clone(), shown };
        let kept = mounted.clone();
        live.add(mount, mounted, |inner| inner.fixed.push(kept))
    }
}

fn stacked(target: &SandboxPath, source: &SandboxPath, folder: &LayerFolder) -> Result<Stack> {
    let missing = |error| SandboxError::MissingPath { path: source.clone().into(), source: error };
    let source = std::fs::canonicalize(source.as_path()).map_err(missing)?;
    Stack::new(target.clone(), source, Vec::new(), folder)
}

impl Live {
    /// Has the enclosure show a mount, and remembers it.
    fn add(
        &self,
        mount: FilesystemMount,
        mounted: Mounted,
        remember: impl FnOnce(&mut Inner),
    ) -> Result<()> {
        let root = self.layer_folder();
        let root = root.as_ref().map_or(Path::new(""), |folder| folder.path());
        let (fixed, stacks) = {
            let inner = self.inner();
            (inner.fixed.clone(), inner.stacks.clone())
        };
        let stacked = stacks.iter().map(|stack| stack.mounted(root));
        let target = mounted.target.as_path().to_path_buf();
        let mounts: Vec<_> = fixed.into_iter().chain(stacked).chain([mounted]).collect();
        let plan = Plan::furnished(&self.spec.policy, &mounts, &Host::current())?;
        self.enclosure().attach(&plan, &target)?;
        let mut inner = self.inner();
        inner.plan = plan;
        inner.mounts.push(mount);
        remember(&mut inner);
        Ok(())
    }
}
