//! Folders that are copied on write: overlayfs over a read-only clone of the host's folder.
//!
//! Three things lie at such a place, one over the other: the clone of the host's folder, read-only
//! and with its owner mapped; the overlay, whose layers are folders of the session; and whatever the
//! policy covers in it. The clone stays attached below the overlay, because the kernel takes layers
//! from mounts of the namespace alone, and because between two overlays nothing else is to be seen.
//! For the same reason the session's folder of layers is attached in the root, under a cover that
//! nobody can look below; the first process keeps descriptors of both.
//!
//! The layers are named by `/proc/self/fd`, so no character of any path means anything.
//! `userxattr` works without rights on the host; `volatile` leaves out the flushes that only a
//! machine that crashes would need: a session does not outlive its machine.
//!
//! Landlock looks at the parents of a mount point, not at the mount point: so the rule for such a
//! place lies on the folder around it, and mount flags hold what lies beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sandbox_core::path::quoted;
use sandbox_core::plan::{Layers, Place, Plan};

use super::verbs::{From, NODEV, NOSUID, RDONLY};
use super::{Build, COVERS, flags_of, owned_tmpfs};
use crate::abi::fd;
use crate::fs::landlock::{self, Handled};
use crate::program::{Name, Phase, Program, Slot};

/// Where the folder of layers is attached and covered.
const HOLD: &str = ".sandbox-layers";
/// Where what is mounted among layers rests while they change.
const RESTS: &str = ".sandbox-rests";
/// Where layers go that are still in use when others take their place.
const PAST: &str = ".sandbox-past";
/// From here on descriptors stand for layers while an overlay is mounted.
const FIRST_LAYER: i32 = 400;
const MOUNT_FLAGS: u64 = libc::MS_NOSUID | libc::MS_NODEV;

impl Build<'_> {
    /// Attaches a place that is copied on write.
    pub(super) fn layered(&mut self, place: &Place) {
        let Some(layers) = self.plan.layers.get(&place.path) else { return };
        let lower = self.host_tree(place, flags_of(place.rights) | RDONLY);
        let point = self.program.open_place(From::Inside(self.root), &place.path);
        self.program.attach(lower, point, &quoted(&place.path));
        let hold = self.hold(layers);
        let number = lower_of(self.plan, &place.path);
        keep(self.program, lower, number, "keep the folder below");
        overlay(self.program, From::Inside(hold), layers, number, self.options.owner);
        self.pinned.insert(place.path.clone());
        self.make_rests(&place.path);
    }

    /// Makes a resting place for everything that is mounted in a place with layers: it has to be
    /// moved away while the layers change.
    fn make_rests(&mut self, around: &Path) {
        self.program.make_folder(self.root, Path::new(RESTS), 0o700);
        self.modes.push((self.root, RESTS.into(), 0));
        for (rest, place) in rests(self.plan, around) {
            if place.directory {
                self.program.make_folder(self.root, &rest, 0);
            } else {
                self.program.make_file(self.root, &rest, 0);
            }
        }
    }

    /// A place in memory with a size of its own.
    pub(super) fn memory(&mut self, place: &Place) -> Slot {
        let size = self.plan.sizes.get(&place.path).copied().flatten();
        let name = quoted(&place.path);
        owned_tmpfs(self.program, &name, size, "0700", self.options.owner)
    }

    /// The folder of all layers, attached and covered.
    fn hold(&mut self, layers: &Layers) -> Slot {
        if let Some(hold) = self.layers {
            return hold;
        }
        let name = Path::new(HOLD);
        self.program.make_folder(self.root, name, 0o700);
        self.program.make_folder(self.root, Path::new(PAST), 0);
        let source = self.program.open_place(From::Host, &layers.root);
        let tree = self.program.clone_tree(source, "the folder of layers", NODEV | NOSUID);
        self.program.attach_by_name(tree, self.root, name);
        let covers = From::Inside(self.covers);
        let cover = self.program.clone_own(covers, Path::new("folder"), 0);
        self.program.attach_own(cover, self.root, name);
        keep(self.program, tree, fd::KEPT_LAYERS, "keep the folder of layers");
        *self.layers.insert(tree)
    }
}

/// Where everything rests that is mounted in places with layers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rests(BTreeMap<PathBuf, PathBuf>);

impl Rests {
    /// Of a plan as it was mounted.
    pub(crate) fn of(plan: &Plan) -> Self {
        let all = plan.layers.keys().flat_map(|around| rests(plan, around));
        Self(all.map(|(rest, place)| (place.path.clone(), rest)).collect())
    }

    /// Of what lies in one place: its path, and where it rests; parents first.
    fn inside(&self, around: &Path) -> impl DoubleEndedIterator<Item = (&Path, PathBuf)> {
        let inner = self.0.iter().filter(move |(path, _)| path.starts_with(around));
        inner.map(|(path, rest)| (path.as_path(), Path::new("/").join(rest)))
    }
}

/// What is mounted in a place with layers, and where each rests meanwhile.
fn rests<'a>(plan: &'a Plan, around: &Path) -> Vec<(PathBuf, &'a Place)> {
    let inner = |place: &&Place| place.path != around && place.path.starts_with(around);
    let numbered = plan.places.iter().enumerate().filter(|(_, place)| inner(place));
    numbered.map(|(at, place)| (Path::new(RESTS).join(at.to_string()), place)).collect()
}

