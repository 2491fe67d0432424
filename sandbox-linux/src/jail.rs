//! A jail: everything that one launch needs, compiled before there is a child.
//!
//! A plan becomes the helper's program in a sealed memory file, and descriptors. Compiling asks the host questions and makes descriptors; it starts nothing. A jail
//! can be launched any number of times, also at once.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::plan::{Place, Plan};
use sandbox_core::policy::{EnforcementLevel, SyscallProfile};
use sandbox_core::{NetworkPolicy, Result, SandboxError, TerminalSize};

use crate::abi::{INLINE, fd, group};
use crate::cgroup::Entry;
use crate::egress::{Door, Trust, resolver};
use crate::facts::Facts;
use crate::fs::{landlock, mounts};
use crate::identity::Identity;
use crate::payload::{self, Payload};
use crate::program::{Name, Phase, Program};
use crate::report::Groups;
use crate::rlimit::{self, Held};
use crate::{ns, seccomp, sys};
use bounds::{rlimits, supervise};

mod bounds;

mod outside;

pub(crate) use outside::{Outside, Variables, outside_rules, outside_ruleset};

/// The means that a launch uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Nothing is confined.
    Off,
    /// Landlock, the filter and rlimits, in the host's namespaces.
    Landlock,
    /// Namespaces and a root of mounts, and all of the above.
    Namespaces,
}

/// Everything that one launch needs.
#[derive(Debug)]
pub(crate) struct Jail {
    pub(crate) tier: Tier,
    pub(crate) program: Handed,
    /// The names of the program's calls, list by list.
    pub(crate) names: [Vec<Name>; 3],
    pub(crate) ruleset: Option<OwnedFd>,
    pub(crate) identity: Identity,
    /// Of a sandbox that lasts: the way into the group of its commands.
    pub(crate) commands: Option<Arc<OwnedFd>>,
    pub(crate) terminal: Option<TerminalSize>,
    pub(crate) stdin: bool,
    /// The payload's private folder on the host, where no mount can make one.
    pub(crate) folder: Option<Arc<crate::private::Folder>>,
    /// The files that the command can be, for the error when it is none.
    pub(crate) candidates: Vec<PathBuf>,
    /// The command as it was named, if it has to be looked for inside.
    pub(crate) name: Option<OsString>,
    /// Of a sandbox that lasts: what has to move when layers change.
    pub(crate) rests: mounts::Rests,
}

/// How a program gets to the helper.
#[derive(Debug)]
pub(crate) enum Handed {
    /// In a sealed memory file.
    File(OwnedFd),
    /// With the start: its bytes.
    Inline(Vec<u8>),
}

impl Jail {
    /// Compiles a sandbox that lasts, with nothing to run.
    ///
    /// # Errors
    /// As [`Jail::compile`].
    pub(crate) fn furnish(
        plan: &Plan,
        facts: &Facts,
        groups: Groups,
        commands: Option<Entry>,
        trust: Option<&Trust>,
    ) -> Result<Self> {
        let mut program = Program::new();
        if !plan.layers.is_empty() && plan.places.first().is_some_and(|p| p.path == Path::new("/"))
        {
            return Err(SandboxError::InvalidRequest(
                "a policy that grants / has no room for folders that are copied on write: grant \
                 the folders that are needed"
                    .into(),
            ));
        }
        let identity = Identity::decide(plan, facts.privileged);
        let plan = &crate::closed::without(plan, Tier::Namespaces, &identity, facts);
        let rests = inside(&mut program, plan, &identity, facts, groups.held, trust);
        program.pid_namespace = true;
        program.serves = true;
        let (way, commands) = match commands {
            None => (group::NONE, None),
            Some(Entry::Born(folder)) => (group::BORN, Some(folder)),
            Some(Entry::Moved(file)) => (group::MOVED, Some(file)),
        };
        program.group = way;
        let number = fd::FIRST_EXTRA + i32::try_from(identity.namespaces.len()).unwrap_or(i32::MAX);
        ns::keep(&mut program, facts.landlock > 0, commands.is_some().then_some(number));
        let outside = Outside::default();
        let jail = Self::finish(program, false, plan, Tier::Namespaces, identity, outside)?;
        Ok(Self { rests, commands, ..jail })
    }

