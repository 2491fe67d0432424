//! How sessions begin, are found, and end.

use std::sync::Arc;

use super::sandbox::probing;
use super::scene::files_below;
use super::{Sandbox, Scene};
use crate::capability::{Enforcement, Feature};
use crate::conformance::context::ensure;
use crate::conformance::{Case, Stop, Verdict};
use crate::error::SandboxError;
use crate::ids::SessionId;
use crate::policy::EnforcementLevel;
use crate::run::Sink;
use crate::session::{Labels, SandboxSpec, SandboxState, Session};
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::life::what_cannot_be_enforced_is_refused", unenforceable),
    Case::session("sessions::life::a_missing_path_is_refused", missing_path),
    Case::session("sessions::life::identifiers_are_checked", identifiers),
    Case::session("sessions::life::an_identifier_is_given_once", duplicate),
    Case::session("sessions::life::identifiers_are_made_up", made_up),
    Case::session("sessions::life::labels_and_notes_come_back", labels),
    Case::session("sessions::life::states_follow_each_other", states),
    Case::session("sessions::life::a_suspended_session_starts_nothing", suspended),
    Case::session("sessions::life::a_session_that_is_over_is_unknown", over),
    Case::session("sessions::life::the_end_of_a_session_ends_everything_in_it", end),
    Case::session("sessions::life::dropping_its_handle_ends_a_session", dropped),
    Case::session("sessions::life::a_detached_session_lives_on", detached),
    Case::session("sessions::life::sessions_do_not_see_each_other", apart),
];

/// Nothing is left of an attempt to make a session.
fn nothing_is_left(cx: &Scene<'_>) -> Verdict {
    let known = cx.wait(cx.backend.list(&Labels::new()))??.len();
    let left = files_below(&cx.store);
    ensure(known == 0 && left.is_empty(), || format!("{known} sessions and {left:?} are left"))
}

/// A limit that the backend says it does not enforce is refused where it is required.
fn unenforceable(cx: &Scene<'_>) -> Verdict {
    let absent = |feature: Feature| {
        let claims = cx.backend.capabilities().features;
        matches!(claims.get(&feature), Some(Enforcement::Absent { .. }) | None)
    };
    let hosts = cx.policy()?.allow_hosts(["example.com"])?;
    let disk = cx.policy()?.limits(|limits| limits.disk = Some(ByteSize::from_mib(8)));
    let memory = cx.policy()?.memory(ByteSize::from_mib(256));
    let asked =
        [(Feature::NetworkAllowList, hosts), (Feature::Disk, disk), (Feature::Memory, memory)];
    let asked: Vec<_> = asked.into_iter().filter(|(feature, _)| absent(*feature)).collect();
    if asked.is_empty() {
        return Err(Stop::Skipped("all that can be asked for here is enforced".into()));
    }
    for (feature, policy) in asked {
        let policy = policy.enforcement(EnforcementLevel::Required);
        let made = cx.try_open(SandboxSpec::new(policy.build()?))?;
        let refused = matches!(made, Err(SandboxError::Unenforceable { .. }));
        ensure(refused, || format!("{feature} is absent, and a session gave {made:?}"))?;
        nothing_is_left(cx)?;
    }
    Ok(())
}

fn missing_path(cx: &Scene<'_>) -> Verdict {
    let policy = cx.policy()?.read(cx.ws.join("not-there"))?.build()?;
    let made = cx.try_open(SandboxSpec::new(policy))?;
    ensure(matches!(made, Err(SandboxError::MissingPath { .. })), || format!("{made:?}"))?;
    nothing_is_left(cx)
}

/// Also those that are read from a file, and a session is never made under a name like these.
fn identifiers(cx: &Scene<'_>) -> Verdict {
    let long = "a".repeat(SessionId::LONGEST + 1);
    for text in ["", ".", "..", "../a", "a/b", "A", "a b", "-a", "a\n", "ä", "a\0", &long] {
        let read = serde_json::from_value::<SessionId>(text.into());
        let taken = SessionId::new(text).is_ok() || read.is_ok();
        ensure(!taken, || format!("{text:?} is taken for an identifier"))?;
    }
    let longest = SessionId::new("a".repeat(SessionId::LONGEST)).map_err(SandboxError::from)?;
    let sandbox = cx.open(cx.spec()?.id(longest.clone()))?;
    ensure(sandbox.id == longest, || format!("it is called {}", sandbox.id))?;
    sandbox.works()
}

