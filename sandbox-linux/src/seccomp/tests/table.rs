//! The table is complete, and says nothing twice.

use std::collections::BTreeSet;

use super::specs;
use crate::seccomp::table::TABLE;
use crate::seccomp::{Arch, Errno, FilterSpec, Verdict, describe, numbers};

/// Every name the `syscalls` crate knows, asked by number: its iterator omits the last one.
fn known_names() -> BTreeSet<&'static str> {
    let x86 = (0..1024).filter_map(syscalls::x86_64::Sysno::new).map(|call| call.name());
    let arm = (0..1024).filter_map(syscalls::aarch64::Sysno::new).map(|call| call.name());
    x86.chain(arm).collect()
}

fn table_names() -> Vec<&'static str> {
    TABLE.iter().flat_map(|(_, names)| names.iter().copied()).collect()
}

#[test]
fn every_call_is_classed_once() {
    let listed = table_names();
    let distinct: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(listed.len(), distinct.len(), "a call is listed twice");
    let known = known_names();
    assert!(known.len() > 380);
    let missing: Vec<_> = known.difference(&distinct).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let invented: Vec<_> = distinct.difference(&known).collect();
    assert!(invented.is_empty(), "no such calls: {invented:?}");
}

#[test]
fn numbers_are_those_of_the_architecture() {
    let pairs = [("read", 0, 63), ("execve", 59, 221), ("clone3", 435, 435), ("ioctl", 16, 29)];
    for (name, x86, arm) in pairs {
        assert_eq!(numbers::number(Arch::X86_64, name), Some(x86));
        assert_eq!(numbers::number(Arch::Aarch64, name), Some(arm));
    }
    assert_eq!(numbers::number(Arch::Aarch64, "open"), None);
}

/// Calls that no specification may ever let through, whatever their arguments.
const NEVER: &[&str] = &[
    "io_uring_setup",
    "clone3",
    "setns",
    "openat2",
    "mount",
    "open_tree",
    "move_mount",
    "fsopen",
    "pivot_root",
    "chroot",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "kexec_load",
    "init_module",
    "open_by_handle_at",
    "pidfd_getfd",
    "process_vm_writev",
    "reboot",
    "swapon",
    "acct",
    "quotactl",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "sethostname",
    "sched_setattr",
    "fanotify_init",
    "mount_setattr",
    "memfd_secret",
    "file_setattr",
];

#[test]
fn some_calls_never_pass() {
    for spec in specs() {
        let described = describe(&spec);
        for &name in NEVER {
            let verdict = described.iter().find(|(known, _)| *known == name).map(|(_, v)| *v);
            assert!(matches!(verdict, Some(Verdict::Errno(_))), "{name}: {verdict:?} {spec:?}");
        }
    }
}

/// Libraries take ENOSYS, and nothing else, as the sign to fall back.
#[test]
fn newer_calls_with_a_fallback_do_not_exist() {
    let spec = FilterSpec { arch: Arch::X86_64, ..super::PLAIN };
    for (name, verdict) in describe(&spec) {
        if ["clone3", "openat2", "io_uring_setup", "statmount"].contains(&name) {
            assert_eq!(verdict, Verdict::Errno(Errno::ENOSYS), "{name}");
        }
    }
}
