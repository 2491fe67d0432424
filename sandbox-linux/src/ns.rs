//! Namespaces: which, what is done in them beside mounts, and what is given up afterwards.

use sandbox_core::plan::Plan;
use sandbox_core::{NetworkPolicy, TerminalSize};

use crate::abi::fd;
use crate::egress::Counts;
use crate::facts::Facts;
use crate::fs::landlock;
use crate::handover::Handover;
use crate::helper::Birth;
use crate::jail::Tier;
use crate::program::{Phase, Program, Slot};
use crate::seccomp::{Arch, FilterSpec, Metadata, Network, Profile, Scope};

const HOST_NAME: &str = "sandbox";

/// The helper that a plan wants; `proxied` says whether its network is a proxy.
pub(crate) fn birth(plan: &Plan, tier: Tier, facts: &Facts, proxied: bool) -> Birth {
    let arch = Arch::native().filter(|_| tier == Tier::Landlock);
    let network = crate::jail::network(plan, proxied);
    let filter = arch.map(|arch| crate::jail::spec(plan, tier, network, arch));
    let namespaces = namespaces(tier, crate::jail::open_network(plan), facts);
    let sockets = Counts::of(&plan.network).filter(|_| tier == Tier::Namespaces);
    Birth { namespaces, confined: tier != Tier::Off, filter, sockets }
}

/// The helper that clones mounts of the host.
pub(crate) fn birth_outside(facts: &Facts) -> Birth {
    let needed = (libc::CLONE_NEWUSER | libc::CLONE_NEWNS).unsigned_abs();
    let namespaces = if facts.privileged { 0 } else { u64::from(needed) };
    Birth { namespaces, confined: false, filter: None, sockets: None }
}

/// The helper that most plans of a tier with this network want.
pub(crate) fn likely_birth(tier: Tier, network: &NetworkPolicy, facts: &Facts) -> Birth {
    let open_network = *network == NetworkPolicy::Unrestricted;
    let filter = Arch::native().filter(|_| tier == Tier::Landlock).map(|arch| FilterSpec {
        arch,
        scope: Scope::Shared,
        network: match landlock::can_lead_to_a_proxy(facts.landlock) && network.lists_hosts() {
            true => Network::Proxy,
            false if open_network => Network::Host,
            false => Network::None,
        },
        profile: Profile::Default,
        metadata: Metadata::Refuse,
    });
    let namespaces = namespaces(tier, open_network, facts);
    let sockets = Counts::of(network).filter(|_| tier == Tier::Namespaces);
    Birth { namespaces, confined: tier != Tier::Off, filter, sockets }
}

#[expect(clippy::cast_sign_loss, reason = "flags")]
fn namespaces(tier: Tier, open_network: bool, facts: &Facts) -> u64 {
    if tier != Tier::Namespaces {
        return 0;
    }
    let mut flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if !open_network {
        flags |= libc::CLONE_NEWNET;
    }
    if !facts.privileged {
        flags |= libc::CLONE_NEWUSER;
    }
    flags as u32 as u64
}

/// The host name.
pub(crate) fn prepare(program: &mut Program) {
    let name = program.text(HOST_NAME);
    let arguments = [name.into(), HOST_NAME.len().into()];
    program.call(Phase::Setup, "set the host name", libc::SYS_sethostname, &arguments);
}

/// A terminal of the sandbox's own; its other end goes to the launcher over the control socket.
pub(crate) fn terminal(program: &mut Program, size: TerminalSize, user: Option<(u32, u32)>) {
    let handover = Handover::new(program);
    let (master, slave) = (handover.slot(), program.slot());
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    let path = program.text("/dev/pts/ptmx");
    let arguments = [libc::AT_FDCWD.into(), path.into(), flags.into()];
    program.call(Phase::Setup, "open a terminal", libc::SYS_openat, &arguments).store(master);
    let unlocked = program.words(&[0]);
    let arguments = [master.into(), libc::TIOCSPTLCK.into(), unlocked.into()];
    program.call(Phase::Setup, "unlock it", libc::SYS_ioctl, &arguments);
    let arguments = [master.into(), libc::TIOCGPTPEER.into(), flags.into()];
    program.call(Phase::Setup, "open its other end", libc::SYS_ioctl, &arguments).store(slave);
    let size = program.words(&[u64::from(size.rows) | u64::from(size.columns) << 16]);
    let arguments = [slave.into(), libc::TIOCSWINSZ.into(), size.into()];
    program.call(Phase::Setup, "set its size", libc::SYS_ioctl, &arguments);
    if let Some((user, group)) = user {
        let arguments = [slave.into(), user.into(), group.into()];
        program.call(Phase::Setup, "give it to the payload", libc::SYS_fchown, &arguments);
    }
    handover.send(program, "the terminal");
    for target in 0..3 {
        let arguments = [slave.into(), target.into(), 0.into()];
        program.call(Phase::Setup, "put it in place", libc::SYS_dup3, &arguments);
    }
    close(program, master);
    close(program, slave);
}

