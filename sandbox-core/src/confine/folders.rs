//! The folders of a sandbox, as calls from outside reach them.

use std::fmt;

use cap_std::fs::Dir;

use crate::error::{Result, SandboxError};
use crate::mount::FilesystemAccess;
use crate::path::{SandboxPath, quoted};
use crate::plan::{Content, Place, Plan};
use crate::policy::PolicyError;
use crate::policy::filesystem::Rights;
use crate::resolve::open_folder;

/// A folder of a sandbox. What is done in it is decided on its descriptor.
pub struct OpenFolder {
    /// Its path inside.
    pub target: SandboxPath,
    /// The folder; `None` for a path at which a call from outside finds nothing, whatever the folder
    /// around it has there: a hidden one, say.
    pub folder: Option<Dir>,
    /// What may be done in it.
    pub access: FilesystemAccess,
}

impl fmt::Debug for OpenFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFolder").field("target", &self.target).finish_non_exhaustive()
    }
}

/// The places of a plan, open where they are folders of the host that no layers lie over.
pub(super) fn on_host(plan: &Plan) -> Result<Vec<OpenFolder>> {
    let opened = |place: &Place| {
        let target = SandboxPath::new(&place.path).map_err(PolicyError::from)?;
        let layered = plan.layers.contains_key(&place.path);
        let is_hosts = place.directory && place.content == Content::Host && !layered;
        let folder = is_hosts.then(|| open_folder(place.host()));
        let failed = |source| {
            let call = format!("opening {}", quoted(place.host()));
            SandboxError::Io { call, source }
        };
        let access = if place.rights.contains(Rights::READ_WRITE) {
            FilesystemAccess::ReadWrite
        } else {
            FilesystemAccess::ReadOnly
        };
        Ok(OpenFolder { target, folder: folder.transpose().map_err(failed)?, access })
    };
    plan.places.iter().map(opened).collect()
}
