//! Compiles the places of a plan to a root of mounts.
//!
//! The new root is an empty tmpfs (or, where the policy grants `/`, a read-only clone of the host's
//! root). Each place is a clone of the host's tree with its flags set *before* it is attached, so
//! there is no moment at which more is possible. A private folder is a folder of that tmpfs, bound
//! onto itself before the tmpfs becomes read-only; its size is the disk limit. What is private or
//! hidden inside a tree of the host comes from a second tmpfs, the scratch, which lends its folders
//! and goes away with the old root.
//!
//! Sources and targets are opened without following any link, so a name that an earlier payload has
//! turned into a link stops the launch. A place inside a writable one is protected from being moved
//! away: every folder between the two is bound onto itself, and a mount point cannot be renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sandbox_core::ByteSize;
use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::filesystem::Rights;

use crate::program::{Program, Slot};
use verbs::{From, NODEV, NOEXEC, NOSUID, RDONLY};

pub(crate) use addition::{Addition, clone};
pub(crate) use layers::{Change, Rests};
pub(crate) use own::OwnFile;

mod addition;
mod chroot;
mod layers;
mod own;
mod system;
mod verbs;

/// What the root needs to know beside the plan.
pub(crate) struct Options<'a> {
    /// The payload's user and group on the host, where it is not the caller.
    pub(crate) owner: Option<(u32, u32)>,
    /// The most that private places may hold together.
    pub(crate) size: Option<ByteSize>,
    /// Whether the payload is the host's root, if without capabilities.
    pub(crate) root: bool,
    /// Descriptors of user namespaces for idmapped mounts, by place.
    pub(crate) idmaps: &'a BTreeMap<PathBuf, i32>,
    /// The files of the sandbox's own.
    pub(crate) files: &'a [OwnFile],
}

/// Compiles the whole root and the change into it.
pub(crate) fn compile(program: &mut Program, plan: &Plan, options: &Options<'_>) {
    let mut build = Build::start(program, plan, options);
    for place in plan.places.iter().filter(|place| place.path != Path::new("/")) {
        build.place(place);
    }
    for (link, target) in plan.links.iter() {
        build.link(link, target);
    }
    build.system();
    build.set_modes();
    build.enter();
}

/// The root under construction.
struct Build<'a> {
    program: &'a mut Program,
    plan: &'a Plan,
    options: &'a Options<'a>,
    root: Slot,
    /// The tmpfs for what is private or hidden inside trees of the host, once it is needed.
    scratch: Option<Slot>,
    /// A closed file and a closed folder, on a read-only mount.
    covers: Slot,
    /// Folders that exist in the new root because we made them.
    made: BTreeSet<PathBuf>,
    /// Where the content of a private or hidden place lies: in the root or in the scratch.
    lent: BTreeMap<PathBuf, (Slot, PathBuf)>,
    /// Modes to set when nothing is made in these folders any more.
    modes: Vec<(Slot, PathBuf, u32)>,
    /// Folders that are mount points already.
    pinned: BTreeSet<PathBuf>,
    /// Whether the root is a clone of the host's.
    host_root: bool,
    /// The mount namespace, for a caller whose root is not its root.
    chroot: Option<Slot>,
    /// The folder of all layers, attached where nobody can reach it.
    layers: Option<Slot>,
}

impl<'a> Build<'a> {
    fn start(program: &'a mut Program, plan: &'a Plan, options: &'a Options<'a>) -> Self {
        let chroot = chroot::chrooted().then(|| chroot::leave(program));
        let slash = program.text("/");
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let arguments = [0.into(), slash.into(), 0.into(), private.into(), 0.into()];
        program.setup("take the mounts out of the host's view", libc::SYS_mount, &arguments);
        let chroot = chroot.map(|(namespace, folder)| {
            chroot::come_back(program, folder);
            namespace
        });
        let host_root = plan.places.first().is_some_and(|place| place.path == Path::new("/"));
        // Beyond this many, open trees would come near the limit of descriptors.
        program.close = plan.places.len() > 60;
        let root = root(program, plan, options.size, host_root);
        let scratch = host_root.then(|| scratch(program, options.size));
        let covers = covers(program, scratch.unwrap_or(root), options.files);
        program.attach_over(root, "/", "the new root");
        let (made, lent, pinned) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        let modes = Vec::new();
        Self {
            program,
            plan,
            options,
            root,
            scratch,
            covers,
            made,
            lent,
            modes,
            pinned,
            host_root,
            chroot,
            layers: None,
        }
    }

    /// Attaches a tree at a path of the new root.
    fn attach(&mut self, tree: Slot, path: &Path) {
        let place = self.program.open_place(From::Inside(self.root), path);
        self.program.attach(tree, place, &quoted(path));
    }

    /// Attaches a tree that nothing else needs.
    fn attach_last(&mut self, tree: Slot, path: &Path) {
        match (self.own_name(path), path.strip_prefix("/")) {
            // No folder on the way was ever a payload's to change.
            (Some(_), Ok(name)) => self.program.attach_by_name(tree, self.root, name),
            _ => self.attach(tree, path),
        }
        self.program.close("close the tree", tree);
    }

