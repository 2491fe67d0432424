//! Compiles a plan to a Seatbelt profile.
//!
//! Everything is denied; then come the few things that any program needs, then the places, parents
//! before children. A place inside another first takes everything back and then grants its own
//! rights, so the most specific place decides, as in the policy. What is hidden is taken back by a
//! rule of its own *and* left out of every wider grant: one mistake opens nothing.
//!
//! Rules judge a path as it is at that moment, so a payload that could rename the folder around a
//! hidden file would have it under a name that nothing hides. Every folder between a place and the
//! writable place around it is therefore pinned: it can be neither renamed nor removed.
//!
//! macOS cannot mount for an unprivileged process. A private place of the policy is hidden where it
//! lies, and the run's own folders ([`Surroundings::own`]) stand in for it.
//!
//! # Security
//! The list of Mach services is short on purpose: a service acts with its own rights, so a blanket
//! `mach-lookup` would be the way out. Unix sockets are reachable under no network policy, except
//! the one that answers host names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sandbox_core::NetworkPolicy;
use sandbox_core::plan::{Content, Plan};
use sandbox_core::policy::filesystem::Rights;

use crate::sbpl::{Action, Filter, Operation, Profile};
use Operation::{
    FileIoctl, FileMapExecutable, FileReadData, FileReadMetadata, FileReadXattr, FileTestExistence,
    FileWriteCreate, FileWriteData, FileWriteFlags, FileWriteMode, FileWriteOwner, FileWriteTimes,
    FileWriteUnlink, FileWriteXattr, MachLookup, NetworkBind, NetworkInbound, NetworkOutbound,
    ProcessExec, ProcessFork, ProcessInfo, PseudoTty, Signal, SysctlRead, SystemSocket,
};

/// To see that a name is there, and what it is.
const LOOK: &[Operation] = &[FileReadMetadata, FileTestExistence];
/// To read a file or list a folder.
const READ: &[Operation] = &[FileReadData, FileReadXattr];
/// To change what exists. Not its set-user-id bit: no right stands for that.
const WRITE: &[Operation] =
    &[FileWriteData, FileWriteMode, FileWriteOwner, FileWriteFlags, FileWriteTimes, FileWriteXattr];
/// To run a file, and to load it into a program.
const EXECUTE: &[Operation] = &[ProcessExec, FileMapExecutable];
/// Everything that can be done with a path.
const FILES: &[Operation] = &[
    FileReadMetadata,
    FileTestExistence,
    FileReadData,
    FileReadXattr,
    FileWriteData,
    FileWriteMode,
    FileWriteOwner,
    FileWriteFlags,
    FileWriteTimes,
    FileWriteXattr,
    FileWriteCreate,
    FileWriteUnlink,
    FileIoctl,
    ProcessExec,
    FileMapExecutable,
];

/// Services without which the C library does not work: users and groups, the user's own folders.
const SERVICES: &[&str] = &["com.apple.system.opendirectoryd.libinfo", "com.apple.bsd.dirhelper"];
/// Services by which programs learn of resolvers and proxies.
const NETWORK_SERVICES: &[&str] =
    &["com.apple.SystemConfiguration.configd", "com.apple.SystemConfiguration.DNSConfiguration"];
/// Where the resolver of host names listens.
const RESOLVER: &str = "/private/var/run/mDNSResponder";

/// What a program may ask of the kernel: the machine's shape and the system's version. Nothing
/// about other processes, and nothing that names this machine.
const SYSCTLS: &[&str] = &[
    "hw.activecpu",
    "hw.byteorder",
    "hw.cachelinesize",
    "hw.cpufamily",
    "hw.cpusubtype",
    "hw.cputype",
    "hw.l1dcachesize",
    "hw.l1icachesize",
    "hw.l2cachesize",
    "hw.logicalcpu",
    "hw.logicalcpu_max",
    "hw.machine",
    "hw.memsize",
    "hw.ncpu",
    "hw.nperflevels",
    "hw.pagesize",
    "hw.pagesize_compat",
    "hw.physicalcpu",
    "hw.physicalcpu_max",
    "hw.targettype",
    "kern.argmax",
    "kern.maxfilesperproc",
    "kern.ngroups",
    "kern.osproductversion",
    "kern.osrelease",
    "kern.ostype",
    "kern.osvariant_status",
    "kern.osversion",
    "kern.usrstack64",
    "kern.version",
    "sysctl.proc_cputype",
    "sysctl.proc_translated",
    "vm.loadavg",
];

