//! Tries each mechanism and says what came of it.

use std::collections::BTreeMap;

use sandbox_core::capability::SandboxCapabilities;
use sandbox_core::doctor::{Check, Health};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::{ExecRequest, NetworkPolicy, Policy, PolicyBuilder, SandboxError};

use crate::TierChoice;
use crate::cgroup::Cgroup;
use crate::egress::{Options, Proxy, Way};
use crate::facts::Facts;
use crate::fs::landlock;
use crate::helper::Helper;
use crate::jail::{Jail, Tier};
use crate::report::{self, Groups};

/// Every mechanism, tried.
#[must_use]
pub fn checks() -> Vec<Check> {
    let facts = Facts::ask();
    let mut all = vec![landlock(&facts)];
    all.push(launch("namespaces", Tier::Namespaces, &facts));
    all.push(launch("Landlock alone", Tier::Landlock, &facts));
    all.push(host_lists(&facts));
    all.extend(groups());
    all.push(user(&facts));
    all
}

fn landlock(facts: &Facts) -> Check {
    let remedy = "use Linux 6.12 or newer for everything that Landlock offers here";
    match facts.landlock {
        0 => Check::lacks(
            "Landlock",
            Health::Missing,
            "the kernel has none",
            "use Linux 5.13 or newer, with landlock in its list of security modules (lsm=)",
        ),
        abi @ 1..=5 => {
            let detail = format!("ABI {abi}: signals and abstract sockets are not scoped");
            Check::lacks("Landlock", Health::Partial, detail, remedy)
        }
        abi => Check::works("Landlock", format!("ABI {abi}")),
    }
}

/// A launch of the smallest program there is.
fn launch(name: &str, tier: Tier, facts: &Facts) -> Check {
    match try_launch(tier, facts) {
        Ok(()) => Check::works(name, "a command was launched and ended"),
        Err(error) => Check::lacks(name, Health::Missing, error.to_string(), remedy(&error)),
    }
}

fn try_launch(tier: Tier, facts: &Facts) -> Result<(), SandboxError> {
    let policy = Policy::read_only().build()?;
    let plan = Plan::new(&policy, &ExecRequest::new("true"), &Host::current())?;
    let jail = Jail::compile(&plan, tier, facts, Groups::default(), None, None)?;
    let birth = crate::ns::birth(&plan, tier, facts, false);
    let helper = Helper::start(birth, facts, &Cgroup::none())?;
    crate::launch::launch(&jail, helper)?;
    Ok(())
}

/// A way out, made and taken away again.
fn host_lists(facts: &Facts) -> Check {
    let name = "host lists";
    match try_way_out(facts) {
        Ok(true) => Check::works(name, "connections are diverted by nf_tables"),
        Ok(false) => Check::lacks(
            name,
            Health::Partial,
            "this kernel has no nf_tables with TPROXY: each listed port is listened on, and rules \
             for every port (`host:*`) are refused",
            "load nft_tproxy, or use a kernel with CONFIG_NFT_TPROXY",
        ),
        Err(error) => match try_proxy(facts) {
            Ok(()) => Check::lacks(
                name,
                Health::Partial,
                format!("a proxy, for programs that heed its variables; for others {error}"),
                remedy(&error),
            ),
            Err(none) => {
                let detail = format!("{error}; without namespaces {none}");
                Check::lacks(name, Health::Missing, detail, remedy(&error))
            }
        },
    }
}

/// Whether connections can be diverted.
fn try_way_out(facts: &Facts) -> Result<bool, SandboxError> {
    on_a_runtime(|| {
        helper_for_hosts(Tier::Namespaces, facts)?
            .sockets()
            .and_then(|sockets| Way::open(sockets, &[], &Options::default(), None))
            .map(|way| way.is_diverted())
    })
}

/// A proxy, and a payload's filter that asks for sockets.
fn try_proxy(facts: &Facts) -> Result<(), SandboxError> {
    if !landlock::can_lead_to_a_proxy(facts.landlock) {
        return Err(SandboxError::Unsupported {
            backend: "linux-landlock".into(),
            operation: "rules on ports (Landlock before ABI 4)".into(),
        });
    }
    on_a_runtime(|| {
        let proxy = Proxy::open(&[], &Options::default())?;
        proxy.supply(helper_for_hosts(Tier::Landlock, facts)?.listener()?)
    })
}

/// The helper of a policy that lists hosts.
fn helper_for_hosts(tier: Tier, facts: &Facts) -> Result<Helper, SandboxError> {
    let policy = Policy::read_only().allow_hosts(["example.org"])?.build()?;
    let birth = crate::ns::likely_birth(tier, policy.network(), facts);
    Helper::start(birth, facts, &Cgroup::none())
}

