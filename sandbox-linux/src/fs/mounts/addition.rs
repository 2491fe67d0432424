//! A place that comes to a sandbox that runs.
//!
//! The first process sees the host no more, and outside nobody may mount inside. So a mount of the
//! host's is cloned outside, with its flags set and attached nowhere, and handed over; the first
//! process makes the mount point and attaches it. A mount point is made in the sandbox's own folders
//! alone: a folder of the host's must be there already.

use std::path::Path;

use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};

use super::layers::move_to;
use super::verbs::{From, RDONLY};
use super::{flags_of, owned_tmpfs};
use crate::fs::landlock::{self, Handled};
use crate::handover::Handover;
use crate::program::{Phase, Program};

/// Where the first process finds the tree that came along with a program: behind the program, in
/// the second number that it has free.
const HANDED: i32 = 2;

/// Compiles the cloning of a place's tree outside, as the last thing that a helper does. `namespace`
/// is where it finds the user namespace that maps the owner.
pub(crate) fn clone(program: &mut Program, place: &Place, namespace: Option<i32>) {
    let handed = Handover::new(program);
    let source = program.open_place(From::Host, place.host());
    let name = quoted(place.host());
    let tree = program.clone_tree(source, &name, flags_of(place.rights));
    program.make_private(tree, &name);
    if let Some(namespace) = namespace {
        program.map_owner(&name, tree, namespace);
    }
    let kept = [tree.into(), libc::F_DUPFD_CLOEXEC.into(), 0.into()];
    program.call(Phase::Setup, "keep it", libc::SYS_fcntl, &kept).store(handed.slot());
    handed.send(program, "the tree");
    program.setup("end", libc::SYS_exit_group, &[0.into()]);
}

/// A place that comes.
pub(crate) struct Addition<'a> {
    /// The plan with it.
    pub(crate) plan: &'a Plan,
    pub(crate) place: &'a Place,
    /// What the kept ruleset handles, if there is one.
    pub(crate) handled: Option<Handled>,
    /// The payloads' user and group, where that is not the caller.
    pub(crate) owner: Option<(u32, u32)>,
}

impl Addition<'_> {
    /// The place that lies around it, if the policy names one.
    pub(crate) fn around(&self) -> Option<&Place> {
        let path = &self.place.path;
        let around = |other: &&Place| other.path != *path && path.starts_with(&other.path);
        self.plan.places.iter().rev().find(around)
    }

    /// Compiles the attaching: of the tree that comes along, or of a new one in memory.
    pub(crate) fn attach(&self, program: &mut Program) {
        // The first process would hold what is used up.
        program.close = true;
        self.mount_point(program);
        let tree = if self.place.content == Content::Private {
            let size = self.plan.sizes.get(&self.place.path).copied().flatten();
            owned_tmpfs(program, &quoted(&self.place.path), size, "0700", self.owner)
        } else {
            let tree = program.slot();
            let handed = [HANDED.into(), libc::F_DUPFD_CLOEXEC.into(), 0.into()];
            program.call(Phase::Setup, "take the tree", libc::SYS_fcntl, &handed).store(tree);
            program.setup("close it", libc::SYS_close, &[HANDED.into()]);
            tree
        };
        program.close = false;
        move_to(program, tree, &self.place.path);
        if let Some(handled) = self.handled {
            landlock::allow_more(program, self.place, handled);
        }
    }

    /// Makes what is missing of the mount point: in the root, to which only the first process can
    /// write, and that by a view of its own; and in a private folder, whose parents are there.
    fn mount_point(&self, program: &mut Program) {
        let path = &self.place.path;
        let (at, names) = match self.around() {
            None => {
                let view = program.copied_alone(Path::new("/"));
                program.clear_flags("open the view for writing", view, RDONLY);
                let names: Vec<_> =
                    path.ancestors().filter(|path| path.parent().is_some()).collect();
                (view, names)
            }
            Some(around) if around.content == Content::Private => {
                let root = program.open_place(From::Host, Path::new("/"));
                let parent = path.parent().unwrap_or(path);
                let parent = program.open_place(From::Inside(root), parent);
                program.close("close the root", root);
                (parent, vec![path.as_path()])
            }
            Some(_) => return,
        };
        for name in names.into_iter().rev() {
            let own = name == path && !self.place.directory;
            let tail = match self.around() {
                None => name.strip_prefix("/").unwrap_or(name),
                Some(_) => name.file_name().map_or(name, Path::new),
            };
            if own {
                program.make_file(at, tail, 0o444);
            } else {
                program.make_folder(at, tail, 0o755);
            }
        }
        program.close("close the view", at);
    }
}
