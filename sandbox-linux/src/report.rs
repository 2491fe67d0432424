//! What a tier enforces, feature by feature: the one place where claims are made.
//!
//! Every claim here has a case in the conformance suite. A gap is named where it is known, with
//! what it lets through.

use std::collections::BTreeMap;

use sandbox_core::egress::Level;
use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::EnforcementLevel;
use sandbox_core::policy::filesystem::Rights;
use sandbox_core::{Enforcement, Feature, NetworkPolicy, Report};

use crate::facts::Facts;
use crate::fs::landlock;
use crate::jail::{self, Tier};
use crate::rlimit::Held;

type Claims = BTreeMap<Feature, Enforcement>;

/// What would be held of the limits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Groups {
    pub(crate) held: Held,
    pub(crate) cpus: bool,
}

/// The tier's name, as reports show it.
pub(crate) fn tier_name(tier: Tier, groups: bool) -> &'static str {
    match (tier, groups) {
        (Tier::Off, _) => "off",
        (Tier::Landlock, _) => "landlock",
        (Tier::Namespaces, false) => "namespaces",
        (Tier::Namespaces, true) => "namespaces+cgroup",
    }
}

/// The report for one plan.
pub(crate) fn for_plan(plan: &Plan, tier: Tier, facts: &Facts, groups: Groups) -> Report {
    let mut claims = base(tier, facts);
    claims.insert(Feature::Environment, Enforcement::full("a new environment"));
    network(&mut claims, plan, tier, facts);
    limits(&mut claims, plan, tier, facts, groups);
    if tier != Tier::Off {
        shape(&mut claims, plan, tier);
    }
    let grouped = groups.held.memory || groups.held.processes || groups.cpus;
    Report::new(tier_name(tier, grouped), claims).egress(egress(plan, tier, facts))
}

/// What comes of a list of hosts.
pub(crate) fn egress(plan: &Plan, tier: Tier, facts: &Facts) -> Option<Level> {
    plan.network.lists_hosts().then(|| match tier {
        Tier::Namespaces => Level::Transparent,
        Tier::Landlock if jail::is_proxied(plan, tier, facts) => Level::ProxyAwareOnly,
        Tier::Landlock => Level::Unsupported { why: NO_PORTS.into() },
        Tier::Off => Level::Unsupported { why: "enforcement is off".into() },
    })
}

/// Why a list of hosts comes to nothing, where it does.
const NO_PORTS: &str = "without a network namespace, host lists take Landlock's rules on ports \
                        (ABI 4, Linux 6.7), and this kernel has none: use the namespace tier, --net \
                        none or --net unrestricted";

/// What keeps a payload to its proxy.
const BY_PROXY: &str = "seccomp, sockets of the loopback, Landlock, gateway";
/// What a rule on ports cannot tell apart, on a device that has many addresses.
const OTHER_LOOPBACK: &str = "whoever listens on another loopback address of this host (127.0.0.2, \
                              say), at the very port of the proxy, can be reached";

/// The kept user of a root caller's payload.
pub(crate) fn keep_root(report: &mut Report, why: &str) {
    let gap = format!("the payload keeps the host's uid 0, without any capability ({why})");
    let claim = Enforcement::partial("empty capability sets, no_new_privs", gap);
    report.enforced.insert(Feature::Privileges, claim);
}

/// What a tier enforces whatever the plan is.
fn base(tier: Tier, facts: &Facts) -> Claims {
    match tier {
        Tier::Off => off(),
        Tier::Landlock => alone(facts),
        Tier::Namespaces => namespaces(facts),
    }
}

fn off() -> Claims {
    use Feature::{
        Descriptors, FilesystemRead, FilesystemWrite, IpcIsolation, Privileges, ProcessIsolation,
        SystemCalls, UnixSockets,
    };
    let why = || Enforcement::absent("enforcement is off");
    let all = [
        FilesystemRead,
        FilesystemWrite,
        IpcIsolation,
        Privileges,
        ProcessIsolation,
        SystemCalls,
        UnixSockets,
    ];
    let mut claims: Claims = all.into_iter().map(|feature| (feature, why())).collect();
    claims.insert(Descriptors, Enforcement::full("close_range"));
    claims
}

fn namespaces(facts: &Facts) -> Claims {
    use Feature as F;
    let by_mounts = || Enforcement::full("mount namespace");
    let rights = match facts.landlock {
        0 => Enforcement::partial("mount flags", "create, write and delete are one right"),
        1 | 2 => Enforcement::partial("Landlock", "truncation is not told from reading"),
        _ => Enforcement::partial("Landlock", "list is granted on whatever is visible"),
    };
    let root = || match facts.privileged {
        true => Enforcement::full("uid 65534, empty capability sets, no_new_privs"),
        false => Enforcement::full("user namespace, empty capability sets, no_new_privs"),
    };
    BTreeMap::from([
        (F::FilesystemRead, by_mounts()),
        (F::FilesystemWrite, by_mounts()),
        (F::FilesystemRights, rights),
        (F::FileMetadata, by_mounts()),
        (F::HiddenPaths, by_mounts()),
        (F::PrivatePlaces, Enforcement::full("tmpfs")),
        (F::UnixSockets, sockets()),
        (F::ProcessIsolation, Enforcement::full("pid namespace")),
        (F::IpcIsolation, Enforcement::full("ipc namespace")),
        (F::SystemCalls, Enforcement::full("seccomp")),
        (F::Privileges, root()),
        (F::Descriptors, Enforcement::full("close_range")),
        (F::Terminal, Enforcement::full("session and devpts of its own")),
        (F::Lifetime, Enforcement::full("pid namespace")),
    ])
}