/// A change of layers in a sandbox that runs.
pub(crate) struct Change<'a> {
    /// The plan with the new layers.
    pub(crate) plan: &'a Plan,
    /// Where things rest meanwhile.
    pub(crate) rests: &'a Rests,
    /// The place.
    pub(crate) path: &'a Path,
    /// What the kept ruleset handles, if there is one.
    pub(crate) handled: Option<Handled>,
    /// The payloads' user and group, where that is not the caller.
    pub(crate) owner: Option<(u32, u32)>,
}

impl Change<'_> {
    /// Compiles it for layers that nobody uses; with EBUSY nothing has changed. What lies in the
    /// place moves out, the innermost first, and back again.
    pub(crate) fn of_unused(&self, program: &mut Program) {
        for (place, rest) in self.rests.inside(self.path).rev() {
            let tree = program.mounted(place);
            move_to(program, tree, &rest);
        }
        let target = program.path(self.path);
        let arguments = [target.into(), libc::UMOUNT_NOFOLLOW.into()];
        program.optional_remembered(Phase::Setup, &[libc::EBUSY], |program| {
            program.setup("take the layers away", libc::SYS_umount2, &arguments);
            self.put(program);
        });
        self.come_back(program);
    }

    /// Compiles it for layers that are in use. They are moved out of sight as a whole, with what
    /// covers the policy's secrets in them: who is still there sees what he saw, and no more. A
    /// mount that is detached instead would lose its covers.
    pub(crate) fn of_used(&self, program: &mut Program) {
        for (place, rest) in self.rests.inside(self.path) {
            let tree = program.copied(place);
            move_to(program, tree, &rest);
        }
        let past = Path::new("/").join(PAST);
        let old = program.mounted(self.path);
        move_to(program, old, &past);
        let cover = program.copied(&Path::new("/").join(COVERS).join("folder"));
        move_to(program, cover, &past);
        self.put(program);
        self.come_back(program);
    }

    fn put(&self, program: &mut Program) {
        let Some(layers) = self.plan.layers.get(self.path) else { return };
        let hold = From::Kept(fd::KEPT_LAYERS);
        overlay(program, hold, layers, lower_of(self.plan, self.path), self.owner);
        if let Some(handled) = self.handled {
            landlock::allow_layers(program, self.path, handled);
        }
    }

    fn come_back(&self, program: &mut Program) {
        for (place, rest) in self.rests.inside(self.path) {
            let tree = program.mounted(&rest);
            move_to(program, tree, place);
        }
    }
}

/// Attaches a tree at a path of the sandbox's root.
pub(super) fn move_to(program: &mut Program, tree: Slot, to: &Path) {
    let root = program.open_place(From::Host, Path::new("/"));
    let place = program.open_place(From::Inside(root), to);
    program.attach(tree, place, &quoted(to));
    for slot in [tree, root, place] {
        program.setup("close it", libc::SYS_close, &[slot.into()]);
    }
}

/// The number under which the first process keeps the folder below a place's layers.
pub(crate) fn lower_of(plan: &Plan, path: &Path) -> i32 {
    let before = plan.layers.keys().take_while(|other| *other != path).count();
    fd::FIRST_LOWER + i32::try_from(before).unwrap_or(i32::MAX)
}

fn keep(program: &mut Program, slot: Slot, number: i32, text: impl Into<Name>) {
    let arguments = [slot.into(), number.into(), libc::O_CLOEXEC.into()];
    program.setup(text, libc::SYS_dup3, &arguments);
}

/// Mounts an overlay over the folder that is kept as `lower`; layers are found in `hold`.
fn overlay(
    program: &mut Program,
    hold: From,
    layers: &Layers,
    lower: i32,
    owner: Option<(u32, u32)>,
) {
    let mut number = FIRST_LAYER;
    let mut open = |program: &mut Program, path: &Path| {
        let tail = path.strip_prefix(&layers.root).unwrap_or(path);
        let slot = program.open_place(hold, tail);
        keep(program, slot, number, format!("take the layer {}", quoted(tail)));
        program.setup("close it", libc::SYS_close, &[slot.into()]);
        number += 1;
        format!("/proc/self/fd/{}", number - 1)
    };
    let (upper, work) = (open(program, &layers.upper), open(program, &layers.work));
    if let Some((user, group)) = owner {
        // The top folder of what is seen is that of the uppermost layer.
        let top = program.text(&upper);
        let arguments = [libc::AT_FDCWD.into(), top.into(), user.into(), group.into(), 0.into()];
        program.setup("give the layer to the payload", libc::SYS_fchownat, &arguments);
    }
    let frozen = layers.frozen.iter().map(|layer| open(program, layer));
    let mut lowers: Vec<String> = frozen.collect();
    lowers.push(format!("/proc/self/fd/{lower}"));
    let options =
        format!("lowerdir={},upperdir={upper},workdir={work},userxattr,volatile", lowers.join(":"));
    let (kind, options) = (program.text("overlay"), program.text(&options));
    let point = program.text(format!("/proc/self/fd/{lower}"));
    let arguments = [kind.into(), point.into(), kind.into(), MOUNT_FLAGS.into(), options.into()];
    program.setup("mount the layers", libc::SYS_mount, &arguments);
    let close = [FIRST_LAYER.into(), number.into(), 0.into()];
    program.call(Phase::Setup, "close the layers", libc::SYS_close_range, &close);
}
