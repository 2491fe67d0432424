//! What the Landlock tier makes on the host: the ruleset, and a private folder.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::plan::Plan;
use sandbox_core::{Result, SandboxError};

use crate::egress::Door;
use crate::facts::Facts;
use crate::fs::landlock;

/// The caller's variables for a payload.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// What the Landlock tier makes on the host.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) ruleset: Option<OwnedFd>,
    pub(crate) folder: Option<Arc<crate::private::Folder>>,
}

impl Outside {
    /// Makes it, and has the environment name the private folder and the proxy.
    ///
    /// # Errors
    /// What the file system or the kernel answers.
    pub(crate) fn make(
        plan: &Plan,
        facts: &Facts,
        environment: &mut Variables,
        door: Option<&Door>,
    ) -> Result<Self> {
        let folder = crate::private::folder(plan, environment)?;
        let rules = outside_rules(plan, Some(folder.path()));
        let ruleset = outside_ruleset(&rules, plan, facts, door)?;
        if let Some(door) = door {
            door.tell(environment);
        }
        Ok(Self { ruleset, folder: Some(Arc::new(folder)) })
    }
}

/// The ruleset of a process in the host's namespaces, if the kernel has Landlock.
///
/// # Errors
/// What the kernel answers.
pub(crate) fn outside_ruleset(
    rules: &[landlock::Rule],
    plan: &Plan,
    facts: &Facts,
    door: Option<&Door>,
) -> Result<Option<OwnedFd>> {
    if facts.landlock == 0 {
        return Ok(None);
    }
    let handled = landlock::Handled::new(facts.landlock, !super::open_network(plan));
    let made = crate::helper::high(landlock::ruleset(rules, handled, door.map(|door| door.port))?);
    made.map(Some).map_err(SandboxError::io("keeping the ruleset"))
}

/// The rules of a process in the host's namespaces; `private` is its private folder.
pub(crate) fn outside_rules(plan: &Plan, private: Option<&Path>) -> Vec<landlock::Rule> {
    let mut rules = landlock::rules_outside(plan);
    let access = landlock::access(sandbox_core::Rights::READ_WRITE, true);
    let folder = private.map(|path| landlock::Rule { path: path.into(), access, directory: true });
    rules.extend(folder);
    rules
}
