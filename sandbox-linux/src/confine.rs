//! Linux behind the platform-neutral trait: choose a tier, compile, launch.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use sandbox_core::capability::{Feature, SandboxCapabilities};
use sandbox_core::confine::{Confinement, Enclosure, Explanation, Launched, Loose, Stream};
use sandbox_core::egress::check_level;
use sandbox_core::egress::gateway::Setup;
use sandbox_core::plan::Plan;
use sandbox_core::policy::EnforcementLevel;
use sandbox_core::{NetworkPolicy, Report, Result, SandboxError};

use crate::cgroup::Cgroup;
use crate::egress::{Options, Proxy, Trust, Way, WayOut};
use crate::facts::Facts;
use crate::helper::{Birth, Helper, Spare};
use crate::jail::{self, Jail, Tier};
use crate::launch::{Started, launch};
use crate::ns;
use crate::process::Payload;
use crate::report::{self, Groups};
use crate::room::Room;
use crate::sharing::Sharing;

/// Which tier to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierChoice {
    /// The strongest that works. A policy that requires enforcement does not fall below
    /// namespaces; one that asks for best effort does.
    #[default]
    Auto,
    /// Landlock, seccomp and resource limits, in the host's namespaces.
    Landlock,
    /// Namespaces and a root of mounts, and everything of the tier below.
    Namespaces,
}

/// Confinement by the Linux kernel.
#[derive(Debug)]
pub struct LinuxConfinement {
    choice: TierChoice,
    facts: Facts,
    groups: OnceLock<Groups>,
    spare: Spare,
    egress: Options,
}

impl LinuxConfinement {
    /// Asks the kernel what it has.
    ///
    /// # Errors
    /// None today; kept for facts that may fail to be read.
    pub fn new(choice: TierChoice) -> Result<Self> {
        let (groups, spare) = (OnceLock::new(), Spare::default());
        Ok(Self { choice, facts: Facts::ask(), groups, spare, egress: Options::default() })
    }

    /// Changes what the gateways of sandboxes are made of, each before it starts: who resolves and
    /// dials, where decisions are recorded, who is asked, which limits there are. The rules and the
    /// names are the sandbox's own.
    #[must_use]
    pub fn gateway(mut self, change: impl Fn(Setup) -> Setup + Send + Sync + 'static) -> Self {
        self.egress.gateway = Arc::new(change);
        self
    }

    /// For tests: as on a kernel without nf_tables.
    #[doc(hidden)]
    #[must_use]
    pub fn without_filters(mut self) -> Self {
        self.egress.may_divert = false;
        self
    }

    fn tier(&self, plan: &Plan) -> Tier {
        match (plan.enforcement, self.choice) {
            (EnforcementLevel::Off, _) => Tier::Off,
            (_, TierChoice::Landlock) => Tier::Landlock,
            _ => Tier::Namespaces,
        }
    }

    /// Which limits a group would hold; asked once.
    fn groups(&self, plan: &Plan) -> Groups {
        let limits = &plan.limits;
        let asked = limits.memory.is_some() || limits.processes.is_some();
        if !asked && limits.cpu_count.is_none() {
            return Groups::default();
        }
        *self.groups.get_or_init(|| {
            let (held, cpus) = Cgroup::would_hold();
            Groups { held, cpus }
        })
    }