fn sockets() -> Enforcement {
    Enforcement::partial(
        "mount and network namespace",
        "inside a folder that the policy grants, a socket can be connected to that a host service \
         makes after the launch",
    )
}

fn alone(facts: &Facts) -> Claims {
    use Feature as F;
    let absent = Enforcement::absent;
    if facts.landlock == 0 {
        let why = "this kernel has no Landlock: use Linux 5.13 or newer, with landlock among its \
                   security modules";
        let mut claims = alone(&Facts { landlock: 7, ..facts.clone() });
        for feature in [F::FilesystemRead, F::FilesystemWrite] {
            claims.insert(feature, absent(why));
        }
        return claims;
    }
    let files = || Enforcement::full("Landlock");
    let truncate = "files outside the workspace can be truncated (Landlock before ABI 3)";
    BTreeMap::from([
        (
            F::FilesystemRead,
            Enforcement::partial("Landlock", "what is outside can be looked up, watched, not read"),
        ),
        (
            F::FilesystemWrite,
            if facts.landlock >= 3 { files() } else { Enforcement::partial("Landlock", truncate) },
        ),
        (F::FilesystemRights, files()),
        (F::FileMetadata, Enforcement::full("seccomp")),
        (F::HiddenPaths, Enforcement::full("Landlock")),
        (
            F::PrivatePlaces,
            Enforcement::partial(
                "a folder of its own",
                "only TMPDIR and HOME name it; /tmp itself is closed, not private",
            ),
        ),
        (F::UnixSockets, Enforcement::full("seccomp")),
        (F::ProcessIsolation, processes_alone(facts)),
        (F::IpcIsolation, Enforcement::full("seccomp")),
        (F::SystemCalls, Enforcement::full("seccomp")),
        (F::Privileges, privileges_alone(facts)),
        (F::Descriptors, Enforcement::full("close_range")),
        (F::Terminal, Enforcement::full("a session of its own, seccomp")),
        (F::Lifetime, lifetime_alone(facts)),
    ])
}

/// Landlock keeps signals inside a domain from ABI 6 on.
fn processes_alone(facts: &Facts) -> Enforcement {
    if facts.landlock < 6 {
        return Enforcement::partial("Landlock", "processes of the same user can be signalled");
    }
    Enforcement::partial(
        "Landlock scopes, seccomp",
        "names and command lines of host processes, and the host's connections, are visible in /proc",
    )
}

fn lifetime_alone(facts: &Facts) -> Enforcement {
    if facts.landlock < 6 {
        let gap = "a command that kills its helper can leave processes behind";
        return Enforcement::partial("child subreaper", gap);
    }
    Enforcement::full("child subreaper")
}

fn privileges_alone(facts: &Facts) -> Enforcement {
    let by = "empty capability sets, no_new_privs";
    if facts.user == 0 {
        Enforcement::partial(by, "the payload keeps the host's uid 0, without any capability")
    } else {
        Enforcement::full(by)
    }
}

fn network(claims: &mut Claims, plan: &Plan, tier: Tier, facts: &Facts) {
    if plan.network == NetworkPolicy::Unrestricted {
        if tier == Tier::Namespaces && facts.landlock < 6 {
            let gap = "abstract sockets of the host can be connected to (Landlock before ABI 6)";
            claims.insert(Feature::UnixSockets, Enforcement::partial("mount namespace", gap));
        }
        return;
    }
    let denied = match tier {
        Tier::Off => Enforcement::absent("enforcement is off"),
        Tier::Namespaces => Enforcement::full("network namespace"),
        Tier::Landlock if jail::is_proxied(plan, tier, facts) => by_proxy(),
        Tier::Landlock => Enforcement::full("seccomp"),
    };
    claims.insert(Feature::NetworkDeny, denied);
    let listed = match egress(plan, tier, facts) {
        None => return,
        Some(Level::Transparent) => {
            Enforcement::full("network namespace, names of its own, gateway")
        }
        Some(Level::ProxyAwareOnly) => by_proxy(),
        Some(Level::Unsupported { why }) => Enforcement::absent(why),
        Some(_) => Enforcement::absent("the level is unknown"),
    };
    claims.insert(Feature::NetworkAllowList, listed);
}

fn by_proxy() -> Enforcement {
    Enforcement::partial(BY_PROXY, OTHER_LOOPBACK)
}

