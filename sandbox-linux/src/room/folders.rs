//! The sandbox's folders, for calls from outside.
//!
//! One descriptor leads to all of them: the sandbox's root, which the first process opens and hands
//! over. What is looked up from it goes through the sandbox's mounts as they are at that moment, so
//! layers that change, private places and covers are seen as commands see them, and read-only mounts
//! stay read-only for whoever comes that way.
//!
//! This process may do more than a command, and three things follow. Nothing is found in `/proc`,
//! where its rights would matter. For a root caller, whose commands are somebody else, nothing is
//! found in the host's system folders, which hold files that are closed to commands by their modes
//! alone. And where files are shown as another owner's, root itself is nobody who could make a file:
//! such a place is opened on the host, where what is made belongs to the folder's owner, as what a
//! command makes does. The mounts in it are no part of that folder, so each gets an entry.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use sandbox_core::confine::OpenFolder;
use sandbox_core::path::quoted;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::PolicyError;
use sandbox_core::resolve::open_folder;
use sandbox_core::{FilesystemAccess, Result, Rights, SandboxError, SandboxPath};

use super::Room;
use crate::handover::Handover;
use crate::ns;
use crate::program::{Phase, Program};

const READ: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// How a place is entered.
enum Way {
    /// By way of the folder around it.
    Around,
    /// Not at all.
    Closed,
    /// By its folder in the sandbox.
    Inside(FilesystemAccess),
    /// By its folder on the host.
    Host,
}

impl Room {
    /// The folders of the sandbox.
    ///
    /// # Errors
    /// The sandbox is gone, or a folder of the host's is.
    pub(super) fn folders(&self, plan: &Plan) -> Result<Vec<OpenFolder>> {
        let root = self.root()?;
        let mut all = vec![entry(Path::new("/proc"), None, FilesystemAccess::ReadOnly)?];
        let mut opened: Vec<&Path> = Vec::new();
        for place in plan.places.iter().filter(|place| place.path != Path::new("/")) {
            let apart = opened.iter().any(|path| place.path.starts_with(path));
            let (folder, access) = match self.way(plan, place, apart) {
                Way::Around => continue,
                Way::Closed => (None, FilesystemAccess::ReadOnly),
                Way::Inside(access) => (Some(inside(&root, place)?), access),
                Way::Host => {
                    opened.push(&place.path);
                    (Some(on_host(place)?), FilesystemAccess::ReadWrite)
                }
            };
            all.push(entry(&place.path, folder, access)?);
        }
        all.push(entry(Path::new("/"), Some(root), FilesystemAccess::ReadWrite)?);
        Ok(all)
    }

    /// The sandbox's root.
    pub(super) fn root(&self) -> Result<OwnedFd> {
        let mut program = Program::new();
        let root = Handover::new(&mut program);
        let path = program.text("/");
        let arguments = [libc::AT_FDCWD.into(), path.into(), READ.bits().into(), 0.into()];
        program
            .call(Phase::Setup, "open the root", libc::SYS_openat, &arguments)
            .store(root.slot());
        root.send(&mut program, "the root");
        ns::close(&mut program, root.slot());
        self.fetch(program)
    }

    /// How a place is entered; `apart` says that the folder around it is opened on the host.
    fn way(&self, plan: &Plan, place: &Place, apart: bool) -> Way {
        let inner = |other: &Place| other.path != place.path && other.path.starts_with(&place.path);
        let hosts = place.content == Content::Host;
        let mapped = self.state().mapped.contains(&place.path);
        let may_change = place.rights.intersects(Rights::CHANGES);
        let whole = place.rights.contains(Rights::CHANGES);
        if place.content == Content::Hidden {
            return match plan.places.iter().any(inner) {
                true if place.directory => Way::Inside(FilesystemAccess::ReadOnly),
                _ => Way::Closed,
            };
        }
        if hosts && self.user.is_some() && !mapped {
            return Way::Closed;
        }
        let layered = plan.layers.contains_key(&place.path);
        match (place.directory, whole) {
            (true, true) if hosts && mapped && !layered => Way::Host,
            (true, true) if apart => Way::Inside(FilesystemAccess::ReadWrite),
            (true, false) if apart || may_change => Way::Inside(FilesystemAccess::ReadOnly),
            (false, _) if apart => Way::Closed,
            _ => Way::Around,
        }
    }
}

fn entry(path: &Path, folder: Option<OwnedFd>, access: FilesystemAccess) -> Result<OpenFolder> {
    let target = SandboxPath::new(path).map_err(PolicyError::from)?;
    let folder = folder.map(|folder| Dir::from_std_file(File::from(folder)));
    Ok(OpenFolder { target, folder, access })
}

/// A place as the sandbox has it. A hidden one may not be listed.
fn inside(root: &OwnedFd, place: &Place) -> Result<OwnedFd> {
    let path = place.path.strip_prefix("/").unwrap_or(&place.path);
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let kind = if place.content == Content::Hidden { OFlags::PATH } else { OFlags::empty() };
    let opened = openat2(root, path, READ | kind, Mode::empty(), resolve);
    opened.map_err(|error| {
        SandboxError::io(format!("opening {} in the sandbox", quoted(&place.path)))(error.into())
    })
}

/// A place on the host, to which no link leads.
fn on_host(place: &Place) -> Result<OwnedFd> {
    let opened = open_folder(place.host()).map(OwnedFd::from);
    opened.map_err(SandboxError::io(format!("opening {}", quoted(place.host()))))
}
