//! What a session keeps from command to command, and what time does to it.

use std::time::Duration;

use super::scene::files_below;
use super::{Sandbox, Scene};
use crate::conformance::context::ensure;
use crate::conformance::{Case, Stop, Verdict};
use crate::error::SandboxError;
use crate::run::Sink;
use crate::session::{OnIdle, SandboxState};
use crate::size::Span;

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::state::memory_and_outputs_last", own_places),
    Case::session("sessions::state::suspending_stops_and_resuming_goes_on", suspending),
    Case::session("sessions::state::a_suspended_session_ends_as_any_other", suspended_end),
    Case::session("sessions::state::a_quiet_session_is_suspended", idle_suspended),
    Case::session("sessions::state::a_quiet_session_is_ended", idle_ended),
    Case::session("sessions::state::a_busy_session_is_not_quiet", busy),
    Case::session("sessions::state::a_session_ends_at_its_time", time_to_live),
    Case::session("sessions::state::use_is_measured", usage),
    Case::session("sessions::state::health_is_told", health),
    Case::session("sessions::state::what_is_dead_is_reaped_and_nothing_else", reaped),
];

fn span(millis: u64) -> Span {
    Duration::from_millis(millis).into()
}

/// Both by their variables, and where a session can show a folder anywhere, by their paths.
fn own_places(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    for (variable, place) in
        [("SANDBOX_MEMORY_DIR", crate::MEMORY_MOUNT), ("SANDBOX_OUTPUTS_DIR", crate::OUTPUTS_MOUNT)]
    {
        let named = sandbox.ask_one(&["variable", variable])?.allowed()?.to_owned();
        let seen = sandbox.seen_at(place)?;
        ensure(named == seen, || format!("{variable} names {named}, {place} lies at {seen}"))?;
        let file = format!("{named}/kept");
        sandbox.ask_one(&["create", &file, "from command to command"])?.allowed()?;
        sandbox.ask_one(&["read", &file])?.says("from command to command")?;
        sandbox.ask_from(place, &["read", "kept"])?.says("from command to command")?;
        sandbox.ask_one(&["mkdir", &format!("{named}/folder")])?.allowed()?;
    }
    Ok(())
}

fn suspending(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let beats = cx.ws.join("beats");
    sandbox.start_beating("beats")?;
    let request = sandbox.request(&[&["beat", "others", &cx.token]]);
    let running = cx.wait(cx.backend.spawn(&sandbox.id, request))??;
    cx.beats(&cx.ws.join("others"))?;
    sandbox.suspend()?;
    cx.stands_still(&beats)?;
    cx.stands_still(&cx.ws.join("others"))?;
    sandbox.resume()?;
    cx.beats(&beats)?;
    cx.beats(&cx.ws.join("others"))?;
    // And once more: neither is a thing that works once.
    sandbox.suspend()?;
    cx.stands_still(&beats)?;
    sandbox.resume()?;
    cx.beats(&beats)?;
    let killed = cx.wait(async {
        running.process().kill()?;
        running.finish(Sink::Discard, Sink::Discard).await
    })??;
    ensure(!killed.exit.success(), || format!("{:?}", killed.exit))
}

fn suspended_end(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.start_beating("beats")?;
    sandbox.suspend()?;
    sandbox.terminate()?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("beats"))?;
    let left = files_below(&cx.store);
    ensure(left.is_empty(), || format!("left: {left:?}"))
}

fn comes_to_be(sandbox: &Sandbox<'_>, expected: SandboxState) -> Verdict {
    let backend = &sandbox.scene.backend;
    sandbox.scene.eventually(async || Ok(backend.get(&sandbox.id).await?.state == expected))
}

fn comes_to_its_end(sandbox: &Sandbox<'_>) -> Verdict {
    let scene = sandbox.scene;
    scene.eventually(async || {
        let gone = scene.backend.get(&sandbox.id).await;
        Ok(matches!(gone, Err(SandboxError::SessionNotFound { .. })))
    })?;
    scene.eventually(async || Ok(files_below(&scene.store).is_empty()))?;
    scene.all_gone()
}

fn idle_suspended(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec()?.idle(span(300), OnIdle::Suspend))?;
    sandbox.ask_one(&["put", "new", "kept"])?.allowed()?;
    comes_to_be(&sandbox, SandboxState::Suspended)?;
    sandbox.resume()?;
    sandbox.ask_one(&["read", "new"])?.says("kept")?;
    comes_to_be(&sandbox, SandboxState::Suspended)
}

fn idle_ended(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec()?.idle(span(300), OnIdle::Terminate))?;
    sandbox.works()?;
    comes_to_its_end(&sandbox)
}

/// A command that runs longer than the session may be quiet.
fn busy(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec()?.idle(span(300), OnIdle::Terminate))?;
    sandbox.ask_one(&["sleep", "1200"])?.allowed()?;
    comes_to_its_end(&sandbox)
}

/// Whatever runs in it.
fn time_to_live(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec()?.ttl(span(1500)))?;
    sandbox.start_beating("beats")?;
    comes_to_its_end(&sandbox)?;
    cx.stands_still(&cx.ws.join("beats"))
}

fn usage(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    for _ in 0..2 {
        sandbox.ask_one(&["spin", "200"])?.allowed()?;
    }
    sandbox.ask_one(&["hold", "16"])?.allowed()?;
    let usage = cx.wait(cx.backend.usage(&sandbox.id))??;
    let cpu = usage.cpu.unwrap_or_default();
    let right = !cpu.is_zero() && cpu < Duration::from_secs(30);
    ensure(right, || format!("after 400 ms of work {cpu:?} are told"))?;
    let peak = usage.memory_peak.unwrap_or_default();
    ensure(peak > 16 << 20, || format!("after holding 16 MiB a peak of {peak} is told"))
}

fn health(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let well = || {
        let health = cx.wait(cx.backend.health(&sandbox.id))??;
        ensure(health.healthy && health.why.is_none(), || format!("{health:?}"))
    };
    well()?;
    sandbox.run(sandbox.request(&[&["signal-self", "9"]]))?;
    well()?;
    sandbox.suspend()?;
    well()?;
    sandbox.terminate()?;
    let gone = cx.wait(cx.backend.health(&sandbox.id))?;
    ensure(matches!(gone, Err(SandboxError::SessionNotFound { .. })), || format!("{gone:?}"))
}

fn reaped(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.start_beating("beats")?;
    let count = cx.wait(cx.backend.reap())??;
    ensure(count == 0, || format!("{count} were reaped while all live"))?;
    let Some(plant) = cx.keeper.plant() else {
        sandbox.works()?;
        return Err(Stop::Skipped("it is not told how a dead session looks".into()));
    };
    plant(&cx.store)?;
    let with_dead = files_below(&cx.store).len();
    let count = cx.wait(cx.backend.reap())??;
    ensure(count == 1, || format!("{count} were reaped"))?;
    let left = files_below(&cx.store).len();
    ensure(left < with_dead, || "what is dead is still there".into())?;
    sandbox.works()?;
    cx.beats(&cx.ws.join("beats"))?;
    let count = cx.wait(cx.backend.reap())??;
    ensure(count == 0, || format!("{count} were reaped a second time"))
}