fn duplicate(cx: &Scene<'_>) -> Verdict {
    let spec = cx.spec()?.id(id("one")?).label("which", "first");
    let first = cx.open(spec.clone())?;
    first.ask_one(&["put", "mine", "x"])?.allowed()?;
    let task = first.start_beating("beats")?;
    let second = cx.try_open(spec.label("which", "second"))?;
    ensure(matches!(second, Err(SandboxError::AlreadyExists { .. })), || format!("{second:?}"))?;
    let known = cx.wait(cx.backend.get(&first.id))??;
    ensure(known.labels["which"] == "first", || format!("{:?}", known.labels))?;
    first.ask_one(&["read", "mine"])?.says("x")?;
    cx.beats(&cx.ws.join("beats"))?;
    Ok(cx.wait(first.tasks()?.kill(&first.id, task))??)
}

fn id(text: &str) -> Verdict<SessionId> {
    Ok(SessionId::new(text).map_err(SandboxError::from)?)
}

fn made_up(cx: &Scene<'_>) -> Verdict {
    let (one, other) = (cx.sandbox()?, cx.sandbox()?);
    ensure(one.id != other.id, || format!("two sessions are called {}", one.id))?;
    one.works()?;
    other.works()
}

fn labels(cx: &Scene<'_>) -> Verdict {
    let spec = |kind: &str| {
        let spec = cx.spec()?.label("kind", kind).label("of", "the suite");
        Verdict::Ok(spec.metadata("note", "only\nhere"))
    };
    let (a, b) = (cx.open(spec("a")?)?, cx.open(spec("b")?)?);
    let known = cx.wait(cx.backend.get(&a.id))??;
    let expected = [("kind", "a"), ("of", "the suite")].map(|(k, v)| (k.into(), v.into()));
    ensure(known.labels == Labels::from(expected), || format!("labels {:?}", known.labels))?;
    let note = known.metadata.get("note").map(String::as_str);
    ensure(note == Some("only\nhere"), || format!("notes {:?}", known.metadata))?;
    let mut all = [a.id.clone(), b.id];
    all.sort();
    for (wanted, expected) in [
        (vec![], &all[..]),
        (vec![("of", "the suite")], &all),
        (vec![("of", "the suite"), ("kind", "a")], std::slice::from_ref(&a.id)),
        (vec![("kind", "c")], &[]),
        (vec![("other", "a")], &[]),
    ] {
        let wanted = wanted.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let found = cx.wait(cx.backend.list(&wanted))??;
        let ids: Vec<_> = found.into_iter().map(|session| session.id).collect();
        ensure(ids == expected, || format!("{wanted:?} finds {ids:?}"))?;
    }
    Ok(())
}

fn is(sandbox: &Sandbox<'_>, expected: SandboxState) -> Verdict {
    let state = sandbox.state()?;
    ensure(state == expected, || format!("it is {state:?}, not {expected:?}"))
}

fn states(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    is(&sandbox, SandboxState::Provisioned)?;
    sandbox.works()?;
    is(&sandbox, SandboxState::Running)?;
    sandbox.suspend()?;
    is(&sandbox, SandboxState::Suspended)?;
    sandbox.suspend()?;
    is(&sandbox, SandboxState::Suspended)?;
    sandbox.resume()?;
    is(&sandbox, SandboxState::Running)?;
    sandbox.works()?;
    sandbox.terminate()?;
    let gone = cx.wait(cx.backend.get(&sandbox.id))?;
    let is_over = match &gone {
        Ok(session) => session.state == SandboxState::Terminated,
        Err(error) => matches!(error, SandboxError::SessionNotFound { .. }),
    };
    ensure(is_over, || format!("{gone:?}"))
}

fn suspended(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.works()?;
    sandbox.suspend()?;
    let request = || sandbox.request(&[&["put", "it-ran", "x"]]);
    let exec = sandbox.attempt(request())?.map(drop);
    let spawn = cx.wait(cx.backend.spawn(&sandbox.id, request()))?.map(drop);
    let task = cx.wait(sandbox.tasks()?.start(&sandbox.id, request()))?.map(drop);
    for (call, result) in [("exec", exec), ("spawn", spawn), ("a task", task)] {
        let refused = matches!(result, Err(SandboxError::WrongState { .. }));
        ensure(refused, || format!("{call}: {result:?}"))?;
    }
    sandbox.resume()?;
    sandbox.works()?;
    ensure(!cx.ws.join("it-ran").exists(), || "something ran while it was suspended".into())
}

