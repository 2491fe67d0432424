//! Processes: no new namespaces, no further privilege, and limits of own processes alone.

use crate::seccomp::args::{Check, Rule, whole, word};
use crate::seccomp::errno::Errno;
use crate::seccomp::ruling::Ruling;
use crate::seccomp::spec::{FilterSpec, Profile, Scope};

/// `CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}`.
const NEW_NAMESPACE: u64 = 0x7e02_0000;
/// `CLONE_NEWTIME`; in clone(2) this bit belongs to the exit signal.
const NEW_TIME: u64 = 0x80;
/// `CLONE_PARENT`: the new process becomes a child of the caller's parent, which never asked
/// for it and would be woken by its end.
const AS_SIBLING: u64 = 0x8000;

/// clone: the kernel takes the low 32 bits of its flags.
pub(in crate::seccomp) fn clone(_: &FilterSpec, flags: u8) -> Ruling {
    let plain = vec![word(flags).none_of(NEW_NAMESPACE | AS_SIBLING)];
    Ruling::of(
        "no new namespaces, no child for the parent",
        vec![Check::require(Errno::EPERM, [plain])],
    )
}

/// unshare: the kernel itself refuses flags above the low 32 bits.
pub(in crate::seccomp) fn unshare(_: &FilterSpec, flags: u8) -> Ruling {
    let plain = vec![word(flags).none_of(NEW_NAMESPACE | NEW_TIME)];
    Ruling::of("no new namespaces", vec![Check::require(Errno::EPERM, [plain])])
}

/// `PER_LINUX32`: changes what uname(2) says, nothing else.
const LINUX32: u64 = 0x8;
/// `ADDR_NO_RANDOMIZE`: a debugger's wish; it makes attacks on the payload easier.
const NO_RANDOMIZE: u64 = 0x004_0000;
/// Asks for the present personality.
const QUERY: u64 = 0xffff_ffff;

/// personality: above all no `READ_IMPLIES_EXEC` and no `MMAP_PAGE_ZERO`.
pub(in crate::seccomp) fn personality(spec: &FilterSpec, persona: u8) -> Ruling {
    let allowed: &[u64] = match spec.profile {
        Profile::Strict => &[0, QUERY],
        Profile::Default => &[0, LINUX32, QUERY],
        Profile::Debug => &[0, LINUX32, QUERY, NO_RANDOMIZE],
    };
    Ruling::of(
        "the plain personality and queries",
        vec![Check::require(Errno::EPERM, word(persona).one_of(allowed))],
    )
}

/// Options of prctl(2) that rearrange the memory map (`PR_SET_MM`), claim the I/O paths of
/// storage daemons (`PR_SET_IO_FLUSHER`), reach into other tasks (`PR_SCHED_CORE`) or merge
/// pages with strangers (`PR_SET_MEMORY_MERGE`).
const PRCTL_REFUSED: [u64; 4] = [35, 57, 62, 67];
/// `PR_SET_TSC` and `PR_SET_SYSCALL_USER_DISPATCH`: emulators use them, few others.
const PRCTL_ODD: [u64; 2] = [26, 59];
/// The last option that was looked at (`PR_FUTEX_HASH`, Linux 6.16).
const PRCTL_LAST: u64 = 78;
/// `PR_SET_VMA` and `PR_SET_PTRACER` have numbers of their own.
const PRCTL_NAMED: [u64; 2] = [0x5356_4d41, 0x5961_6d61];

/// prctl: options that this table has not heard of do not exist.
pub(in crate::seccomp) fn prctl(spec: &FilterSpec, option: u8) -> Ruling {
    let mut refused = word(option).one_of(&PRCTL_REFUSED);
    if spec.profile == Profile::Strict {
        refused.extend(word(option).one_of(&PRCTL_ODD));
    }
    let mut known = vec![vec![word(option).at_most(PRCTL_LAST)]];
    known.extend(word(option).one_of(&PRCTL_NAMED));
    Ruling::of(
        "known options about the caller itself",
        vec![Check::refuse(Errno::EPERM, refused), Check::require(Errno::EINVAL, known)],
    )
}

/// prlimit64(pid, resource, new, old): others may be asked, not told.
pub(in crate::seccomp) fn prlimit64(spec: &FilterSpec, pid: u8) -> Ruling {
    match spec.scope {
        Scope::Namespaced => Ruling::Allow,
        Scope::Shared => {
            let rules: [Rule; 2] = [vec![word(pid).is(0)], vec![whole(pid + 2).is(0)]];
            Ruling::of("limits of the caller alone", vec![Check::require(Errno::EPERM, rules)])
        }
    }
}

/// `SECCOMP_SET_MODE_FILTER`.
const SET_FILTER: u64 = 1;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
const NEW_LISTENER: u64 = 1 << 3;

/// seccomp(operation, flags, args): a program may confine itself further, but a listener would
/// take the place of one of ours, for the kernel allows one.
pub(in crate::seccomp) fn seccomp(_: &FilterSpec, operation: u8) -> Ruling {
    let listens = vec![word(operation).is(SET_FILTER), word(operation + 1).all_of(NEW_LISTENER)];
    Ruling::of("filters without a listener", vec![Check::refuse(Errno::EPERM, [listens])])
}
