//! No privilege, no way to gain one, no call that leads past the confinement.

use crate::capability::Feature::{Privileges, SystemCalls};
use crate::conformance::context::{Context, all_refused, ensure};
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] = &[
    Case::promise("privileges::none_can_be_gained", &[Privileges], no_new),
    Case::promise("privileges::no_capability_is_left", &[Privileges], capabilities),
    Case::works("privileges::the_group_list_is_empty_for_root", groups)
        .under(&[Privileges])
        .gap(&["group"]),
    Case::promise("privileges::a_system_call_filter_is_active", &[SystemCalls], filter),
    Case::promise("privileges::io_uring_is_refused", &[SystemCalls], io_uring),
    Case::promise("privileges::user_namespaces_are_refused", &[SystemCalls], namespaces),
    Case::promise("privileges::mounting_is_refused", &[SystemCalls], mounting),
    Case::promise("privileges::kernel_interfaces_are_refused", &[SystemCalls], interfaces),
    Case::promise("privileges::key_rings_are_refused", &[SystemCalls], keys),
];

fn status(cx: &Context<'_>, field: &str) -> Verdict<String> {
    Ok(cx.ask_one(cx.policy()?, &["status", field])?.allowed()?.to_owned())
}

fn no_new(cx: &Context<'_>) -> Verdict {
    let value = status(cx, "NoNewPrivs")?;
    ensure(value == "1", || format!("NoNewPrivs is {value}"))
}

fn capabilities(cx: &Context<'_>) -> Verdict {
    // The bounding set of an ordinary user cannot be dropped, and gives nothing.
    let bounding = rustix::process::geteuid().is_root().then_some("CapBnd");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().chain(bounding) {
        let value = status(cx, set)?;
        ensure(value.chars().all(|digit| digit == '0'), || format!("{set} is {value}"))?;
    }
    Ok(())
}

/// Groups grant what no rule names; an ordinary caller cannot drop them.
fn groups(cx: &Context<'_>) -> Verdict {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let value = status(cx, "Groups")?;
    ensure(value.is_empty() || value == "65534", || format!("the groups are {value}"))
}

fn filter(cx: &Context<'_>) -> Verdict {
    let value = status(cx, "Seccomp")?;
    ensure(value == "2", || format!("the filter mode is {value}"))
}

fn calls_refused(cx: &Context<'_>, names: &[&str]) -> Verdict {
    let commands: Vec<[&str; 2]> = names.iter().map(|name| ["call", name]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|c| &c[..]).collect();
    all_refused(&cx.ask(cx.policy()?, &commands)?)
}

fn io_uring(cx: &Context<'_>) -> Verdict {
    calls_refused(cx, &["io_uring_setup", "io_uring_enter", "io_uring_register"])
}

fn namespaces(cx: &Context<'_>) -> Verdict {
    calls_refused(cx, &["clone_newuser", "unshare_newuser", "setns"])
}

fn mounting(cx: &Context<'_>) -> Verdict {
    calls_refused(cx, &["mount", "pivot_root", "fsopen", "open_tree"])
}

fn interfaces(cx: &Context<'_>) -> Verdict {
    calls_refused(
        cx,
        &[
            "bpf",
            "perf_event_open",
            "userfaultfd",
            "open_by_handle_at",
            "kexec_load",
            "init_module",
            "finit_module",
            "delete_module",
            "swapon",
            "reboot",
        ],
    )
}

fn keys(cx: &Context<'_>) -> Verdict {
    calls_refused(cx, &["keyctl", "add_key", "request_key"])
}
