//! Confinement of processes that this library does not launch: a `Command` of the standard library
//! or of tokio, and the calling process itself.
//!
//! Both enter the domain of the Landlock tier by themselves: files by Landlock, the rest by the
//! filter, by rlimits and by giving up every capability. Everything is compiled before; what runs
//! between fork and exec makes system calls and nothing else. No helper stands beside them, so
//! nothing ends what they leave behind, and no limit holds for a tree; the report says so, and a
//! policy that requires more is refused. For that, use a [backend](crate::backend).

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;

use sandbox_core::egress::{Level, check_level};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::policy::EnforcementLevel;
use sandbox_core::{Enforcement, ExecRequest, Feature, Policy, Report, Result, SandboxError};

use crate::facts::Facts;
use crate::jail::{self, Outside, Tier};
use crate::report::{self, Groups};
use crate::rlimit::{self, Held};
use crate::seccomp::Arch;
use crate::sys::{self, Domain};

/// What a confined `Command` needs as long as its processes run.
///
/// The command's private folder is removed when this is dropped, or by the next launcher, once this
/// process is gone.
#[must_use = "the command's private folder is removed when this is dropped"]
#[derive(Debug)]
pub struct Confined {
    report: Report,
    _folder: Option<Arc<crate::private::Folder>>,
}

impl Confined {
    /// What is enforced for the command.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// Confines a command that the caller starts, by the means of the Landlock tier.
///
/// The command keeps its program, its arguments and its streams. Its environment becomes what the
/// policy passes on and what was set on the command; its working directory is the command's own,
/// else the policy's workspace, else the present one if it is visible. It starts a session of its
/// own, without the caller's terminal, and inherits no descriptor but the standard three. It can be
/// spawned any number of times; calling this twice on one command is an error of the second domain,
/// not a wider one.
///
/// For tokio: `confine(command.as_std_mut(), &policy)`.
///
/// # Errors
/// As a backend's `plan`: above all [`SandboxError::Unenforceable`] where the policy requires what
/// a process alone cannot hold: elapsed time, idle time, output.
///
/// # Security
/// Processes that the command leaves behind live on, in their domain. Memory and CPU time are
/// bounded for each process, not for all together. `TMPDIR` and `HOME` name a private folder, which
/// is removed with the value returned.
///
/// ```no_run
/// use sandbox_core::Policy;
///
/// # fn example() -> sandbox_core::Result<()> {
/// let policy = Policy::workspace("./repo")?.build()?;
/// let mut build = std::process::Command::new("make");
/// let confined = sandbox_linux::confine(&mut build, &policy)?;
/// let status = build.status().expect("make can be started");
/// println!("{status}, {:?}", confined.report().gaps());
/// # Ok(())
/// # }
/// ```
pub fn confine(command: &mut Command, policy: &Policy) -> Result<Confined> {
    let plan = Plan::new(policy, &request(command, policy), &Host::current())?;
    let facts = Facts::ask();
    let tier = tier(&plan);
    let mut report = report::for_plan(&plan, tier, &facts, Groups::default());
    alone(&mut report, &plan);
    check(&report, &plan)?;
    let mut environment = plan.environment.clone();
    let mut folder = None;
    if tier != Tier::Off {
        let outside = Outside::make(&plan, &facts, &mut environment, None)?;
        folder = outside.folder;
        sys::before_exec(command, Arc::new(domain(&plan, &facts, outside.ruleset)?));
    }
    let removed: Vec<OsString> = command
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.to_owned())
        .collect();
    command.env_clear().envs(environment).current_dir(&plan.cwd);
    for name in removed {
        command.env_remove(name);
    }
    Ok(Confined { report, _folder: folder })
}

/// Confines the calling process, for good, by the means of the Landlock tier.
///
/// To be called early, while the process has a single thread: a domain is entered by threads, and
/// others would stay outside. What the process has stays with it: its environment, its working
/// directory, its terminal, its open descriptors, which no rule takes back. Programs that it
/// executes are confined alike.
///
/// # Errors
/// [`SandboxError::InvalidRequest`] when there are more threads, [`SandboxError::Unenforceable`] as
/// for [`confine`]; nothing is confined then. [`SandboxError::Launch`] names a step that failed in
/// the middle: such a process should end.
///
/// ```no_run
/// use sandbox_core::Policy;
///
/// # fn example() -> sandbox_core::Result<()> {
/// let policy = Policy::read_only().read("/srv/data")?.build()?;
/// let report = sandbox_linux::restrict_self(&policy)?;
/// eprintln!("{:?}", report.gaps());
/// # Ok(())
/// # }
/// ```
pub fn restrict_self(policy: &Policy) -> Result<Report> {
    let plan = Plan::without_command(policy, &Host::current())?;
    let facts = Facts::ask();
    let tier = tier(&plan);
    let mut report = report::for_plan(&plan, tier, &facts, Groups::default());
    alone(&mut report, &plan);
    keeps(&mut report);
    check(&report, &plan)?;
    if tier == Tier::Off {
        return Ok(report);
    }
    single_thread()?;
    let ruleset = jail::outside_ruleset(&jail::outside_rules(&plan, None), &plan, &facts, None)?;
    domain(&plan, &facts, ruleset)?.enter().map_err(|source| SandboxError::Launch {
        step: "enter the domain; the process is partly confined and should end".into(),
        source,
    })?;
    Ok(report)
}