fn over(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.works()?;
    sandbox.terminate()?;
    let (id, name) = (&sandbox.id, super::snapshots::name("late")?);
    let asked = probing(&[&["cwd"]]);
    let unknown = |call: &str, result: Result<(), SandboxError>| {
        let typed = matches!(
            result,
            Err(SandboxError::SessionNotFound { .. } | SandboxError::WrongState { .. })
        );
        ensure(typed, || format!("{call} of a session that is over: {result:?}"))
    };
    unknown("exec", cx.wait(cx.backend.exec(id, asked.clone()))?.map(drop))?;
    unknown("spawn", cx.wait(cx.backend.spawn(id, asked.clone()))?.map(drop))?;
    unknown("a task", cx.wait(sandbox.tasks()?.start(id, asked))?.map(drop))?;
    unknown("the tasks", cx.wait(sandbox.tasks()?.list(id))?.map(drop))?;
    unknown("a snapshot", cx.wait(cx.backend.snapshot(id, &name))?.map(drop))?;
    unknown("a restore", cx.wait(cx.backend.restore(id, &name))?)?;
    unknown("a fork", cx.wait(cx.backend.fork(id, 1))?.map(drop))?;
    unknown("a difference", cx.wait(cx.backend.diff(id))?.map(drop))?;
    unknown("files", cx.wait(cx.backend.files(id))?.map(drop))?;
    unknown("a port", cx.wait(cx.backend.publish(id, 80, None))?.map(drop))?;
    unknown("suspending", cx.wait(cx.backend.suspend(id))?)?;
    unknown("resuming", cx.wait(cx.backend.resume(id))?)?;
    unknown("usage", cx.wait(cx.backend.usage(id))?.map(drop))?;
    unknown("health", cx.wait(cx.backend.health(id))?.map(drop))?;
    unknown("its end", cx.wait(cx.backend.terminate(id))?)
}

/// The command that somebody waits for, what it has detached, and a task.
fn end(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.start_beating("task")?;
    let token = cx.token.clone();
    let request = sandbox.request(&[
        &["background", "detach", "/", "ignore-signals", "/", "beat", "detached", &token],
        &["sleep", "8000", &token],
    ]);
    let running = cx.wait(cx.backend.spawn(&sandbox.id, request))??;
    cx.beats(&cx.ws.join("detached"))?;
    sandbox.terminate()?;
    let result = cx.wait(running.finish(Sink::Discard, Sink::Discard))?;
    let told = result.as_ref().map_or(true, |result| !result.exit.success());
    ensure(told, || format!("{result:?}"))?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("task"))?;
    cx.stands_still(&cx.ws.join("detached"))?;
    nothing_is_left(cx)
}

fn dropped(cx: &Scene<'_>) -> Verdict {
    let id = id("dropped")?;
    let spec = cx.spec()?.id(id.clone());
    let session = cx.offered(cx.wait(Session::provision(Arc::clone(&cx.backend), spec))?)?;
    let sandbox = Sandbox { scene: cx, id };
    sandbox.start_beating("beats")?;
    cx.wait(async { drop(session) })?;
    cx.eventually(async || {
        let gone = cx.backend.get(&sandbox.id).await;
        Ok(matches!(gone, Err(SandboxError::SessionNotFound { .. })))
    })?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("beats"))
}

fn detached(cx: &Scene<'_>) -> Verdict {
    let session = cx.wait(Session::provision(Arc::clone(&cx.backend), cx.spec()?))?;
    let id = cx.offered(session)?.detach();
    let guest = cx.wait(Session::attach(Arc::clone(&cx.backend), id.clone()))??;
    cx.wait(async { drop(guest) })?;
    Sandbox { scene: cx, id: id.clone() }.works()?;
    let unknown = cx.wait(Session::attach(Arc::clone(&cx.backend), self::id("nobody")?))?;
    let typed = matches!(unknown.map(drop), Err(SandboxError::SessionNotFound { .. }));
    ensure(typed, || "a handle to no session was given".into())?;
    let owner = cx.wait(Session::attach(Arc::clone(&cx.backend), id.clone()))??;
    cx.wait(owner.terminate())??;
    let gone = cx.wait(cx.backend.get(&id))?;
    ensure(matches!(gone, Err(SandboxError::SessionNotFound { .. })), || format!("{gone:?}"))
}

fn apart(cx: &Scene<'_>) -> Verdict {
    let (one, other) = (cx.sandbox()?, cx.sandbox()?);
    let memory = one.seen_at(crate::MEMORY_MOUNT)?;
    one.ask_one(&["put", &format!("{memory}/secret"), "x"])?.allowed()?;
    // By the first one's path as well as by its own.
    other.ask_one(&["read", &format!("{memory}/secret")])?.refused()?;
    let own = other.seen_at(crate::MEMORY_MOUNT)?;
    other.ask_one(&["exists", &format!("{own}/secret")])?.refused()?;
    let store = cx.store.to_string_lossy().into_owned();
    other.ask_one(&["list", &store])?.refused()?;
    one.ask_one(&["read", &format!("{memory}/secret")])?.says("x")
}
