//! Landlock: rights on the files behind a path, enforced by the kernel whatever the path is called.
//!
//! The rules are computed once, as values. Below namespaces they are added inside the new root, by
//! the helper, because private places do not exist before; there Landlock stands behind the mounts.
//! Alone, the ruleset is made here, by the `landlock` crate, and is all that there is.
//!
//! Rules only add: a place inside a wider one cannot have fewer rights. Where a policy asks for
//! that and no mount can give it, the wider rule is broken up into one rule for each neighbour of
//! the narrower place. That is exact for what exists at launch; names that appear later in the
//! broken-up folder are not granted.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::filesystem::Rights;
use sandbox_core::{Result, SandboxError};

use crate::abi::fd;
use crate::program::{Argument, Phase, Program};

/// A rule: what may be done with a path and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) path: PathBuf,
    pub(crate) access: BitFlags<AccessFs>,
    pub(crate) directory: bool,
}

/// What a ruleset restricts at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handled {
    abi: ABI,
    /// Whether binding and connecting TCP is restricted.
    pub(crate) network: bool,
}

impl Handled {
    pub(crate) fn new(abi: u32, network: bool) -> Self {
        // The newest that this library knows is enough for newer kernels.
        let abi = match abi {
            0 => ABI::Unsupported,
            1 => ABI::V1,
            2 => ABI::V2,
            3 => ABI::V3,
            4 => ABI::V4,
            5 => ABI::V5,
            _ => ABI::V6,
        };
        Self { abi, network }
    }

    fn files(self) -> BitFlags<AccessFs> {
        AccessFs::from_all(self.abi)
    }

    fn net(self) -> BitFlags<AccessNet> {
        if self.network { AccessNet::from_all(self.abi) } else { BitFlags::EMPTY }
    }

    fn scopes(self) -> BitFlags<Scope> {
        Scope::from_all(self.abi)
    }
}

/// The kernel's rights for the policy's.
pub(crate) fn access(rights: Rights, directory: bool) -> BitFlags<AccessFs> {
    use AccessFs::{
        Execute, MakeDir, MakeFifo, MakeReg, MakeSock, MakeSym, ReadDir, ReadFile, Refer,
        RemoveDir, RemoveFile, Truncate, WriteFile,
    };
    let table: [(Rights, BitFlags<AccessFs>); 7] = [
        (Rights::READ, ReadFile.into()),
        (Rights::LIST, ReadDir.into()),
        (Rights::WRITE, WriteFile | Truncate),
        (Rights::CREATE, MakeReg | MakeDir | MakeSym | MakeFifo | MakeSock),
        (Rights::DELETE, RemoveFile | RemoveDir),
        (Rights::EXECUTE, Execute.into()),
        (Rights::CREATE.union(Rights::DELETE), Refer.into()),
    ];
    let granted = table.iter().filter(|(right, _)| rights.contains(*right));
    let all = granted.fold(BitFlags::EMPTY, |all, (_, access)| all | *access);
    if directory { all } else { all & (ReadFile | WriteFile | Truncate | Execute) }
}

/// The rules for the places of a plan as they lie in a root of mounts.
pub(crate) fn rules_inside(plan: &Plan) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for place in plan.places.iter().filter(|place| place.content != Content::Hidden) {
        let access = access(place.rights, place.directory);
        // The layers of a place are not always the same, what lies around them is.
        let around = place.path.parent().filter(|_| plan.layers.contains_key(&place.path));
        for path in around.into_iter().chain([place.path.as_path()]) {
            rules.push(Rule { path: path.to_path_buf(), access, directory: place.directory });
        }
    }
    rules.extend(system_rules());
    rules.push(rule("/", AccessFs::ReadDir.into()));
    let terminals = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    rules.push(rule("/dev/pts", terminals));
    rules.push(rule("/dev/shm", access(Rights::READ_WRITE, true)));
    rules
}

