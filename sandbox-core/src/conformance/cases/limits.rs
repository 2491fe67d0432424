//! Limits hold for the whole tree, and their reaching is told apart.

use std::fs;
use std::time::Duration;

use crate::capability::Feature::{CpuTime, Disk, FileSize, Idle, OpenFiles, Processes};
use crate::conformance::context::{Context, all_allowed, at, ensure};
use crate::conformance::{Case, Verdict};
use crate::exec::{Exit, KillReason};
use crate::policy::limits::ResourceLimits;
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::promise("limits::cpu_time_of_one_process", &[CpuTime], cpu_one).alone(),
    Case::promise("limits::cpu_time_of_the_tree", &[CpuTime], cpu_tree).alone().gap(&[
        "each process",
        "tree",
        "apart",
    ]),
    Case::promise("limits::processes", &[Processes], processes).alone().gap(&[
        "each process",
        "user",
        "root",
    ]),
    Case::promise("limits::threads", &[Processes], threads).alone().gap(&[
        "each process",
        "user",
        "root",
    ]),
    Case::promise("limits::open_files", &[OpenFiles], open_files),
    Case::promise("limits::file_size", &[FileSize], file_size),
    Case::promise("limits::disk_in_private_places", &[Disk], disk).alone().gap(&["sum"]),
    Case::works("limits::idle", idle).under(&[Idle]).alone(),
    Case::works("limits::what_stays_below_goes_through", below).alone(),
];

fn limited(
    cx: &Context<'_>,
    change: impl FnOnce(&mut ResourceLimits),
) -> Verdict<crate::PolicyBuilder> {
    Ok(cx.policy()?.limits(change))
}

fn seconds(count: u64) -> Option<crate::Span> {
    Some(Duration::from_secs(count).into())
}

fn cpu_one(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| limits.cpu_time = seconds(1))?;
    let result = cx.run(policy, &cx.request(&[&["ignore-signals"], &["spin", "8000"]]))?;
    let (exit, elapsed) = (result.exit, result.elapsed);
    ensure(exit == Exit::Killed(KillReason::CpuTime), || format!("it ended with {exit:?}"))?;
    ensure(elapsed < Duration::from_secs(7), || format!("it ran for {elapsed:?}"))
}

/// No child uses as much as the limit; all of them do.
fn cpu_tree(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| limits.cpu_time = seconds(2))?;
    let result = cx.run(policy, &cx.request(&[&["spin-together", "8", "700"]]))?;
    let exit = result.exit;
    ensure(exit == Exit::Killed(KillReason::CpuTime), || format!("it ended with {exit:?}"))
}

fn processes(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| limits.processes = Some(16))?;
    cx.ask_one(policy, &["fork-many", "64"])?.refused()
}

fn threads(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| limits.processes = Some(16))?;
    cx.ask_one(policy, &["threads", "64"])?.refused()
}

fn open_files(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| limits.open_files = Some(32))?;
    cx.ask_one(policy, &["open-many", "64"])?.refused()
}

fn file_size(cx: &Context<'_>) -> Verdict {
    let file = at(&cx.ws, "big");
    let policy = limited(cx, |limits| limits.file_size = Some(ByteSize::from_mib(2)))?;
    let result = cx.run(policy, &cx.request(&[&["grow", &file, "8"]]))?;
    let weight = fs::metadata(&file)?.len();
    ensure(weight <= 2 << 20, || format!("{weight} bytes, after {:?}", result.exit))
}

fn disk(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| limits.disk = Some(ByteSize::from_mib(8)))?;
    cx.ask_one(policy, &["fill", "32"])?.refused()
}

fn idle(cx: &Context<'_>) -> Verdict {
    let idle = |limits: &mut ResourceLimits| limits.idle = Some(Duration::from_millis(700).into());
    let silent = cx.run(limited(cx, idle)?, &cx.request(&[&["sleep", "15000"]]))?;
    let (exit, elapsed) = (silent.exit, silent.elapsed);
    ensure(exit == Exit::Killed(KillReason::Idle), || format!("it ended with {exit:?}"))?;
    ensure(elapsed < Duration::from_secs(5), || format!("after {elapsed:?}"))?;
    let pause: &[&str] = &["sleep", "300"];
    let talkative = cx.request(&[pause; 5]);
    let exit = cx.run(limited(cx, idle)?, &talkative)?.exit;
    ensure(exit == Exit::Code(0), || format!("a talkative command ended with {exit:?}"))
}

fn below(cx: &Context<'_>) -> Verdict {
    let policy = limited(cx, |limits| {
        limits.cpu_time = seconds(20);
        limits.processes = Some(64);
        limits.open_files = Some(128);
        limits.file_size = Some(ByteSize::from_mib(16));
        limits.disk = Some(ByteSize::from_mib(32));
        limits.memory = Some(ByteSize::from_mib(256));
        limits.cpu_count = Some(1.0);
        limits.idle = seconds(20);
    })?;
    all_allowed(&cx.ask(
        policy,
        &[
            &["fork-many", "8"],
            &["threads", "8"],
            &["open-many", "32"],
            &["grow", &at(&cx.ws, "big"), "4"],
            &["hold", "32"],
            &["spin", "100"],
        ],
    )?)
}
