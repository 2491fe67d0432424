//! The few things that are done with mounts, each a handful of calls.

use std::path::Path;

use sandbox_core::path::quoted;

use crate::program::{Argument, Name, Phase, Program, Slot};

const AT_EMPTY_PATH: i32 = libc::AT_EMPTY_PATH;
const OPEN_TREE_CLONE: i32 = 1;
pub(super) const AT_RECURSIVE: i32 = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: i32 = 4;
const MOVE_MOUNT_T_EMPTY_PATH: i32 = 0x40;
pub(super) const RDONLY: u64 = 1;
pub(super) const NOSUID: u64 = 2;
pub(super) const NODEV: u64 = 4;
pub(super) const NOEXEC: u64 = 8;
const IDMAP: u64 = 0x0010_0000;
const RESOLVE_NO_MAGICLINKS: u64 = 2;
const RESOLVE_NO_SYMLINKS: u64 = 4;
const RESOLVE_BENEATH: u64 = 8;
const FSCONFIG_SET_STRING: i32 = 1;
const FSCONFIG_CMD_CREATE: i32 = 6;

/// From where a path is looked up.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// The process's root, which is the host's until the change.
    Host,
    /// A folder of the sandbox, and never out of it.
    Inside(Slot),
    /// The same, for a folder that is kept under a number.
    Kept(i32),
}

impl Program {
    pub(crate) fn setup(
        &mut self,
        name: impl Into<Name>,
        number: libc::c_long,
        arguments: &[Argument],
    ) {
        self.call(Phase::Setup, name, number, arguments);
    }

    /// Closes a descriptor, where they are many: the helper closes the rest all at once, when the
    /// command runs already.
    pub(super) fn close(&mut self, name: &'static str, slot: Slot) {
        if self.close {
            self.setup(name, libc::SYS_close, &[slot.into()]);
        }
    }

    /// Opens a path as a place in the tree, without following any link.
    pub(super) fn open_place(&mut self, from: From, path: &Path) -> Slot {
        let slot = self.slot();
        let (at, resolve, name, place): (Argument, _, _, _) = match from {
            From::Host => (libc::AT_FDCWD.into(), 0, path, "on the host"),
            From::Inside(root) => (root.into(), RESOLVE_BENEATH, relative(path), "inside"),
            From::Kept(root) => (root.into(), RESOLVE_BENEATH, relative(path), "inside"),
        };
        let resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        let how = self.words(&[(libc::O_PATH | libc::O_CLOEXEC) as u64, 0, resolve]);
        let text = format!("find {} {place}", quoted(path));
        let name = self.path(name);
        let arguments = [at, name.into(), how.into(), 24.into()];
        self.call(Phase::Setup, text, libc::SYS_openat2, &arguments).store(slot);
        slot
    }

    /// Clones the tree behind a place, which is closed, and sets its flags before anybody sees it.
    pub(super) fn clone_tree(&mut self, place: Slot, name: &str, flags: u64) -> Slot {
        let tree = self.slot();
        let empty = self.text("");
        let clone = AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE | libc::O_CLOEXEC;
        let arguments = [place.into(), empty.into(), clone.into()];
        self.call(Phase::Setup, format!("clone {name}"), libc::SYS_open_tree, &arguments)
            .store(tree);
        self.close("close the place", place);
        let flags = flags | NOSUID;
        self.set_flags(format!("make {name} {}", words(flags)), tree, flags, AT_RECURSIVE);
        tree
    }

    /// Clones a tree by its name below a folder that no payload has ever written to.
    pub(super) fn clone_own(&mut self, at: From, name: &Path, flags: u64) -> Slot {
        let tree = self.slot();
        let at: Argument = match at {
            From::Host => libc::AT_FDCWD.into(),
            From::Inside(root) => root.into(),
            From::Kept(root) => root.into(),
        };
        let text = quoted(name);
        let path = self.path(name);
        let clone = OPEN_TREE_CLONE | AT_RECURSIVE | libc::O_CLOEXEC | libc::AT_SYMLINK_NOFOLLOW;
        let arguments = [at, path.into(), clone.into()];
        self.call(Phase::Setup, format!("clone {text}"), libc::SYS_open_tree, &arguments)
            .store(tree);
        if flags != 0 {
            let flags = flags | NOSUID;
            self.set_flags(format!("make it {}", words(flags)), tree, flags, AT_RECURSIVE);
        }
        tree
    }

