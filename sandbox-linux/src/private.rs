//! The private folder of the Landlock tier: what stands in for `/tmp` and the home directory where
//! no mount can.
//!
//! `TMPDIR` and `HOME` name it. The home is empty but for links to what the policy grants below the
//! caller's own home directory, so that toolchains and caches are found under the names that they
//! have there.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sandbox_core::plan::{Content, Plan};
use sandbox_core::{Result, SandboxError};

use crate::jail::Variables;

/// Makes the folder and lets the variables name it.
///
/// # Errors
/// What the file system answers.
pub(crate) fn folder(plan: &Plan, environment: &mut Variables) -> Result<tempfile::TempDir> {
    let home = environment.iter().find(|(name, _)| name == "HOME");
    let home = home.map(|(_, value)| PathBuf::from(value));
    let folder =
        make(plan, home.as_deref()).map_err(SandboxError::io("making a private folder"))?;
    for (variable, name) in [("TMPDIR", "tmp"), ("HOME", "home")] {
        environment.retain(|(name, _)| name != variable);
        environment.push((variable.into(), folder.path().join(name).into()));
    }
    environment.sort();
    Ok(folder)
}

fn make(plan: &Plan, home: Option<&Path>) -> io::Result<tempfile::TempDir> {
    // A fixed place: TMPDIR is the caller's, and may be what somebody wants us to believe.
    let folder = tempfile::Builder::new().prefix("sandbox-").tempdir_in("/tmp")?;
    std::fs::create_dir(folder.path().join("tmp"))?;
    let own = folder.path().join("home");
    std::fs::create_dir(&own)?;
    let Some(home) = home.filter(|home| home.parent().is_some()) else { return Ok(folder) };
    let mut linked: Vec<&Path> = Vec::new();
    for place in plan.places.iter().filter(|place| place.content == Content::Host) {
        let Ok(tail) = place.path.strip_prefix(home) else { continue };
        // A place inside a linked one is reached through it; a link there would be the host's.
        let inside = linked.iter().any(|outer| tail.starts_with(outer));
        if inside || tail.as_os_str() == OsStr::new("") {
            continue;
        }
        linked.push(tail);
        let link = own.join(tail);
        if let Some(parent) = link.parent() {
            std::fs::create_dir_all(parent)?;
        }
        symlink(&place.path, &link)?;
    }
    Ok(folder)
}