/// The rules for the places of a plan on the host's own root.
pub(crate) fn rules_outside(plan: &Plan) -> Vec<Rule> {
    let mut rules = Vec::new();
    for place in plan.places.iter().filter(|place| place.content == Content::Host) {
        let narrower = |inner: &&Path| *inner != place.path && inner.starts_with(&place.path);
        let inner: Vec<&Path> =
            narrower_places(plan, place.rights).iter().copied().filter(narrower).collect();
        break_up(&place.path, place.directory, place.rights, &inner, &mut rules);
    }
    rules.extend(system_rules());
    rules
}

/// Places whose rights a wider place would exceed.
fn narrower_places(plan: &Plan, rights: Rights) -> Vec<&Path> {
    let narrower = plan.places.iter().filter(|place| !place.rights.contains(rights));
    narrower.map(|place| place.path.as_path()).collect()
}

/// One rule for a path, or one for each neighbour of the places in it.
fn break_up(path: &Path, directory: bool, rights: Rights, inner: &[&Path], rules: &mut Vec<Rule>) {
    if inner.contains(&path) {
        return;
    }
    if !inner.iter().any(|narrow| narrow.starts_with(path)) {
        let access = access(rights, directory);
        rules.push(Rule { path: path.to_path_buf(), access, directory });
        return;
    }
    // What cannot be listed now cannot be granted piece by piece, so it is not granted.
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if let Ok(kind) = entry.file_type()
            && !kind.is_symlink()
        {
            break_up(&entry.path(), kind.is_dir(), rights, inner, rules);
        }
    }
}

/// Whether some place asks for fewer rights than a place around it.
pub(crate) fn needs_breaking_up(plan: &Plan) -> Option<&Path> {
    let narrower = |outer: &sandbox_core::plan::Place| {
        let inside = |path: &&Path| *path != outer.path && path.starts_with(&outer.path);
        narrower_places(plan, outer.rights).into_iter().find(inside)
    };
    let hosts = plan.places.iter().filter(|place| place.content == Content::Host);
    hosts.filter(|place| place.rights.intersects(Rights::CHANGES)).find_map(narrower)
}

/// What every program needs beside its policy.
fn system_rules() -> Vec<Rule> {
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let names = ["null", "zero", "full", "random", "urandom", "tty"];
    let file = |name| Rule { path: Path::new("/dev").join(name), access: device, directory: false };
    let mut rules: Vec<Rule> = names.map(file).into();
    rules.push(rule("/proc", AccessFs::ReadFile | AccessFs::ReadDir));
    rules
}

fn rule(path: &str, access: BitFlags<AccessFs>) -> Rule {
    Rule { path: path.into(), access, directory: true }
}

/// The rule of a file that may be read.
pub(crate) fn readable(path: PathBuf) -> Rule {
    Rule { path, access: access(Rights::READ, false), directory: false }
}

/// Makes the helper build the ruleset inside the new root and keep it as [`fd::RULESET`].
pub(crate) fn compile(program: &mut Program, rules: &[Rule], handled: Handled) {
    let attributes =
        program.words(&[handled.files().bits(), handled.net().bits(), handled.scopes().bits()]);
    let made = program.slot();
    let size = attribute_size(handled.abi);
    let arguments = [attributes.into(), size.into(), 0.into()];
    let create = libc::SYS_landlock_create_ruleset;
    program.call(Phase::Setup, "make the Landlock ruleset", create, &arguments).store(made);
    for rule in rules {
        add(program, made, rule, handled);
    }
    let arguments = [made.into(), fd::RULESET.into(), libc::O_CLOEXEC.into()];
    program.call(Phase::Setup, "keep the ruleset", libc::SYS_dup3, &arguments);
}

/// Has the kept ruleset allow what a place with layers allows, when it has got other layers: for who
/// still uses these when they are taken away in their turn.
pub(crate) fn allow_layers(program: &mut Program, path: &Path, handled: Handled) {
    let access = access(Rights::READ_WRITE, true);
    let rule = Rule { path: path.to_path_buf(), access, directory: true };
    // The first process would hold the layers otherwise.
    program.close = true;
    add(program, fd::KEPT_RULESET, &rule, handled);
    program.close = false;
}

