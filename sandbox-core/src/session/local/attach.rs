//! Mounts that come to a session while it lives.

use std::path::PathBuf;
use std::sync::Arc;

use super::LocalSessions;
use super::layers::Stack;
use super::live::{Inner, Live};
use super::provision::{check_mounts, furnish, shown};
use crate::confine::Confinement;
use crate::egress::decision;
use crate::error::{Result, SandboxError};
use crate::mount::{FilesystemMount, MountSource};
use crate::plan::{self, Host, Mounted};

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
        let (policy, wanted) = (&live.spec.policy, std::slice::from_ref(&mount));
        let found = plan::sources(policy, wanted, &live.mounted(), &Host::current())?;
        let source = found.into_iter().next().flatten();
        if let (MountSource::Overlay { .. }, Some(source)) = (&mount.source, &source) {
            let folder = live.layers_at(&self.root)?;
            let stack = Stack::new(mount.target.clone(), source.clone(), Vec::new(), &folder)?;
            let mounted = stack.mounted(folder.path());
            let stack = stack.stamped(live.enclosure());
            return live.add((mount, Some(source.clone())), mounted, |it| it.stacks.push(stack));
        }
        let number = live.mounts().len();
        let shown = shown(&mount.source, source.as_deref(), number, live.folder())?;
        let mounted = Mounted { target: mount.target.clone(), shown };
        let kept = mounted.clone();
        live.add((mount, source), mounted, |inner| inner.fixed.push(kept))
    }
}

impl Live {
    /// Has the enclosure show a mount, and remembers it.
    fn add(
        &self,
        (mount, source): (FilesystemMount, Option<PathBuf>),
        mounted: Mounted,
        remember: impl FnOnce(&mut Inner),
    ) -> Result<()> {
        let target = mounted.target.as_path().to_path_buf();
        let mounts: Vec<_> = self.mounted().into_iter().chain([mounted]).collect();
        let mut plan = furnish(&self.spec.policy, &mounts, &Host::current())?;
        plan.network = self.inner().plan.network.clone();
        if let Some(log) = &self.spec.net_log {
            decision::check_file(log, &plan)?;
        }
        self.enclosure().attach(&plan, &target)?;
        let mut inner = self.inner();
        inner.plan = plan;
        inner.mounts.push(mount);
        inner.sources.push(source);
        remember(&mut inner);
        Ok(())
    }
}
