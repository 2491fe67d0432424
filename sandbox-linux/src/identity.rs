//! Who a root caller's payload is.
//!
//! Without a capability, the host's uid 0 still owns most files of the host. So the payload of a
//! root caller becomes an ordinary user, and the folders that the policy grants are mounted with
//! their owner mapped to that user: what the payload makes belongs on disk to whoever owns the
//! folder. Some file systems cannot be mapped; then the payload keeps the user it has, everything
//! else still holds, and the report says so.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use sandbox_core::plan::{Content, Plan};

use crate::abi::fd;
use crate::sys;

/// The user and group that own nothing: `nobody` on every Linux.
pub(crate) const NOBODY: u32 = 65534;

/// System folders whose files everybody may read; a mapping would open what they keep from others.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix"];

/// What becomes of the caller's user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// The payload's user and group, where it is not the caller.
    pub(crate) user: Option<(u32, u32)>,
    /// The number under which the helper finds each place's user namespace.
    pub(crate) idmaps: BTreeMap<PathBuf, i32>,
    /// The user namespaces, in the order of those numbers.
    pub(crate) namespaces: Vec<Arc<OwnedFd>>,
    /// Why a root caller's payload keeps the user.
    pub(crate) kept: Option<String>,
}

impl Identity {
    /// Decides for a caller; `root` says that it is the host's.
    pub(crate) fn decide(plan: &Plan, root: bool) -> Self {
        if !root {
            return Self::default();
        }
        match Self::mapped(plan) {
            Ok(identity) => identity,
            Err(why) => Self { kept: Some(why), ..Self::default() },
        }
    }

    fn mapped(plan: &Plan) -> Result<Self, String> {
        let mut all = Self { user: Some((NOBODY, NOBODY)), ..Self::default() };
        let mut numbers: BTreeMap<(u32, u32), i32> = BTreeMap::new();
        for place in plan.places.iter().filter(|place| place.content == Content::Host) {
            let host = place.host();
            if SYSTEM.iter().any(|system| host.starts_with(system)) || host == Path::new("/") {
                continue;
            }
            let why = |error: &std::io::Error| format!("{}: {error}", host.display());
            let found = std::fs::symlink_metadata(host).map_err(|error| why(&error))?;
            let owner = (found.uid(), found.gid());
            let namespace = namespace(owner).map_err(|error| why(&error))?;
            sys::try_idmap(host, namespace.as_raw_fd()).map_err(|error| why(&error))?;
            let next = fd::FIRST_EXTRA + i32::try_from(all.namespaces.len()).unwrap_or(i32::MAX);
            let number = *numbers.entry(owner).or_insert(next);
            if number == next {
                all.namespaces.push(namespace);
            }
            all.idmaps.insert(place.path.clone(), number);
        }
        Ok(all)
    }
}

/// The user namespace that shows an owner's files as nobody's; made once for each owner.
fn namespace(owner: (u32, u32)) -> std::io::Result<Arc<OwnedFd>> {
    type Made = Mutex<BTreeMap<(u32, u32), Arc<OwnedFd>>>;
    static MADE: OnceLock<Made> = OnceLock::new();
    let mut made = MADE.get_or_init(Made::default).lock().unwrap_or_else(|e| e.into_inner());
    if let Some(namespace) = made.get(&owner) {
        return Ok(Arc::clone(namespace));
    }
    let (user, group) = owner;
    let maps = (format!("{user} {NOBODY} 1"), format!("{group} {NOBODY} 1"));
    let namespace = crate::helper::high(sys::user_namespace(&maps.0, &maps.1)?)?;
    let namespace = Arc::new(namespace);
    made.insert(owner, Arc::clone(&namespace));
    Ok(namespace)
}