/// Closes a descriptor that is not needed any more.
pub(crate) fn close(program: &mut Program, slot: Slot) {
    program.call(Phase::Setup, "close it", libc::SYS_close, &[slot.into()]);
}

/// Keeps what the first process of a lasting sandbox forks helpers with, and gives up what only the
/// set-up needed. `group` is where the way into the group of commands lies.
pub(crate) fn keep(program: &mut Program, landlock: bool, group: Option<i32>) {
    let cloexec = libc::O_CLOEXEC;
    if landlock {
        let arguments = [fd::RULESET.into(), fd::KEPT_RULESET.into(), cloexec.into()];
        program.call(Phase::After, "keep the ruleset", libc::SYS_dup3, &arguments);
    }
    if let Some(number) = group {
        let arguments = [number.into(), fd::KEPT_GROUP.into(), cloexec.into()];
        program.call(Phase::After, "keep the commands' group", libc::SYS_dup3, &arguments);
    }
    let close = libc::SYS_close_range;
    let low = [fd::PROGRAM.into(), (fd::KEPT_RULESET - 1).into(), 0.into()];
    program.call(Phase::After, "close what setup opened", close, &low);
    let high = [(fd::LAST_KEPT + 1).into(), u32::MAX.into(), 0.into()];
    program.call(Phase::After, "close the rest of it", close, &high);
}

/// Puts the kept ruleset where a payload's list expects it.
pub(crate) fn take_ruleset(program: &mut Program, landlock: bool) {
    if landlock {
        let arguments = [fd::KEPT_RULESET.into(), fd::RULESET.into(), libc::O_CLOEXEC.into()];
        program.call(Phase::Setup, "take the ruleset", libc::SYS_dup3, &arguments);
    }
}

/// The helper of a command in a lasting sandbox.
pub(crate) fn birth_inside(plan: &Plan) -> Birth {
    let arch = Arch::native();
    let network = crate::jail::network(plan, false);
    let filter = arch.map(|arch| crate::jail::spec(plan, Tier::Namespaces, network, arch));
    Birth { namespaces: 0, confined: true, filter, sockets: None }
}

/// The helper keeps nothing but what ending the payload takes.
pub(crate) fn give_up(program: &mut Program, tier: Tier, user: Option<(u32, u32)>) {
    let rest = [fd::RULESET.into(), u32::MAX.into(), 0.into()];
    program.call(Phase::After, "close what setup opened", libc::SYS_close_range, &rest);
    if tier == Tier::Off {
        return;
    }
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL;
    let arguments = [libc::PR_CAP_AMBIENT.into(), clear.into(), 0.into(), 0.into(), 0.into()];
    program.call(Phase::After, "clear ambient capabilities", libc::SYS_prctl, &arguments);
    // The payload's user, so that ending it takes no right; it still cannot be looked into,
    // because it is not dumpable.
    if let Some((user, group)) = user {
        let none = [0.into(), 0.into()];
        program.call(Phase::After, "leave all groups", libc::SYS_setgroups, &none);
        let group = [group.into(), group.into(), group.into()];
        program.call(Phase::After, "become the payload's group", libc::SYS_setresgid, &group);
        let user = [user.into(), user.into(), user.into()];
        program.call(Phase::After, "become the payload's user", libc::SYS_setresuid, &user);
    }
    let header = program.words(&[0x2008_0522]);
    let sets = program.words(&[0, 0, 0]);
    let arguments = [header.into(), sets.into()];
    program.call(Phase::After, "give up capabilities", libc::SYS_capset, &arguments);
}