    /// Starts a plan on a tier; `shared` is the proxy of a sandbox that lasts.
    fn start(&self, plan: &Plan, tier: Tier, shared: Option<&Arc<Proxy>>) -> Result<Run> {
        let trust = Trust::prepare(plan, tier)?;
        let promised = self.groups(plan);
        let cgroup = match tier {
            Tier::Off => Cgroup::none(),
            _ => Cgroup::create(&plan.limits),
        };
        let made = Groups { held: cgroup.held, cpus: cgroup.cpus };
        if plan.enforcement == EnforcementLevel::Required && tier != Tier::Off {
            cgroup.check(&plan.limits, promised)?;
        }
        // First, so that the kernel builds while the jail is compiled.
        let proxied = shared.is_some() || jail::is_proxied(plan, tier, &self.facts);
        let birth = ns::birth(plan, tier, &self.facts, proxied);
        let mut helper = self.spare.take(birth, &self.facts, &cgroup)?;
        let proxy = match (shared, proxied) {
            (None, true) => Some(self.proxy(plan)?),
            (shared, _) => shared.map(Arc::clone),
        };
        let door = proxy.as_ref().map(|proxy| proxy.door());
        let jail = Jail::compile(plan, tier, &self.facts, made, door, trust.as_ref())?;
        let egress = match proxy {
            Some(proxy) => {
                proxy.supply(helper.listener()?)?;
                // A shared one is not this command's to end.
                shared.is_none().then_some(proxy as _)
            }
            None => {
                way_out(plan, &mut helper, birth, &self.egress, trust.as_ref())?.map(|way| way as _)
            }
        };
        let started = launch(&jail, helper)?;
        let report = report::for_plan(plan, tier, &self.facts, made);
        Ok(Run { jail, cgroup, started, report, egress })
    }

    /// The proxy of a plan that lists hosts.
    fn proxy(&self, plan: &Plan) -> Result<Arc<Proxy>> {
        let rules = match &plan.network {
            NetworkPolicy::Limited { allowed_hosts, .. } => &allowed_hosts[..],
            NetworkPolicy::Unrestricted => &[],
        };
        Ok(Arc::new(Proxy::open(rules, &self.egress)?))
    }

    /// Launches a command of a sandbox that lasts and has this proxy.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn launch_through(&self, plan: &Plan, proxy: &Arc<Proxy>) -> Result<Launched> {
        let Run { jail, cgroup, started, report, egress } =
            self.start(plan, Tier::Landlock, Some(proxy))?;
        let launched = launched(started, jail, cgroup, egress)?;
        Ok(Launched { report: Some(report), ..launched })
    }

    /// Falls to the lower tier where the policy leaves that open and namespaces are refused.
    fn start_best(&self, plan: &Plan) -> Result<Run> {
        let tier = self.tier(plan);
        match self.start(plan, tier, None) {
            Err(error) if tier == Tier::Namespaces && refused(&error) => {
                let open = self.choice == TierChoice::Auto
                    && plan.enforcement == EnforcementLevel::BestEffort;
                if !open {
                    return Err(no_namespaces(&error));
                }
                let level = report::egress(plan, Tier::Landlock, &self.facts);
                check_level(&plan.network, level.as_ref(), self.name())?;
                self.start(plan, Tier::Landlock, None)
            }
            other => other,
        }
    }
}

/// A launch that came to something.
struct Run {
    jail: Jail,
    cgroup: Cgroup,
    started: Started,
    /// What is enforced, where that is not what was foreseen.
    report: Report,
    egress: Option<Arc<dyn WayOut>>,
}

/// The way out of what a helper was born for, if it has one. It is there before anything starts.
///
/// # Errors
/// The step that failed.
fn way_out(
    plan: &Plan,
    helper: &mut Helper,
    birth: Birth,
    options: &Options,
    trust: Option<&Trust>,
) -> Result<Option<Arc<Way>>> {
    match &plan.network {
        NetworkPolicy::Limited { allowed_hosts, .. } if birth.sockets.is_some() => {
            let injection = trust.map(|trust| Arc::clone(&trust.injection));
            let way = Way::open(helper.sockets()?, allowed_hosts, options, injection)?;
            Ok(Some(Arc::new(way)))
        }
        _ => Ok(None),
    }
}

/// Whether a launch failed because this machine refuses namespaces.
fn refused(error: &SandboxError) -> bool {
    let SandboxError::Launch { step, source } = error else { return false };
    let refusals = [libc::EPERM, libc::EACCES, libc::ENOSPC, libc::EINVAL, libc::ENOSYS];
    let step_of_setup = step == crate::sys::CHILD_STEPS[0]
        || step == crate::abi::OWN_STEPS[2]
        || step.starts_with("take the mounts");
    step_of_setup && source.raw_os_error().is_some_and(|errno| refusals.contains(&errno))
}