/// The request that a command makes.
fn request(command: &Command, policy: &Policy) -> ExecRequest {
    let mut request = ExecRequest::new(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            request = request.env(name, value);
        }
    }
    match (command.get_current_dir(), policy.workspace_path(), std::env::current_dir()) {
        (Some(cwd), ..) => request.cwd(cwd),
        (None, None, Ok(current)) => request.prefer_cwd(current),
        _ => request,
    }
}

fn tier(plan: &Plan) -> Tier {
    match plan.enforcement {
        EnforcementLevel::Off => Tier::Off,
        _ => Tier::Landlock,
    }
}

/// Takes back what only a launcher that stays can claim.
fn alone(report: &mut Report, plan: &Plan) {
    no_hosts(report, plan);
    let mut claim = |feature, how| report.enforced.insert(feature, how);
    let limits = &plan.limits;
    let each = |by| Enforcement::partial(by, "each process is bounded, not all together");
    claim(
        Feature::Lifetime,
        Enforcement::partial("nothing", "processes that the command leaves behind live on"),
    );
    if limits.cpu_time.is_some() {
        claim(Feature::CpuTime, each("rlimit"));
    }
    if limits.memory.is_some() {
        claim(Feature::Memory, each("rlimit"));
    }
    let clocks = [
        (Feature::WallTime, limits.wall_time.is_some()),
        (Feature::Idle, limits.idle.is_some()),
        (Feature::Output, limits.output.is_some()),
    ];
    for (feature, _) in clocks.into_iter().filter(|(_, asked)| *asked) {
        claim(feature, Enforcement::absent("only a backend that runs the command can hold it"));
    }
}

/// Takes back what is claimed of a list of hosts: nobody stays who could serve a proxy.
fn no_hosts(report: &mut Report, plan: &Plan) {
    if plan.network.lists_hosts() && plan.enforcement != EnforcementLevel::Off {
        let why = "host lists take a launcher that stays: use a backend, or a policy without hosts";
        report.enforced.insert(Feature::NetworkAllowList, Enforcement::absent(why));
        report.enforced.insert(Feature::NetworkDeny, Enforcement::full("seccomp"));
        report.egress = Some(Level::Unsupported { why: why.into() });
    }
}

/// Takes back what a process has already when it confines itself.
fn keeps(report: &mut Report) {
    let kept = [
        (Feature::Environment, "the environment stays as it is"),
        (Feature::Descriptors, "descriptors that are open stay open"),
        (Feature::Terminal, "the terminal stays, and can be read; nothing can be typed into it"),
        (Feature::PrivatePlaces, "there are none: private places are closed"),
    ];
    for (feature, gap) in kept {
        report.enforced.insert(feature, Enforcement::partial("nothing", gap));
    }
}

fn check(report: &Report, plan: &Plan) -> Result<()> {
    const BACKEND: &str = "linux-landlock";
    match report.first_absent().filter(|_| plan.enforcement == EnforcementLevel::Required) {
        None if plan.enforcement == EnforcementLevel::Off => Ok(()),
        None => check_level(&plan.network, report.egress.as_ref(), BACKEND),
        Some(gap) => Err(SandboxError::Unenforceable {
            backend: BACKEND.into(),
            feature: gap.feature,
            why: gap.what.into_owned(),
        }),
    }
}

fn domain(plan: &Plan, facts: &Facts, ruleset: Option<std::os::fd::OwnedFd>) -> Result<Domain> {
    let arch = Arch::native().ok_or_else(jail::unknown_processor)?;
    let others = match plan.limits.processes {
        Some(_) => crate::facts::tasks_of(facts.user),
        None => 0,
    };
    let network = jail::network(plan, false);
    Ok(Domain {
        rlimits: rlimit::compile(&plan.limits, Held::default(), others),
        affinity: plan.limits.cpu_count.map(rlimit::affinity),
        ruleset,
        filter: crate::filters::filter(&jail::spec(plan, Tier::Landlock, network, arch))?,
    })
}

/// Refuses a process whose other threads would stay outside.
fn single_thread() -> Result<()> {
    let failed = || SandboxError::io("counting threads in /proc/self/task");
    match std::fs::read_dir("/proc/self/task").map_err(failed())?.count() {
        1 => Ok(()),
        count => Err(SandboxError::InvalidRequest(format!(
            "this process has {count} threads, and a domain is entered by one: call restrict_self \
             before any thread is started, which also means before a runtime"
        ))),
    }
}