const READ_DEVICES: &[&str] = &["/dev/random", "/dev/urandom"];
const DEVICES: &[&str] = &["/dev/null", "/dev/zero"];
const TERMINAL_DEVICES: &[&str] = &["/dev/tty", "/dev/ptmx"];
/// The terminals that `/dev/ptmx` hands out.
const TERMINALS: &str = "^/dev/ttys[0-9]+$";

/// What the launcher sets up around a command and the profile must know of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Folders of this run alone, canonical, that stand in for private places.
    pub own: &'a [PathBuf],
    /// The loopback port of the gateway that lets listed hosts through.
    pub gateway: Option<u16>,
}

/// Why a plan has no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Hosts are listed, and nothing could tell them apart.
    #[error("seatbelt cannot tell hosts apart: a gateway is needed for a list of allowed hosts")]
    NoGateway,
}

/// Compiles a plan.
///
/// # Errors
/// [`ProfileError`]: what the profile language cannot say.
pub fn compile(plan: &Plan, around: &Surroundings<'_>) -> Result<Profile, ProfileError> {
    let mut build = Build { profile: Profile::default(), places: rulings(plan, around) };
    build.basics();
    if plan.terminal.is_some() {
        build.terminal();
    }
    build.network(&plan.network, around.gateway)?;
    for (path, ruling) in build.places.clone() {
        build.place(&path, ruling);
    }
    build.passages(plan);
    build.pins();
    Ok(build.profile)
}

/// What is decided about a path and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ruling {
    rights: Rights,
    directory: bool,
}

/// Every place as a ruling. Paths are compared name by name, so parents come first.
fn rulings(plan: &Plan, around: &Surroundings<'_>) -> BTreeMap<PathBuf, Ruling> {
    let hidden = Ruling { rights: Rights::empty(), directory: true };
    let places = plan.places.iter().map(|place| {
        let granted = place.content == Content::Host;
        let rights = if granted { place.rights } else { Rights::empty() };
        (place.path.clone(), Ruling { rights, directory: place.directory })
    });
    let absent = plan.absent.iter().map(|path| (path.clone(), hidden));
    let own = Ruling { rights: Rights::READ_WRITE, directory: true };
    places.chain(absent).chain(around.own.iter().map(|path| (path.clone(), own))).collect()
}

/// The profile under construction.
struct Build {
    profile: Profile,
    places: BTreeMap<PathBuf, Ruling>,
}

impl Build {
    fn allow(&mut self, operations: &[Operation], filters: Vec<Filter>) {
        self.profile.push(Action::Allow, operations, filters);
    }

    /// What every program needs, whatever the policy.
    fn basics(&mut self) {
        self.allow(&[ProcessFork], vec![]);
        self.allow(&[Signal, ProcessInfo], vec![Filter::SameSandbox]);
        self.allow(&[MachLookup], each(SERVICES, Filter::Service));
        self.allow(&[SysctlRead], each(SYSCTLS, Filter::Sysctl));
        self.allow(&[FileReadData], each(READ_DEVICES, Filter::Fixed));
        self.allow(&[FileReadData, FileWriteData], each(DEVICES, Filter::Fixed));
        self.allow(LOOK, each(&[READ_DEVICES, DEVICES].concat(), Filter::Fixed));
        // The loader opens the root folder before it looks anything up in it.
        self.allow(&[FileReadData, FileReadMetadata], vec![Filter::Fixed("/")]);
    }

    fn terminal(&mut self) {
        let mut devices = each(TERMINAL_DEVICES, Filter::Fixed);
        devices.push(Filter::Pattern(TERMINALS));
        self.allow(&[PseudoTty], vec![]);
        let use_it = [FileReadData, FileWriteData, FileIoctl, FileReadMetadata, FileTestExistence];
        self.allow(&use_it, devices);
    }

    fn network(
        &mut self,
        policy: &NetworkPolicy,
        gateway: Option<u16>,
    ) -> Result<(), ProfileError> {
        match policy {
            policy if policy.is_denied() => {}
            NetworkPolicy::Limited { .. } => {
                let port = gateway.ok_or(ProfileError::NoGateway)?;
                self.allow(&[NetworkOutbound], vec![Filter::Loopback(port)]);
            }
            NetworkPolicy::Unrestricted => {
                self.allow(&[NetworkOutbound], vec![Filter::Remote, Filter::Fixed(RESOLVER)]);
                self.allow(&[NetworkInbound, NetworkBind], vec![Filter::Local]);
                self.allow(&[SystemSocket], vec![]);
                self.allow(&[MachLookup], each(NETWORK_SERVICES, Filter::Service));
            }
        }
        Ok(())
    }