    /// What is mounted at a path, with everything in it: to be moved.
    pub(super) fn mounted(&mut self, path: &Path) -> Slot {
        self.tree_at(path, 0, "take")
    }

    /// A copy of what is mounted at a path, with everything in it.
    pub(super) fn copied(&mut self, path: &Path) -> Slot {
        self.tree_at(path, OPEN_TREE_CLONE | AT_RECURSIVE, "copy")
    }

    /// A copy of the mount at a path, without anything in it.
    pub(super) fn copied_alone(&mut self, path: &Path) -> Slot {
        self.tree_at(path, OPEN_TREE_CLONE, "copy")
    }

    fn tree_at(&mut self, path: &Path, how: i32, verb: &str) -> Slot {
        let tree = self.slot();
        let text = format!("{verb} what is mounted at {}", quoted(path));
        let path = self.path(path);
        let flags = libc::O_CLOEXEC | libc::AT_SYMLINK_NOFOLLOW | how;
        let arguments = [libc::AT_FDCWD.into(), path.into(), flags.into()];
        self.call(Phase::Setup, text, libc::SYS_open_tree, &arguments).store(tree);
        tree
    }

    /// Attaches a tree by a name below a folder that no payload has ever written to.
    pub(super) fn attach_by_name(&mut self, tree: Slot, at: Slot, name: &Path) {
        let empty = self.text("");
        let text = format!("attach {}", quoted(name));
        let name = self.path(name);
        let flags = MOVE_MOUNT_F_EMPTY_PATH;
        let arguments = [tree.into(), empty.into(), at.into(), name.into(), flags.into()];
        self.setup(text, libc::SYS_move_mount, &arguments);
    }

    /// As [`Self::attach_by_name`], for a tree that nothing else needs.
    pub(super) fn attach_own(&mut self, tree: Slot, at: Slot, name: &Path) {
        self.attach_by_name(tree, at, name);
        self.close("close the tree", tree);
    }

    /// Sets mount flags.
    pub(super) fn set_flags(&mut self, name: String, tree: Slot, flags: u64, recursive: i32) {
        self.mount_setattr(name, tree, [flags, 0, 0, 0], recursive);
    }

    /// Takes mount flags away.
    pub(super) fn clear_flags(&mut self, name: &str, tree: Slot, flags: u64) {
        self.mount_setattr(name.into(), tree, [0, flags, 0, 0], 0);
    }

    /// Takes a tree out of the view of the one that it was cloned from.
    pub(super) fn make_private(&mut self, tree: Slot, name: &str) {
        let attributes = [0, 0, libc::MS_PRIVATE, 0];
        self.mount_setattr(format!("take {name} out of view"), tree, attributes, AT_RECURSIVE);
    }

    /// Shows the files of one owner on disk as another's.
    pub(super) fn map_owner(&mut self, name: &str, tree: Slot, namespace: i32) {
        let namespace = u64::try_from(namespace).unwrap_or_default();
        let text = format!("map the owner of {name}");
        self.mount_setattr(text, tree, [IDMAP, 0, 0, namespace], AT_RECURSIVE);
    }

    fn mount_setattr(&mut self, name: String, tree: Slot, attributes: [u64; 4], recursive: i32) {
        let attributes = self.words(&attributes);
        let empty = self.text("");
        let flags = AT_EMPTY_PATH | recursive;
        let arguments = [tree.into(), empty.into(), flags.into(), attributes.into(), 32.into()];
        self.setup(name, libc::SYS_mount_setattr, &arguments);
    }

    /// Attaches a tree to an open place; the place is closed, the tree stays open.
    pub(super) fn attach(&mut self, tree: Slot, place: Slot, name: &str) {
        let empty = self.text("");
        let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
        let arguments = [tree.into(), empty.into(), place.into(), empty.into(), flags.into()];
        self.setup(format!("attach {name}"), libc::SYS_move_mount, &arguments);
        self.close("close the place", place);
    }

