//! Places that come to a sandbox while it lives.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::{Result, SandboxError};

use super::{Room, exchange, failure};
use crate::cgroup::Cgroup;
use crate::fs::landlock::Handled;
use crate::fs::mounts::Addition;
use crate::handover::{self, Message};
use crate::helper::Helper;
use crate::identity::Identity;
use crate::jail::Jail;
use crate::launch::furnish;
use crate::ns;
use crate::program::Program;

impl Room {
    /// Attaches the place at a path.
    ///
    /// # Errors
    /// What cannot come, and why; the step that failed.
    pub(super) fn attach(&self, plan: &Plan, path: &Path) -> Result<()> {
        let missing = || SandboxError::InvalidRequest(format!("nothing is at {}", quoted(path)));
        let place = plan.places.iter().find(|place| place.path == path).ok_or_else(missing)?;
        let abi = self.facts.landlock;
        let handled = (abi > 0).then(|| Handled::new(abi, false));
        let addition = Addition { plan, place, handled, owner: self.user };
        check(&addition)?;
        let tree = match place.content {
            Content::Host => Some(self.lend(plan, place)?),
            _ => None,
        };
        let mut program = Program::new();
        addition.attach(&mut program);
        let mut state = self.state();
        exchange(&state, program, tree.as_ref())?.0.map_err(failure)?;
        if place.content == Content::Host && self.user.is_some() {
            state.mapped.insert(place.path.clone());
        }
        Ok(())
    }

    /// A clone of a place of the host's, attached nowhere.
    fn lend(&self, plan: &Plan, place: &Place) -> Result<OwnedFd> {
        let mut alone = plan.clone();
        alone.places = Arc::new(vec![place.clone()]);
        let identity = Identity::decide(&alone, self.user.is_some());
        if let Some(why) = &identity.kept {
            return Err(SandboxError::Unsupported {
                backend: "linux".into(),
                operation: format!("a mount whose owner cannot be mapped ({why})"),
            });
        }
        let none = Cgroup::none();
        let helper = Helper::start(ns::birth_outside(&self.facts), &self.facts, &none)?;
        let helper = furnish(&Jail::lend(&alone, place, identity)?, helper)?;
        let failed = || SandboxError::io("cloning a mount of the host");
        let control = helper.control().map_err(failed())?;
        match handover::receive(control).map_err(failed())? {
            Message::Descriptor(Some(tree)) => Ok(tree),
            _ => Err(failed()(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// Refuses what could not stay as it is.
fn check(addition: &Addition<'_>) -> Result<()> {
    let refused = |operation: &str| {
        let (backend, operation) = ("linux".into(), operation.into());
        Err(SandboxError::Unsupported { backend, operation })
    };
    let (plan, place) = (addition.plan, addition.place);
    if plan.layers.contains_key(&place.path) {
        return refused("a folder that is copied on write in a sandbox that lives");
    }
    // Between the coming of a folder and of what covers a part of it, the part would be seen.
    let inner = |other: &Place| other.path != place.path && other.path.starts_with(&place.path);
    if plan.places.iter().any(inner) {
        return refused("a mount with hidden or other places in it, in a sandbox that lives");
    }
    let Some(around) = addition.around() else { return Ok(()) };
    if plan.layers.contains_key(&around.path) {
        return refused("a mount in a folder that is copied on write, in a sandbox that lives");
    }
    let hosts = around.content == Content::Host;
    let tail = place.path.strip_prefix(&around.path).unwrap_or(&place.path);
    if around.content == Content::Hidden || hosts && !around.host().join(tail).exists() {
        let (path, around) = (quoted(&place.path), quoted(&around.path));
        return Err(SandboxError::InvalidRequest(format!(
            "there is no {path} to mount on, and it is not made in {around}: make it first, or \
             mount elsewhere"
        )));
    }
    Ok(())
}