    /// One place: take back what surrounds it, then grant its own rights.
    fn place(&mut self, path: &Path, ruling: Ruling) {
        let key = self.profile.key(path);
        if ruling.rights.is_empty() || self.around(path).is_some() {
            let both = vec![Filter::Literal(key), Filter::Subpath(key)];
            self.profile.push(Action::Deny, FILES, both);
        }
        let Ruling { rights, .. } = ruling;
        if rights.is_empty() {
            return;
        }
        self.grant(path, ruling, LOOK, None);
        match (rights.contains(Rights::READ), rights.contains(Rights::LIST)) {
            (true, true) => self.grant(path, ruling, READ, None),
            (true, false) => {
                self.grant(path, ruling, READ, Some(Filter::Not(Box::new(Filter::Directory))));
            }
            (false, true) => self.grant(path, ruling, READ, Some(Filter::Directory)),
            (false, false) => {}
        }
        for (right, operations) in [
            (Rights::WRITE, WRITE),
            (Rights::CREATE, &[FileWriteCreate]),
            (Rights::DELETE, &[FileWriteUnlink]),
            (Rights::EXECUTE, EXECUTE),
        ] {
            if rights.contains(right) {
                self.grant(path, ruling, operations, None);
            }
        }
    }

    /// Allows operations on a place, but for the hidden paths in it.
    fn grant(&mut self, path: &Path, ruling: Ruling, allow: &[Operation], only: Option<Filter>) {
        let key = self.profile.key(path);
        let scope = if ruling.directory { Filter::Subpath(key) } else { Filter::Literal(key) };
        let mut parts = vec![scope];
        for hidden in self.hidden_below(path) {
            let key = self.profile.key(&hidden);
            parts.push(Filter::Not(Box::new(Filter::Literal(key))));
            parts.push(Filter::Not(Box::new(Filter::Subpath(key))));
        }
        parts.extend(only);
        let filter = match parts.len() {
            1 => parts.remove(0),
            _ => Filter::All(parts),
        };
        self.allow(allow, vec![filter]);
    }

    /// Lets the way to each place be looked at: without it no path inside resolves. Not before the
    /// places, because the way may lead through a hidden folder.
    fn passages(&mut self, plan: &Plan) {
        let granted = self.places.iter().filter(|(_, ruling)| !ruling.rights.is_empty());
        let above = granted.flat_map(|(path, _)| path.ancestors().skip(1));
        let linked = plan.links.keys().flat_map(|link| link.ancestors());
        let ways: BTreeSet<PathBuf> = above.chain(linked).map(Path::to_path_buf).collect();
        let ways: Vec<_> =
            ways.iter().map(|path| Filter::Literal(self.profile.key(path))).collect();
        let links = plan.links.keys().map(|link| Filter::Literal(self.profile.key(link)));
        let links: Vec<_> = links.collect();
        if !ways.is_empty() {
            self.allow(LOOK, ways);
        }
        if !links.is_empty() {
            self.allow(&[FileReadData], links);
        }
    }

    /// Keeps every place, and all folders on the way to it, where they are.
    fn pins(&mut self) {
        let deletable = |path: &Path| {
            let inner = self.places.get(path).or_else(|| self.around(path));
            inner.is_some_and(|ruling| ruling.rights.contains(Rights::DELETE))
        };
        let ways = self.places.keys().flat_map(|path| path.ancestors());
        let pins: BTreeSet<PathBuf> =
            ways.filter(|path| deletable(path)).map(Path::to_path_buf).collect();
        if !pins.is_empty() {
            let pins = pins.iter().map(|path| Filter::Literal(self.profile.key(path))).collect();
            self.profile.push(Action::Deny, &[FileWriteUnlink], pins);
        }
    }

    /// The innermost place that a path lies in, itself aside.
    fn around(&self, path: &Path) -> Option<&Ruling> {
        path.ancestors().skip(1).find_map(|above| self.places.get(above))
    }

    fn hidden_below(&self, path: &Path) -> Vec<PathBuf> {
        let below = |other: &Path| other != path && other.starts_with(path);
        let hidden = self.places.iter().filter(|(_, ruling)| ruling.rights.is_empty());
        hidden.map(|(other, _)| other.clone()).filter(|other| below(other)).collect()
    }
}

fn each(names: &[&'static str], filter: fn(&'static str) -> Filter) -> Vec<Filter> {
    names.iter().map(|name| filter(name)).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod reader;
#[cfg(test)]
#[cfg(unix)]
mod tests;