fn on_a_runtime<T>(work: impl FnOnce() -> Result<T, SandboxError>) -> Result<T, SandboxError> {
    let failed = SandboxError::io("making a runtime");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let entered = runtime.enter();
    let tried = work();
    drop(entered);
    // The caller may be on a runtime of its own, where this one must not be waited for.
    runtime.shutdown_background();
    tried
}

/// What a person can do about a refused launch.
fn remedy(error: &SandboxError) -> String {
    let SandboxError::Launch { step, .. } = error else { return String::new() };
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    if read("kernel/apparmor_restrict_unprivileged_userns").trim() == "1" {
        return "AppArmor restricts user namespaces: give the sandbox a profile with `userns,`, or \
                set kernel.apparmor_restrict_unprivileged_userns=0"
            .into();
    }
    if read("kernel/unprivileged_userns_clone").trim() == "0" {
        return "set kernel.unprivileged_userns_clone=1".into();
    }
    if read("user/max_user_namespaces").trim() == "0" {
        return "set user.max_user_namespaces to more than 0".into();
    }
    if step.contains("processes") || step.contains("/proc") {
        return "a container that covers parts of /proc refuses a new one: start it with its /proc \
                unmasked, or use --backend landlock"
            .into();
    }
    "use --backend landlock, which needs no namespaces".into()
}

fn groups() -> Vec<Check> {
    let (held, cpus) = Cgroup::try_all();
    let check = |name: &str, works: bool, instead: &str| {
        if works {
            return Check::works(name, "a group was made");
        }
        let remedy = "run as root, or from a delegated group: systemd-run --user --scope -p \
                      Delegate=yes";
        Check::lacks(name, Health::Partial, format!("no group can be made; {instead}"), remedy)
    };
    vec![
        check("memory cgroup", held.memory, "one process is bounded exactly, the tree by sampling"),
        check("pids cgroup", held.processes, "an rlimit bounds processes"),
        check("cpu cgroup", cpus, "CPU affinity bounds the number of whole CPUs"),
    ]
}

fn user(facts: &Facts) -> Check {
    if !facts.privileged {
        return Check::works("user", "an ordinary user, in a user namespace of its own");
    }
    let folder = std::path::Path::new("/var/tmp");
    let mapped = crate::sys::user_namespace("0 65534 1", "0 65534 1").and_then(|namespace| {
        crate::sys::try_idmap(folder, std::os::fd::AsRawFd::as_raw_fd(&namespace))
    });
    match mapped {
        Ok(()) => Check::works("user", "root's payload runs as uid 65534, owners are mapped"),
        Err(error) => Check::lacks(
            "user",
            Health::Partial,
            format!(
                "the file system of /var/tmp cannot map owners ({error}): a payload that is \
                     granted folders of it keeps uid 0, without capabilities"
            ),
            "keep workspaces on ext4, xfs, btrfs or tmpfs",
        ),
    }
}

/// What the backend can enforce here: claims of the tier, if its launch works.
pub(crate) fn capabilities(choice: TierChoice, facts: &Facts) -> SandboxCapabilities {
    let wanted = match choice {
        TierChoice::Landlock => vec![Tier::Landlock],
        TierChoice::Namespaces => vec![Tier::Namespaces],
        TierChoice::Auto => vec![Tier::Namespaces, Tier::Landlock],
    };
    let works = wanted.into_iter().find(|tier| try_launch(*tier, facts).is_ok());
    let Some(tier) = works else { return SandboxCapabilities::new("none", BTreeMap::new()) };
    let (held, cpus) = Cgroup::would_hold();
    let policy = Policy::read_only().limits(|limits| {
        limits.memory = "64M".parse().ok();
        limits.disk = "64M".parse().ok();
        limits.file_size = "64M".parse().ok();
        limits.processes = Some(64);
        limits.cpu_count = Some(1.0);
        limits.open_files = Some(64);
        limits.cpu_time = "1s".parse().ok();
    });
    let plan = policy
        .allow_hosts(["example.org"])
        .and_then(PolicyBuilder::build)
        .map_err(SandboxError::from)
        .and_then(|policy| Plan::new(&policy, &ExecRequest::new("true"), &Host::current()));
    let Ok(mut plan) = plan else { return SandboxCapabilities::new("none", BTreeMap::new()) };
    let groups = Groups { held, cpus };
    let mut report = report::for_plan(&plan, tier, facts, groups);
    // What holds where no host is listed, which need not be what holds beside a list.
    plan.network = NetworkPolicy::denied();
    let without = report::for_plan(&plan, tier, facts, groups);
    report.enforced.extend(without.enforced);
    SandboxCapabilities::new(report.tier, report.enforced).egress(report.egress)
}
