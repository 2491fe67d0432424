//! The kernel state that a plan compiles to, in words.

use std::borrow::Cow;

use sandbox_core::Result;
use sandbox_core::confine::Explanation;
use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Plan};

use crate::egress::Door;
use crate::facts::Facts;
use crate::fs::landlock;
use crate::helper::Birth;
use crate::jail::{self, Jail, Tier};
use crate::report::Groups;
use crate::seccomp;

/// Compiles the plan and describes what came of it.
///
/// # Errors
/// As the compilation.
pub(crate) fn explain(
    plan: &Plan,
    tier: Tier,
    facts: &Facts,
    groups: Groups,
) -> Result<Explanation> {
    let proxied = jail::is_proxied(plan, tier, facts);
    let door = proxied.then(Door::example);
    let jail = Jail::compile(plan, tier, facts, groups, door.as_ref(), None)?;
    let mut all = Explanation::default();
    all.section("files", plan.places.iter().map(place).collect());
    let variable = |(name, _): &(std::ffi::OsString, _)| quoted(name);
    let mut environment = plan.environment.clone();
    if let Some(door) = &door {
        door.tell(&mut environment);
    }
    all.section("variables", environment.iter().map(variable).collect());
    let files = plan.candidates.iter().map(quoted);
    all.section("command", files.chain([format!("in {}", quoted(&plan.cwd))]).collect());
    if tier == Tier::Landlock && facts.landlock > 0 {
        let rules = landlock::rules_outside(plan);
        let line = |rule: &landlock::Rule| format!("{}: {:?}", quoted(&rule.path), rule.access);
        let port = proxied.then(|| "connect to the TCP port of the proxy".into());
        all.section("Landlock rules", rules.iter().map(line).chain(port).collect());
    }
    if let Some(arch) = seccomp::Arch::native().filter(|_| tier != Tier::Off) {
        let spec = jail::spec(plan, tier, jail::network(plan, proxied), arch);
        let line = |(name, verdict): (&str, seccomp::Verdict)| format!("{name}: {verdict:?}");
        all.section("system calls", seccomp::describe(&spec).into_iter().map(line).collect());
    }
    all.section("steps of the helper, ahead", ahead(&crate::ns::birth(plan, tier, facts, proxied)));
    let titles = [
        "steps of the helper, before the command",
        "steps of the command's process",
        "steps of the helper, beside the command",
    ];
    for (title, names) in titles.into_iter().zip(jail.names) {
        all.section(title, names.into_iter().map(Cow::into_owned).collect());
    }
    Ok(all)
}

/// What a helper does by itself before it knows its work.
fn ahead(birth: &Birth) -> Vec<String> {
    let network = birth.namespaces & u64::from(libc::CLONE_NEWNET.unsigned_abs()) != 0;
    let steps = [
        (birth.confined, "drop every capability for good"),
        (birth.confined, "start a keyring"),
        (network, "make the network namespace"),
        (network, "bring loopback up"),
        (birth.sockets.is_some(), "make the sockets of the way out and hand them over"),
        (birth.filter.is_some(), "filter system calls"),
        (birth.is_supplied(), "hand the filter's listener over, who makes sockets"),
    ];
    steps.into_iter().filter(|(done, _)| *done).map(|(_, step)| step.into()).collect()
}

fn place(place: &sandbox_core::plan::Place) -> String {
    let what = match place.content {
        Content::Private => "private and empty".into(),
        Content::Hidden => "hidden".into(),
        Content::Host => place.rights.name(),
    };
    format!("{}: {what}", quoted(&place.path))
}