    /// Attaches a tree over a path of the host.
    pub(super) fn attach_over(&mut self, tree: Slot, path: &str, name: &str) {
        let (empty, path) = (self.text(""), self.text(path));
        let at = libc::AT_FDCWD.into();
        let arguments =
            [tree.into(), empty.into(), at, path.into(), MOVE_MOUNT_F_EMPTY_PATH.into()];
        self.setup(format!("attach {name}"), libc::SYS_move_mount, &arguments);
    }

    /// Mounts a new file system, not attached yet.
    pub(super) fn filesystem(
        &mut self,
        kind: &str,
        what: &str,
        options: &[(&str, &str)],
        flags: u64,
    ) -> Slot {
        let (context, mount) = (self.slot(), self.slot());
        let kind_text = self.text(kind);
        let opened = [kind_text.into(), 1.into()];
        self.call(Phase::Setup, format!("open {kind} for {what}"), libc::SYS_fsopen, &opened)
            .store(context);
        for (key, value) in options {
            let name = format!("set {key}={value} of {what}");
            let (key, value) = (self.text(key), self.text(value));
            let set = FSCONFIG_SET_STRING.into();
            let arguments = [context.into(), set, key.into(), value.into(), 0.into()];
            self.setup(name, libc::SYS_fsconfig, &arguments);
        }
        let create = [context.into(), FSCONFIG_CMD_CREATE.into(), 0.into(), 0.into(), 0.into()];
        self.setup(format!("create {what}"), libc::SYS_fsconfig, &create);
        let arguments = [context.into(), 1.into(), (flags | NOSUID).into()];
        self.call(Phase::Setup, format!("mount {what}"), libc::SYS_fsmount, &arguments)
            .store(mount);
        self.close("close the file system's context", context);
        mount
    }

    pub(super) fn make_folder(&mut self, at: Slot, name: &Path, mode: u32) {
        let text = format!("make the folder {}", quoted(name));
        let name = self.path(name);
        self.call(Phase::Setup, text, libc::SYS_mkdirat, &[at.into(), name.into(), mode.into()])
            .tolerate(&[libc::EEXIST]);
    }

    pub(super) fn make_file(&mut self, at: Slot, name: &Path, mode: u32) {
        let text = format!("make the file {}", quoted(name));
        let name = self.path(name);
        let mode = libc::S_IFREG | mode;
        let arguments = [at.into(), name.into(), mode.into(), 0.into()];
        self.call(Phase::Setup, text, libc::SYS_mknodat, &arguments).tolerate(&[libc::EEXIST]);
    }

    /// Makes a file that everybody can read, with what is in it.
    pub(super) fn write_file(&mut self, at: Slot, name: &Path, content: &[u8]) {
        let file = self.slot();
        let text = quoted(name);
        let (path, bytes) = (self.path(name), self.bytes(content));
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        let arguments = [at.into(), path.into(), flags.into(), 0o444.into()];
        self.call(Phase::Setup, format!("make the file {text}"), libc::SYS_openat, &arguments)
            .store(file);
        let arguments = [file.into(), bytes.into(), content.len().into()];
        self.setup(format!("write {text}"), libc::SYS_write, &arguments);
        self.setup("close it", libc::SYS_close, &[file.into()]);
    }

    pub(super) fn make_link(&mut self, at: Slot, name: &Path, target: &Path) {
        let text = format!("link {} to {}", quoted(name), quoted(target));
        let (target, name) = (self.path(target), self.path(name));
        let arguments = [target.into(), at.into(), name.into()];
        self.call(Phase::Setup, text, libc::SYS_symlinkat, &arguments).tolerate(&[libc::EEXIST]);
    }
}

fn words(flags: u64) -> String {
    let names = [(RDONLY, "read-only"), (NOSUID, "nosuid"), (NODEV, "nodev"), (NOEXEC, "noexec")];
    let named = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
    named.collect::<Vec<_>>().join(", ")
}

/// A path as it is looked up from the root's descriptor.
fn relative(path: &Path) -> &Path {
    match path.strip_prefix("/") {
        Ok(tail) if tail.as_os_str().is_empty() => Path::new("."),
        Ok(tail) => tail,
        Err(_) => path,
    }
}