    /// Attaches one place.
    fn place(&mut self, place: &Place) {
        self.mount_point(place);
        let tree = match place.content {
            Content::Host if self.plan.layers.contains_key(&place.path) => {
                self.layered(place);
                return;
            }
            Content::Host => self.host_tree(place, flags_of(place.rights)),
            Content::Private if self.plan.sizes.contains_key(&place.path) => self.memory(place),
            Content::Private => {
                let shared = ["/tmp", "/var/tmp"].iter().any(|tmp| place.path == Path::new(tmp));
                self.lend(&place.path, if shared { 0o1777 } else { 0o700 }, true, NODEV)
            }
            Content::Hidden if place.directory => {
                // A hidden folder with something visible in it must at least be passable.
                let inner =
                    |other: &Place| other.path != place.path && other.path.starts_with(&place.path);
                let mode = if self.plan.places.iter().any(inner) { 0o111 } else { 0 };
                self.lend(&place.path, mode, false, NODEV | NOEXEC | RDONLY)
            }
            Content::Hidden => {
                let cover = OwnFile::over(self.options.files, &place.path);
                self.program.clone_own(From::Inside(self.covers), cover, 0)
            }
        };
        self.attach_last(tree, &place.path);
        self.pinned.insert(place.path.clone());
    }

    fn host_tree(&mut self, place: &Place, flags: u64) -> Slot {
        let source = self.program.open_place(From::Host, place.host());
        let name = quoted(place.host());
        let tree = self.program.clone_tree(source, &name, flags);
        if let Some(namespace) = self.options.idmaps.get(&place.path) {
            self.program.map_owner(&name, tree, *namespace);
        }
        tree
    }

    /// Makes sure that there is something to mount on, and that it cannot be moved away.
    fn mount_point(&mut self, place: &Place) {
        let parent = place.path.parent().unwrap_or(Path::new("/"));
        match self.around(&place.path) {
            Some(around) if around.content == Content::Host => {
                if around.rights.contains(Rights::DELETE) {
                    self.pin(&around.path, parent);
                }
            }
            _ => {
                self.folder(parent);
                if place.directory {
                    self.folder(&place.path);
                } else if let Some((at, name)) = self.own_name(&place.path) {
                    self.program.make_file(at, &name, 0o444);
                }
            }
        }
    }

    /// The place that is mounted around a path.
    fn around(&self, path: &Path) -> Option<&'a Place> {
        let around = |place: &&Place| place.path != path && path.starts_with(&place.path);
        self.plan.places.iter().rev().find(around)
    }

    /// Binds every folder from below `top` down to `last` onto itself.
    fn pin(&mut self, top: &Path, last: &Path) {
        let Ok(tail) = last.strip_prefix(top) else { return };
        let mut path = top.to_path_buf();
        for name in tail.components() {
            path.push(name);
            if !self.pinned.insert(path.clone()) {
                continue;
            }
            let source = self.program.open_place(From::Inside(self.root), &path);
            let tree = self.program.clone_tree(source, &quoted(&path), NODEV);
            self.attach_last(tree, &path);
        }
    }

    /// Makes a folder of the sandbox's own, with its parents, unless the host's tree has it.
    fn folder(&mut self, path: &Path) {
        let ancestors: Vec<&Path> = path.ancestors().collect();
        for ancestor in ancestors.into_iter().rev().filter(|path| path.parent().is_some()) {
            if self.made.insert(ancestor.to_path_buf())
                && let Some((at, name)) = self.own_name(ancestor)
            {
                self.program.make_folder(at, &name, 0o755);
                if self.around(ancestor).is_some_and(|around| around.content == Content::Private) {
                    self.give(at, &name);
                }
            }
        }
    }

    /// Gives a folder to the payload, where that is another user.
    fn give(&mut self, at: Slot, name: &Path) {
        if let Some((user, group)) = self.options.owner {
            let text = self.program.path(name);
            let arguments = [at.into(), text.into(), user.into(), group.into(), 0.into()];
            self.program.setup("give it to the payload", libc::SYS_fchownat, &arguments);
        }
    }

    /// Where a name of the sandbox is made: in the new root or in the scratch, never on the host.
    fn own_name(&self, path: &Path) -> Option<(Slot, PathBuf)> {
        match self.around(path) {
            None if self.host_root => None,
            None => Some((self.root, path.strip_prefix("/").ok()?.to_path_buf())),
            Some(around) if around.content == Content::Host => None,
            Some(around) => {
                let (at, lent) = self.lent.get(&around.path)?;
                let tail = path.strip_prefix(&around.path).ok()?;
                Some((*at, lent.join(tail)))
            }
        }
    }

    /// Clones a fresh folder of the root, or of the scratch where the host's tree lies around.
    fn lend(&mut self, path: &Path, mode: u32, owned: bool, flags: u64) -> Slot {
        let (at, name) = match self.own_name(path) {
            Some(own) => {
                self.folder(path);
                own
            }
            None => {
                let name = PathBuf::from(self.lent.len().to_string());
                let scratch = self.scratch();
                self.program.make_folder(scratch, &name, 0o700);
                (scratch, name)
            }
        };
        if owned {
            self.give(at, &name);
        }
        self.modes.push((at, name.clone(), mode));
        let tree = self.program.clone_own(From::Inside(at), &name, flags);
        self.lent.insert(path.to_path_buf(), (at, name));
        tree
    }

    fn scratch(&mut self) -> Slot {
        let size = self.options.size;
        let program = &mut *self.program;
        *self.scratch.get_or_insert_with(|| scratch(program, size))
    }

    fn link(&mut self, link: &Path, target: &Path) {
        self.folder(link.parent().unwrap_or(Path::new("/")));
        if let Some((at, name)) = self.own_name(link) {
            self.program.make_link(at, &name, target);
        }
    }

    /// Gives the lent folders their modes, once nothing has to be made in them.
    fn set_modes(&mut self) {
        for (at, name, mode) in std::mem::take(&mut self.modes) {
            let text = format!("set mode {mode:o} of {}", quoted(&name));
            let name = self.program.path(&name);
            let arguments = [at.into(), name.into(), mode.into()];
            self.program.setup(text, libc::SYS_fchmodat, &arguments);
        }
    }

    /// Makes the new root the only one.
    fn enter(&mut self) {
        let (dot, slash) = (self.program.text("."), self.program.text("/"));
        let detach = libc::MNT_DETACH;
        let program = &mut *self.program;
        if let Some(namespace) = self.chroot {
            chroot::leave_by(program, namespace);
        }
        program.setup("go to the new root", libc::SYS_fchdir, &[self.root.into()]);
        program.setup("make it the root", libc::SYS_pivot_root, &[dot.into(), dot.into()]);
        program.setup("detach the old root", libc::SYS_umount2, &[dot.into(), detach.into()]);
        program.setup("go to the top", libc::SYS_chdir, &[slash.into()]);
        if !self.host_root {
            let flags = RDONLY | NOSUID | NODEV;
            program.set_flags("make the root read-only".into(), self.root, flags, 0);
        }
    }
}

