//! The hosts that a session lists: they change while it lives, and what was decided is told.

use super::sandbox::probing;
use super::{Sandbox, Scene};
use crate::capability::Feature::NetworkAllowList;
use crate::conformance::context::ensure;
use crate::conformance::greeter::{GREETING, Greeter};
use crate::conformance::{Case, Verdict};
use crate::egress::decision::{End, Verdict as Decided};
use crate::error::SandboxError;
use crate::policy::network::{HostRule, NetworkPolicy};
use crate::session::SessionNetwork;

const LISTS: &[crate::capability::Feature] = &[NetworkAllowList];

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::network::rules_change_while_a_session_lives", rules_change)
        .under(LISTS),
    Case::session("sessions::network::what_is_taken_away_is_reset", taken_away).under(LISTS),
    Case::session("sessions::network::rules_change_while_it_is_suspended", suspended).under(LISTS),
    Case::session("sessions::network::forks_have_the_rules_of_now", forks).under(LISTS),
    Case::session("sessions::network::what_was_not_made_is_refused", not_made).under(LISTS),
];

/// A policy that lists these.
fn listing(greeters: &[&Greeter]) -> Verdict<NetworkPolicy> {
    let rule = |greeter: &&Greeter| greeter.rule().parse::<HostRule>();
    let rules: Result<Vec<_>, _> = greeters.iter().map(rule).collect();
    let allowed_hosts = rules.map_err(crate::policy::PolicyError::from)?;
    Ok(NetworkPolicy::limited(allowed_hosts))
}

fn open<'a>(cx: &'a Scene<'_>, network: NetworkPolicy) -> Verdict<Sandbox<'a>> {
    cx.open(cx.spec_under(cx.policy()?.network(network))?)
}

fn apply(sandbox: &Sandbox<'_>, network: NetworkPolicy) -> Verdict {
    let cx = sandbox.scene;
    cx.offered(cx.wait(cx.backend.apply_network_policy(&sandbox.id, network))?)
}

fn network(sandbox: &Sandbox<'_>, seen: u64) -> Verdict<SessionNetwork> {
    let cx = sandbox.scene;
    cx.offered(cx.wait(cx.backend.network(&sandbox.id, seen))?)
}

/// Those and no others are reached, as the session says itself.
fn reaches(sandbox: &Sandbox<'_>, yes: &[&Greeter], no: &[&Greeter]) -> Verdict {
    for greeter in yes {
        sandbox.ask_one(&["tcp", &greeter.address()])?.says(GREETING)?;
    }
    for greeter in no {
        let before = greeter.came();
        sandbox.ask_one(&["tcp", &greeter.address()])?.refused()?;
        ensure(greeter.came() == before, || "the host's server was reached".into())?;
    }
    let (said, known) = (network(sandbox, u64::MAX)?, listing(yes)?);
    let cx = sandbox.scene;
    let told = cx.wait(cx.backend.get(&sandbox.id))??.network;
    ensure(said.policy == known && told == known, || format!("{said:?}, {told:?}"))
}

fn rules_change(cx: &Scene<'_>) -> Verdict {
    let (one, other) = (Greeter::start()?, Greeter::start()?);
    let sandbox = open(cx, listing(&[&one])?)?;
    reaches(&sandbox, &[&one], &[&other])?;
    apply(&sandbox, listing(&[&other])?)?;
    reaches(&sandbox, &[&other], &[&one])?;
    apply(&sandbox, NetworkPolicy::denied())?;
    reaches(&sandbox, &[], &[&one, &other])?;
    apply(&sandbox, listing(&[&one, &other])?)?;
    reaches(&sandbox, &[&one, &other], &[])?;
    // Each that was carried is told once, when it has ended; what was refused need not have come so
    // far that somebody decided.
    cx.eventually(async || {
        let all = cx.backend.network(&sandbox.id, 0).await?.decisions;
        let carried = all.iter().filter(|it| it.verdict == Decided::Allow).count();
        ensure(carried <= 4, || format!("4 connections, {carried} told: {all:?}"))?;
        Ok(carried == 4)
    })?;
    let total = network(&sandbox, 0)?.summary.total;
    let new = network(&sandbox, total)?.decisions;
    ensure(new.is_empty(), || format!("told twice: {new:?}"))
}

fn taken_away(cx: &Scene<'_>) -> Verdict {
    let (one, other) = (Greeter::start()?, Greeter::start()?);
    let sandbox = open(cx, listing(&[&one, &other])?)?;
    let hold = |greeter: &Greeter| {
        sandbox.start(probing(&[&["tcp-hold", &greeter.address(), &*cx.token]]))
    };
    let (cut, kept) = (hold(&one)?, hold(&other)?);
    let tasks = sandbox.tasks()?;
    let says = |task, word: &'static str| {
        cx.eventually(async || {
            let log = tasks.log(&sandbox.id, task).await?;
            Ok(String::from_utf8_lossy(&log).contains(word))
        })
    };
    says(cut, "ready")?;
    says(kept, "ready")?;
    apply(&sandbox, listing(&[&other])?)?;
    says(cut, "err Connection reset")?;
    let info = cx.wait(tasks.get(&sandbox.id, kept))??;
    ensure(info.ended.is_none(), || format!("what is still listed was cut: {info:?}"))?;
    cx.eventually(async || {
        let all = cx.backend.network(&sandbox.id, 0).await?.decisions;
        ensure(all.len() <= 1, || format!("one was cut: {all:?}"))?;
        Ok(all.iter().any(|it| it.end == Some(End::Revoked)))
    })
}

fn suspended(cx: &Scene<'_>) -> Verdict {
    let (one, other) = (Greeter::start()?, Greeter::start()?);
    let sandbox = open(cx, listing(&[&one])?)?;
    sandbox.suspend()?;
    apply(&sandbox, listing(&[&other])?)?;
    sandbox.resume()?;
    reaches(&sandbox, &[&other], &[&one])
}

fn forks(cx: &Scene<'_>) -> Verdict {
    let (one, other) = (Greeter::start()?, Greeter::start()?);
    let sandbox = open(cx, listing(&[&one])?)?;
    apply(&sandbox, listing(&[&other])?)?;
    let made = cx.offered(cx.wait(cx.backend.fork(&sandbox.id, 1))?)?;
    let id = made.into_iter().next().ok_or_else(|| super::super::Stop::failed("no fork"))?.id;
    let fork = Sandbox { scene: cx, id };
    reaches(&fork, &[&other], &[&one])?;
    // Each has rules of its own from then on.
    apply(&fork, listing(&[&one])?)?;
    reaches(&fork, &[&one], &[&other])?;
    reaches(&sandbox, &[&other], &[&one])
}

/// Nothing is half done: who was made without rules says so, and stays as it is.
fn not_made(cx: &Scene<'_>) -> Verdict {
    let greeter = Greeter::start()?;
    let sandbox = open(cx, NetworkPolicy::denied())?;
    let answer = cx.wait(cx.backend.apply_network_policy(&sandbox.id, listing(&[&greeter])?))?;
    match answer {
        Ok(()) => reaches(&sandbox, &[&greeter], &[]),
        Err(SandboxError::Unsupported { .. }) => reaches(&sandbox, &[], &[&greeter]),
        Err(error) => Err(error.into()),
    }
}
