//! The memory limit holds for one process and for many together, and its reaching is told.

use crate::capability::Feature::{Memory, PrivatePlaces};
use crate::conformance::context::{Answer, Context, answers, ensure};
use crate::conformance::{Case, Stop, Verdict};
use crate::exec::{ExecResult, Exit};
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::promise("memory::one_process_cannot_pass_the_limit", &[Memory], one).alone(),
    Case::promise("memory::many_processes_cannot_pass_it_together", &[Memory], many)
        .alone()
        .gap(&["each process", "tree"]),
    Case::promise("memory::private_places_count", &[Memory, PrivatePlaces], in_private_places)
        .alone()
        .gap(&["private places", "only TMPDIR"]),
    Case::promise("memory::reaching_the_limit_is_told", &[Memory], told)
        .alone()
        .gap(&["each process", "told"]),
];

fn limited(cx: &Context<'_>, commands: &[&[&str]]) -> Verdict<ExecResult> {
    let policy = cx.policy()?.memory(ByteSize::from_mib(96));
    cx.run(policy, &cx.request(commands))
}

/// Ended, or refused what it asked for.
fn stopped(result: &ExecResult, commands: &[&[&str]]) -> Verdict {
    if !result.exit.success() {
        let ended = matches!(result.exit, Exit::OutOfMemory | Exit::Signal(_));
        return ensure(ended, || format!("it ended with {:?}", result.exit));
    }
    let last = answers(result, commands)?.pop();
    last.as_ref().map_or_else(|| Err(Stop::failed("no answer")), Answer::refused)
}

fn one(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 1] = [&["hold", "256"]];
    stopped(&limited(cx, &commands)?, &commands)
}

fn many(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 1] = [&["hold-together", "8", "32"]];
    stopped(&limited(cx, &commands)?, &commands)
}

fn in_private_places(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 1] = [&["fill", "160"]];
    stopped(&limited(cx, &commands)?, &commands)
}

fn told(cx: &Context<'_>) -> Verdict {
    let exit = limited(cx, &[&["hold", "256"]])?.exit;
    ensure(exit == Exit::OutOfMemory, || format!("it ended with {exit:?}"))
}
