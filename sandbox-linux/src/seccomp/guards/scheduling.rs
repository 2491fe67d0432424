//! Priorities: no real-time classes anywhere, and where host processes can be named, changes to
//! the caller alone.

use crate::seccomp::args::{Check, word};
use crate::seccomp::errno::Errno;
use crate::seccomp::ruling::Ruling;
use crate::seccomp::spec::{FilterSpec, Scope};

/// `SCHED_OTHER`, `SCHED_BATCH`, `SCHED_IDLE`.
const ORDINARY_POLICIES: [u64; 3] = [0, 3, 5];
/// All bits but `SCHED_RESET_ON_FORK`.
const POLICY: u64 = 0xbfff_ffff;

const CALLER: &str = "of the caller alone";

/// Calls whose argument `pid` names the process to change.
pub(in crate::seccomp) fn sched_pid(spec: &FilterSpec, pid: u8) -> Ruling {
    Ruling::of(CALLER, caller_alone(spec, pid))
}

/// sched_setscheduler(pid, policy, param).
pub(in crate::seccomp) fn sched_setscheduler(spec: &FilterSpec, pid: u8) -> Ruling {
    let mut checks = caller_alone(spec, pid);
    let ordinary = ORDINARY_POLICIES.map(|policy| vec![word(pid + 1).bits(POLICY, policy)]);
    checks.push(Check::require(Errno::EPERM, ordinary));
    Ruling::of("ordinary scheduling classes", checks)
}

/// setpriority(which, who, niceness): a process or a process group, not all of a user's.
pub(in crate::seccomp) fn setpriority(spec: &FilterSpec, which: u8) -> Ruling {
    match spec.scope {
        Scope::Namespaced => Ruling::Allow,
        Scope::Shared => {
            let own = vec![word(which).at_most(1), word(which + 1).is(0)];
            Ruling::of(CALLER, vec![Check::require(Errno::EPERM, [own])])
        }
    }
}

/// `IOPRIO_WHO_PROCESS`.
const IO_PROCESS: u64 = 1;

/// ioprio_set(which, who, priority).
pub(in crate::seccomp) fn ioprio_set(spec: &FilterSpec, which: u8) -> Ruling {
    match spec.scope {
        Scope::Namespaced => Ruling::Allow,
        Scope::Shared => {
            let own = vec![word(which).is(IO_PROCESS), word(which + 1).is(0)];
            Ruling::of(CALLER, vec![Check::require(Errno::EPERM, [own])])
        }
    }
}

fn caller_alone(spec: &FilterSpec, pid: u8) -> Vec<Check> {
    match spec.scope {
        Scope::Namespaced => Vec::new(),
        Scope::Shared => vec![Check::require(Errno::EPERM, [vec![word(pid).is(0)]])],
    }
}
