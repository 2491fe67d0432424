//! The whole tree ends with the run, whatever it does to stay.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::capability::Feature::{Lifetime, WallTime};
use crate::conformance::context::{Context, at, ensure};
use crate::conformance::{Case, Verdict};
use crate::exec::{ExecResult, Exit};
use crate::run::Sink;

pub(super) const CASES: &[Case] = &[
    Case::promise("lifetime::background_processes_end", &[Lifetime], background),
    Case::promise("lifetime::detached_processes_end", &[Lifetime], detached),
    Case::promise("lifetime::stopped_processes_end", &[Lifetime], stopped),
    Case::promise("lifetime::the_wall_limit_ends_the_tree", &[WallTime, Lifetime], wall_limit),
    Case::promise(
        "lifetime::polite_signals_can_be_ignored_in_vain",
        &[WallTime, Lifetime],
        impolite,
    ),
    Case::promise("lifetime::kill_ends_the_tree", &[Lifetime], kill),
    Case::promise("lifetime::dropping_ends_the_tree", &[Lifetime], dropped),
];

/// Nothing of the run is left: nothing writes, nothing is named in the process table.
fn all_ended(cx: &Context<'_>, beats: &Path) -> Verdict {
    let weigh = || fs::metadata(beats).map_or(0, |found| found.len());
    ensure(weigh() > 0, || "the background process never came up".into())?;
    // Ending is not quite immediate after a drop, where nobody waits.
    let end = Instant::now() + Duration::from_secs(3);
    let token = cx.root.to_string_lossy();
    while !crate::conformance::sys::processes_named(&token).is_empty() {
        ensure(Instant::now() < end, || "a process outlived the run".into())?;
        thread::sleep(Duration::from_millis(20));
    }
    let before = weigh();
    thread::sleep(Duration::from_millis(200));
    ensure(weigh() == before, || "something still writes".into())
}

/// The run was not held open by what it left behind, which gives up only after a while.
fn at_once(result: &ExecResult) -> Verdict {
    ensure(result.elapsed < Duration::from_secs(6), || {
        format!("it ended after {:?}", result.elapsed)
    })
}

fn background(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    let result = cx.run(
        cx.policy()?,
        &cx.request(&[&["background", "beat", &beats], &["await", &beats], &["exit", "3"]]),
    )?;
    ensure(result.exit == Exit::Code(3), || format!("it ended with {:?}", result.exit))?;
    at_once(&result)?;
    all_ended(cx, Path::new(&beats))
}

/// A daemon as the books teach it: fork, new session, fork again.
fn detached(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    let daemon: &[&str] =
        &["background", "detach", "/", "background", "ignore-signals", "+", "beat", &beats];
    at_once(&cx.run(cx.policy()?, &cx.request(&[daemon, &["await", &beats]]))?)?;
    all_ended(cx, Path::new(&beats))
}

fn stopped(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    let sleeper: &[&str] =
        &["background", "put", &beats, "x", "/", "stop-self", "/", "beat", &beats];
    at_once(&cx.run(cx.policy()?, &cx.request(&[sleeper, &["await", &beats], &["sleep", "50"]]))?)?;
    all_ended(cx, Path::new(&beats))
}

fn timed_out(cx: &Context<'_>, commands: &[&[&str]]) -> Verdict {
    let policy = cx.policy()?.wall_time(Duration::from_millis(600));
    let result = cx.run(policy, &cx.request(commands))?;
    ensure(result.exit == Exit::TimedOut, || format!("it ended with {:?}", result.exit))?;
    at_once(&result)?;
    all_ended(cx, &cx.ws.join("beats"))
}

fn wall_limit(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    timed_out(cx, &[&["background", "detach", "/", "beat", &beats], &["sleep", "15000"]])
}

fn impolite(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    let child: &[&str] = &["background", "ignore-signals", "/", "beat", &beats];
    timed_out(cx, &[child, &["ignore-signals"], &["sleep", "15000"]])
}

fn kill(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    let request =
        cx.request(&[&["background", "detach", "/", "beat", &beats], &["sleep", "15000"]]);
    let result = cx.start(cx.policy()?, &request, async |running| {
        let process = running.process();
        let kill = async {
            wait_for(&beats).await;
            process.kill()
        };
        tokio::join!(kill, running.finish(Sink::Discard, Sink::Discard))
    })?;
    result.0?;
    let result = result.1?;
    at_once(&result)?;
    let exit = result.exit;
    let told = matches!(exit, Exit::Killed(_) | Exit::Signal(libc::SIGKILL));
    ensure(told, || format!("it ended with {exit:?}"))?;
    all_ended(cx, Path::new(&beats))
}

fn dropped(cx: &Context<'_>) -> Verdict {
    let beats = at(&cx.ws, "beats");
    let request =
        cx.request(&[&["background", "detach", "/", "beat", &beats], &["sleep", "15000"]]);
    cx.start(cx.policy()?, &request, async |running| {
        wait_for(&beats).await;
        drop(running);
    })?;
    all_ended(cx, Path::new(&beats))
}

async fn wait_for(path: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while !Path::new(path).exists() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