/// Where the covers lie.
const COVERS: &str = ".sandbox";

/// What the sandbox's root is: nothing, or a clone of the host's.
fn root(program: &mut Program, plan: &Plan, size: Option<ByteSize>, host: bool) -> Slot {
    if host {
        let place = program.open_place(From::Host, Path::new("/"));
        let rights = plan.places.first().map_or(Rights::empty(), |place| place.rights);
        return program.clone_tree(place, "the host's root", flags_of(rights));
    }
    tmpfs(program, "the new root", size)
}

/// What covers is read-only once and for all: clones of a read-only mount are.
fn covers(program: &mut Program, at: Slot, files: &[OwnFile]) -> Slot {
    let folder = Path::new(COVERS);
    program.make_folder(at, folder, 0o700);
    program.make_file(at, &folder.join("file"), 0);
    program.make_folder(at, &folder.join("folder"), 0);
    for OwnFile { name, content, .. } in files {
        program.write_file(at, &folder.join(name), content.as_bytes());
    }
    // Passable, for the clones to come; not to be listed.
    let name = program.path(folder);
    let arguments = [at.into(), name.into(), 0o111.into()];
    program.setup("close the folder of the covers", libc::SYS_fchmodat, &arguments);
    let covers = program.clone_own(From::Inside(at), folder, NODEV | NOEXEC | RDONLY);
    program.attach_by_name(covers, at, folder);
    covers
}

/// A second tmpfs. It lies over the host's `/sys`, which nothing needs any more, so that detaching
/// the old root takes it along.
fn scratch(program: &mut Program, size: Option<ByteSize>) -> Slot {
    let scratch = tmpfs(program, "places inside the host's trees", size);
    program.attach_over(scratch, "/sys", "the scratch");
    scratch
}

fn tmpfs(program: &mut Program, what: &str, size: Option<ByteSize>) -> Slot {
    owned_tmpfs(program, what, size, "0755", None)
}

fn owned_tmpfs(
    program: &mut Program,
    what: &str,
    size: Option<ByteSize>,
    mode: &str,
    owner: Option<(u32, u32)>,
) -> Slot {
    let bytes = size.map_or("50%".into(), |size| size.bytes().to_string());
    // An inode costs the kernel about a kilobyte, so their number is part of the limit.
    let inodes = size.map_or(1 << 20, |size| (size.bytes() >> 12).clamp(256, 1 << 20)).to_string();
    let (user, group) = owner.unwrap_or_default();
    let (user, group) = (user.to_string(), group.to_string());
    let mut options = vec![("mode", mode), ("size", &*bytes), ("nr_inodes", &*inodes)];
    if owner.is_some() {
        options.extend([("uid", &*user), ("gid", &*group)]);
    }
    program.filesystem("tmpfs", what, &options, NODEV)
}

/// The mount flags that rights come to.
fn flags_of(rights: Rights) -> u64 {
    let read_only = if rights.intersects(Rights::CHANGES) { 0 } else { RDONLY };
    let no_exec = if rights.contains(Rights::EXECUTE) { 0 } else { NOEXEC };
    NODEV | read_only | no_exec
}