/// Has the kept ruleset allow what a place allows that has come.
pub(crate) fn allow_more(program: &mut Program, place: &Place, handled: Handled) {
    let access = access(place.rights, place.directory);
    let rule = Rule { path: place.path.clone(), access, directory: place.directory };
    program.close = true;
    add(program, fd::KEPT_RULESET, &rule, handled);
    program.close = false;
}

fn add(program: &mut Program, ruleset: impl Into<Argument>, rule: &Rule, handled: Handled) {
    const PATH_BENEATH: i32 = 1;
    let name = quoted(&rule.path);
    let access = (rule.access & handled.files()).bits();
    // struct landlock_path_beneath_attr: the rights, then the descriptor.
    let attribute = program.words(&[access, 0]);
    let place = attribute.slot_at(8);
    let path = program.path(&rule.path);
    let flags = libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    program.optional(Phase::Setup, &[libc::ENOENT], |program| {
        let arguments = [libc::AT_FDCWD.into(), path.into(), flags.into(), 0.into()];
        let text = format!("find {name} for Landlock");
        program.call(Phase::Setup, text, libc::SYS_openat, &arguments).store(place);
        let arguments = [ruleset.into(), PATH_BENEATH.into(), attribute.into(), 0.into()];
        let text = format!("allow {:?} below {name}", rule.access);
        program.call(Phase::Setup, text, libc::SYS_landlock_add_rule, &arguments);
        if program.close {
            program.call(Phase::Setup, "close it", libc::SYS_close, &[place.into()]);
        }
    });
}

/// `landlock_create_ruleset` refuses a structure that is longer than it knows, unless it is zero.
fn attribute_size(abi: ABI) -> i32 {
    match abi {
        ABI::V1 | ABI::V2 | ABI::V3 => 8,
        ABI::V4 | ABI::V5 => 16,
        _ => 24,
    }
}

/// Whether a payload can be kept to connections to one port (ABI 4).
pub(crate) fn can_lead_to_a_proxy(abi: u32) -> bool {
    abi >= 4
}

/// Makes the ruleset on this side, for a payload that stays in the host's root, and may connect to
/// this port, if to any.
///
/// # Errors
/// What the kernel answers; a rule's path that is gone is left out, which grants nothing.
pub(crate) fn ruleset(rules: &[Rule], handled: Handled, port: Option<u16>) -> Result<OwnedFd> {
    let failed = |error: &dyn std::fmt::Display| SandboxError::Launch {
        step: "make the Landlock ruleset".into(),
        source: std::io::Error::other(error.to_string()),
    };
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let mut ruleset = ruleset.handle_access(handled.files()).map_err(|e| failed(&e))?;
    if !handled.scopes().is_empty() {
        ruleset = ruleset.scope(handled.scopes()).map_err(|e| failed(&e))?;
    }
    if !handled.net().is_empty() {
        ruleset = ruleset.handle_access(handled.net()).map_err(|e| failed(&e))?;
    }
    let mut created = ruleset.create().map_err(|e| failed(&e))?;
    for rule in rules {
        let Ok(place) = open(&rule.path) else { continue };
        let access = rule.access & handled.files();
        if !access.is_empty() {
            let rule = PathBeneath::new(place, access);
            created = created.add_rule(rule).map_err(|e| failed(&e))?;
        }
    }
    if let Some(port) = port {
        let rule = NetPort::new(port, AccessNet::ConnectTcp);
        created = created.add_rule(rule).map_err(|e| failed(&e))?;
    }
    let fd: Option<OwnedFd> = created.into();
    fd.ok_or_else(|| failed(&"the kernel made no ruleset"))
}

/// Opens a place without following any link. Where a filter knows no `openat2`, the kernel tells
/// afterwards what was opened.
fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Err(rustix::io::Errno::NOSYS) => {}
        opened => return opened,
    }
    let place = openat(CWD, path, flags | OFlags::NOFOLLOW, Mode::empty())?;
    let name = format!("/proc/self/fd/{}", place.as_raw_fd());
    match std::fs::read_link(name) {
        Ok(found) if found == path => Ok(place),
        _ => Err(rustix::io::Errno::LOOP),
    }
}