fn no_namespaces(error: &SandboxError) -> SandboxError {
    SandboxError::Unenforceable {
        backend: "linux".into(),
        feature: Feature::FilesystemRead,
        why: format!(
            "namespaces are refused here ({error}): run `sandbox doctor`, or choose the lower tier \
             with --backend landlock"
        ),
    }
}

impl Confinement for LinuxConfinement {
    fn name(&self) -> &'static str {
        match self.choice {
            TierChoice::Landlock => "linux-landlock",
            TierChoice::Auto | TierChoice::Namespaces => "linux",
        }
    }

    fn capabilities(&self) -> SandboxCapabilities {
        crate::doctor::capabilities(self.choice, &self.facts)
    }

    fn assess(&self, plan: &Plan) -> Result<Report> {
        let tier = self.tier(plan);
        let mut report = report::for_plan(plan, tier, &self.facts, self.groups(plan));
        if tier == Tier::Namespaces && self.facts.privileged {
            let identity = crate::identity::Identity::decide(plan, true);
            if let Some(why) = identity.kept {
                report::keep_root(&mut report, &why);
            }
        }
        Ok(report)
    }

    fn explain(&self, plan: &Plan) -> Result<Explanation> {
        crate::explain::explain(plan, self.tier(plan), &self.facts, self.groups(plan))
    }

    fn warm_up(&self, network: &NetworkPolicy) {
        let tier = match self.choice {
            TierChoice::Landlock => Tier::Landlock,
            TierChoice::Auto | TierChoice::Namespaces => Tier::Namespaces,
        };
        self.spare.put(ns::likely_birth(tier, network, &self.facts), &self.facts);
    }

    fn launch(&self, plan: &Plan) -> Result<Launched> {
        let Run { jail, cgroup, started, mut report, egress } = self.start_best(plan)?;
        if let (Tier::Namespaces, Some(why)) = (jail.tier, &jail.identity.kept) {
            report::keep_root(&mut report, why);
        }
        let mut launched = launched(started, jail, cgroup, egress)?;
        launched.report = Some(report);
        Ok(launched)
    }

    fn enclose(self: Arc<Self>, plan: &Plan) -> Result<Arc<dyn Enclosure>> {
        let tier = self.tier(plan);
        if jail::is_proxied(plan, tier, &self.facts) {
            let proxy = self.proxy(plan)?;
            return Ok(Arc::new(Sharing::new(self, plan, proxy)?));
        }
        if tier != Tier::Namespaces {
            return Ok(Arc::new(Loose::new(self, plan)?));
        }
        let trust = Trust::prepare(plan, Tier::Namespaces)?;
        let cgroup = Cgroup::create(&plan.limits);
        let birth = ns::birth(plan, Tier::Namespaces, &self.facts, false);
        let mut helper = self.spare.take(birth, &self.facts, &cgroup)?;
        let egress = way_out(plan, &mut helper, birth, &self.egress, trust.as_ref())?;
        let way = crate::room::Outward { egress, trust };
        Room::open(plan, &self.facts, helper, cgroup, way).map(crate::room::shared)
    }
}

/// A payload that was started, as the rest of the library takes it.
///
/// # Errors
/// The runtime's refusal to watch its streams.
pub(crate) fn launched(
    started: Started,
    jail: Jail,
    cgroup: Cgroup,
    egress: Option<Arc<dyn WayOut>>,
) -> Result<Launched> {
    let Started { helper, stdin, stdout, stderr } = started;
    let screen = match jail.terminal {
        Some(_) => Some(stdout.try_clone().map_err(SandboxError::io("sharing the terminal"))?),
        None => None,
    };
    let process = Payload::new(helper, screen, cgroup, jail.folder, egress)?;
    let stream = |end: OwnedFd| Stream::new(end).map_err(SandboxError::io("watching a pipe"));
    Ok(Launched {
        report: None,
        process: Arc::new(process),
        stdin: stdin.map(stream).transpose()?.map(|stream| Box::new(stream) as _),
        stdout: Box::new(stream(stdout)?),
        stderr: stderr.map(stream).transpose()?.map(|stream| Box::new(stream) as _),
    })
}