    /// Compiles the cloning of a place for a sandbox that lasts and is there already.
    ///
    /// # Errors
    /// As [`Jail::compile`].
    pub(crate) fn lend(plan: &Plan, place: &Place, identity: Identity) -> Result<Self> {
        let mut program = Program::new();
        mounts::clone(&mut program, place, identity.idmaps.get(&place.path).copied());
        Self::finish(program, false, plan, Tier::Off, identity, Outside::default())
    }

    /// Compiles a command in a sandbox that lasts. The helper that runs it was forked there, with
    /// the filter on.
    ///
    /// # Errors
    /// As [`Jail::compile`].
    pub(crate) fn enter(
        plan: &Plan,
        user: Option<(u32, u32)>,
        facts: &Facts,
        trust: Option<&Trust>,
    ) -> Result<Self> {
        let mut program = Program::new();
        ns::take_ruleset(&mut program, facts.landlock > 0);
        if let Some(size) = plan.terminal {
            ns::terminal(&mut program, size, user);
        }
        let groups = Groups::default();
        supervise(&mut program, plan, Tier::Landlock, groups.held);
        let context =
            Context { tier: Tier::Namespaces, facts, groups, user, filtered: true, forked: true };
        command(&mut program, plan, &context, Trust::variables(plan, trust))?;
        ns::give_up(&mut program, Tier::Namespaces, user);
        let identity = Identity { user, ..Identity::default() };
        Self::finish(program, true, plan, Tier::Namespaces, identity, Outside::default())
    }

    /// Compiles a plan for a tier; `groups` says which limits control groups will hold, and `door`
    /// where the payload's proxy is, if its network is one.
    ///
    /// # Errors
    /// What no launch could carry out, and what the kernel refuses to make.
    pub(crate) fn compile(
        plan: &Plan,
        tier: Tier,
        facts: &Facts,
        groups: Groups,
        door: Option<&Door>,
        trust: Option<&Trust>,
    ) -> Result<Self> {
        let mut program = Program::new();
        let identity = Identity::decide(plan, tier == Tier::Namespaces && facts.privileged);
        let plan = &crate::closed::without(plan, tier, &identity, facts);
        let mut environment = Trust::variables(plan, trust);
        let outside = match tier {
            Tier::Landlock => Outside::make(plan, facts, &mut environment, door)?,
            Tier::Off | Tier::Namespaces => Outside::default(),
        };
        if tier == Tier::Namespaces {
            inside(&mut program, plan, &identity, facts, groups.held, trust);
        }
        if tier != Tier::Namespaces {
            let arguments = [libc::PR_SET_CHILD_SUBREAPER.into(), 1.into()];
            let call = libc::SYS_prctl;
            program.call(Phase::Setup, "adopt what is left behind", call, &arguments);
        }
        supervise(&mut program, plan, tier, groups.held);
        let filtered = tier == Tier::Landlock;
        let context = Context { tier, facts, groups, user: identity.user, filtered, forked: false };
        command(&mut program, plan, &context, environment)?;
        ns::give_up(&mut program, tier, identity.user);
        Self::finish(program, false, plan, tier, identity, outside)
    }

    fn finish(
        program: Program,
        is_inline: bool,
        plan: &Plan,
        tier: Tier,
        identity: Identity,
        outside: Outside,
    ) -> Result<Self> {
        let image = program.finish();
        let program = match image.bytes {
            short if is_inline && short.len() <= INLINE => Handed::Inline(short),
            bytes => sys::sealed_file(c"sandbox-program", &bytes, false)
                .and_then(crate::helper::high)
                .map(Handed::File)
                .map_err(SandboxError::io("making the helper's program"))?,
        };
        Ok(Self {
            tier,
            program,
            names: image.names,
            ruleset: outside.ruleset,
            identity,
            commands: None,
            terminal: plan.terminal,
            stdin: plan.stdin,
            folder: outside.folder,
            candidates: plan.candidates.clone(),
            name: payload::searched(plan),
            rests: mounts::Rests::default(),
        })
    }
}

/// Whether the payload is in the host's network. A list of hosts that nothing enforces is no
/// reason to open it.
pub(crate) fn open_network(plan: &Plan) -> bool {
    plan.network == NetworkPolicy::Unrestricted
}

/// Whether a plan's payload gets a proxy for its network: where no list of hosts can be kept by other
/// means, and this can.
pub(crate) fn is_proxied(plan: &Plan, tier: Tier, facts: &Facts) -> bool {
    tier == Tier::Landlock
        && plan.network.lists_hosts()
        && landlock::can_lead_to_a_proxy(facts.landlock)
}