fn limits(claims: &mut Claims, plan: &Plan, tier: Tier, facts: &Facts, groups: Groups) {
    use Feature as F;
    let limits = &plan.limits;
    let off = tier == Tier::Off;
    let mut claim = |feature, asked: bool, how: Enforcement| {
        if asked {
            let how = if off { Enforcement::absent("enforcement is off") } else { how };
            claims.insert(feature, how);
        }
    };
    let sampled = "rlimits and sampling";
    claim(
        F::CpuTime,
        limits.cpu_time.is_some(),
        Enforcement::partial(sampled, "a tree of many processes can overshoot by 50 ms"),
    );
    claim(F::Memory, limits.memory.is_some(), memory(tier, groups));
    claim(F::Processes, limits.processes.is_some(), processes(tier, facts, groups));
    let cpus = if groups.cpus {
        Enforcement::full("cgroup")
    } else {
        Enforcement::partial("CPU affinity", "fractions are rounded up to whole CPUs")
    };
    claim(F::CpuCount, limits.cpu_count.is_some(), cpus);
    claim(F::OpenFiles, limits.open_files.is_some(), Enforcement::full("rlimit"));
    claim(F::FileSize, limits.file_size.is_some(), Enforcement::full("rlimit"));
    let disk = match tier {
        Tier::Namespaces => Enforcement::full("size of the tmpfs"),
        _ => Enforcement::partial("rlimit", "single files are bounded, their sum is not"),
    };
    claim(F::Disk, limits.disk.is_some(), disk);
    let direct = plan
        .places
        .iter()
        .any(|place| place.content == Content::Host && place.rights.intersects(Rights::CHANGES));
    claim(
        F::WorkspaceDisk,
        limits.disk.is_some() && direct,
        Enforcement::partial(
            "rlimit",
            "in a folder that is mounted directly single files are bounded, their sum is not",
        ),
    );
}

fn memory(tier: Tier, groups: Groups) -> Enforcement {
    if groups.held.memory && tier == Tier::Landlock {
        return Enforcement::partial("cgroup", "private places lie on disk and do not count");
    }
    if groups.held.memory {
        return Enforcement::full("cgroup");
    }
    Enforcement::partial(
        "rlimits and sampling",
        "one process is bounded exactly, the whole tree by looking every 10 ms, private places \
         apart, and a process that is refused memory is not told from one that fails by itself \
         (no memory cgroup can be made here)",
    )
}

fn processes(tier: Tier, facts: &Facts, groups: Groups) -> Enforcement {
    if groups.held.processes {
        return Enforcement::full("cgroup");
    }
    match tier {
        Tier::Namespaces if !facts.privileged => Enforcement::full("rlimit in a user namespace"),
        // The kernel exempts its root from this rlimit.
        _ if facts.user == 0 && !(tier == Tier::Namespaces && facts.privileged) => {
            Enforcement::absent("no pids cgroup can be made here, and an rlimit does not bind root")
        }
        _ => Enforcement::partial("rlimit", "the user's other processes are counted as well"),
    }
}

/// What depends on how the places lie.
fn shape(claims: &mut Claims, plan: &Plan, tier: Tier) {
    if tier == Tier::Landlock
        && let Some(path) = landlock::needs_breaking_up(plan)
    {
        let why = format!(
            "Landlock cannot give {} fewer rights than the folder around it without closing that \
             folder to new names: use the namespace tier",
            quoted(path)
        );
        claims.insert(Feature::FilesystemRights, Enforcement::absent(why));
    }
    if let (Tier::Namespaces, Some(place)) = (tier, finer_inside(plan)) {
        let gap = format!(
            "below {}, which lies in a wider folder, create, write and delete are one right",
            quoted(&place.path)
        );
        claims.insert(Feature::FilesystemRights, Enforcement::partial("mount flags", gap));
    }
    if let Some(path) = plan.absent.first() {
        let gap = format!("{} does not exist yet and can be made by the command", quoted(path));
        let by = if tier == Tier::Landlock { "Landlock" } else { "mount namespace" };
        claims.entry(Feature::HiddenPaths).and_modify(|claim| {
            if matches!(claim, Enforcement::Full { .. }) {
                *claim = Enforcement::partial(by, gap);
            }
        });
    }
    if tier == Tier::Landlock && plan.enforcement == EnforcementLevel::BestEffort {
        let gap =
            "modes, owners, times and attributes of other files can be changed by their owner";
        claims.insert(Feature::FileMetadata, Enforcement::partial("none", gap));
    }
}

/// A place with some of the rights to change, inside one with more: Landlock's rules only add, and
/// mounts know all or nothing.
fn finer_inside(plan: &Plan) -> Option<&Place> {
    let fine = |place: &&Place| {
        let changes = place.rights & Rights::CHANGES;
        !changes.is_empty() && changes != Rights::CHANGES
    };
    let inside = |place: &&Place| {
        let wider = |outer: &Place| {
            outer.path != place.path
                && place.path.starts_with(&outer.path)
                && !place.rights.contains(outer.rights & Rights::CHANGES)
        };
        plan.places.iter().any(wider)
    };
    plan.places.iter().filter(fine).find(inside)
}