/// What a payload's sockets reach; `proxied` says whether that is a proxy.
pub(crate) fn network(plan: &Plan, proxied: bool) -> seccomp::Network {
    match (proxied, open_network(plan)) {
        (true, _) => seccomp::Network::Proxy,
        (false, true) => seccomp::Network::Host,
        (false, false) => seccomp::Network::None,
    }
}

/// What the payload's list depends on beside the plan.
struct Context<'a> {
    tier: Tier,
    facts: &'a Facts,
    groups: Groups,
    user: Option<(u32, u32)>,
    /// Whether the helper has the filter already, and its children with it.
    filtered: bool,
    /// Whether the payload's process was born ahead of its list.
    forked: bool,
}

/// The payload's list.
fn command(
    program: &mut Program,
    plan: &Plan,
    context: &Context<'_>,
    environment: Variables,
) -> Result<()> {
    let confined = context.tier != Tier::Off;
    let filter = filter(plan, context.tier)?.filter(|_| !context.filtered);
    let rlimits = if confined { rlimits(plan, context) } else { Vec::new() };
    let cpus = plan.limits.cpu_count.filter(|_| confined && !context.groups.cpus);
    let payload = Payload {
        candidates: &plan.candidates,
        arguments: payload::arguments(plan)?,
        environment: payload::environment(environment)?,
        cwd: &plan.cwd,
        user: context.user,
        rlimits: &rlimits,
        affinity: cpus.map(rlimit::affinity),
        landlock: confined && context.facts.landlock > 0,
        in_session: context.forked,
        terminal: plan.terminal.is_some(),
        filter: filter.as_deref(),
        confined,
    };
    payload::compile(program, &payload);
    Ok(())
}

/// The lists of the namespace tier before there is a payload.
fn inside(
    program: &mut Program,
    plan: &Plan,
    identity: &Identity,
    facts: &Facts,
    held: Held,
    trust: Option<&Trust>,
) -> mounts::Rests {
    let root = facts.user == 0 && identity.user.is_none();
    // Where no group counts them, private places may at least not pass the limit by themselves.
    let memory = plan.limits.memory.filter(|_| !held.memory);
    let size = plan.limits.disk.into_iter().chain(memory).min();
    ns::prepare(program);
    let mut mounted = crate::sockets::hide(plan);
    let files = &*resolver::own_files(&mut mounted, trust);
    let size = size.map(|size| mounts::OwnFile::beside(files, size));
    let (owner, idmaps) = (identity.user, &identity.idmaps);
    let options = mounts::Options { owner, size, root, idmaps, files };
    mounts::compile(program, &mounted, &options);
    if facts.landlock > 0 {
        let handled = landlock::Handled::new(facts.landlock, false);
        let mut rules = landlock::rules_inside(plan);
        rules.extend(files.iter().flat_map(|file| &file.paths).cloned().map(landlock::readable));
        landlock::compile(program, &rules, handled);
    }
    if let Some(size) = plan.terminal {
        ns::terminal(program, size, identity.user);
    }
    mounts::Rests::of(&mounted)
}

fn filter(plan: &Plan, tier: Tier) -> Result<Option<Cow<'static, [u8]>>> {
    if tier == Tier::Off {
        return Ok(None);
    }
    let arch = seccomp::Arch::native().ok_or_else(unknown_processor)?;
    let spec = spec(plan, tier, network(plan, false), arch);
    Ok(Some(crate::filters::filter(&spec)?))
}

pub(crate) fn unknown_processor() -> SandboxError {
    SandboxError::Unsupported { backend: "linux".into(), operation: "this processor".into() }
}

/// The filter's choices for a plan, whose sockets reach this.
pub(crate) fn spec(
    plan: &Plan,
    tier: Tier,
    network: seccomp::Network,
    arch: seccomp::Arch,
) -> seccomp::FilterSpec {
    seccomp::FilterSpec {
        arch,
        scope: match tier {
            Tier::Namespaces => seccomp::Scope::Namespaced,
            _ => seccomp::Scope::Shared,
        },
        network,
        profile: match plan.syscalls {
            SyscallProfile::Strict => seccomp::Profile::Strict,
            SyscallProfile::Debug => seccomp::Profile::Debug,
            _ => seccomp::Profile::Default,
        },
        metadata: match (tier, plan.enforcement) {
            (Tier::Landlock, EnforcementLevel::Required) => seccomp::Metadata::Refuse,
            _ => seccomp::Metadata::Allow,
        },
    }
}
