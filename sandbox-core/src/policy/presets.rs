//! The presets: what a command needs to run at all, to work in a folder, to build software.
//!
//! A preset only names folders; most are optional, because not every machine has them. Credentials
//! are hidden by rules more specific than any grant that could contain them. The caller's
//! environment decides which folders are named, so it is captured once, as a value.
//!
//! # Security
//! Variables are trusted to be the user's own, but not to be sensible: one that names the whole
//! machine, the home directory, or something inside the workspace grants nothing.

mod git;
mod lists;

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::filesystem::{Rights, is_kernel_interface};
use super::{PolicyBuilder, PolicyError};
use crate::path::SandboxPath;

/// Whose presets they are: the variables and the directory of the caller.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) variables: BTreeMap<OsString, OsString>,
    pub(super) directory: PathBuf,
}

impl Caller {
    /// This process.
    pub(super) fn current() -> Self {
        let directory = env::current_dir().unwrap_or_default();
        Self { variables: env::vars_os().collect(), directory }
    }

    fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The home directory, if the variable holds a usable path.
    fn home(&self) -> Option<SandboxPath> {
        absolute(Path::new(self.variable("HOME")?)).filter(|home| home.depth() > 0)
    }

    /// The paths that a variable lists.
    fn paths(&self, name: &str) -> Vec<SandboxPath> {
        let list = self.variable(name).unwrap_or_default();
        env::split_paths(list).filter_map(|path| absolute(&path)).collect()
    }
}

/// A path of the environment, where slashes and dots too many are common. A relative one names
/// nothing that a policy could mean, and what the kernel shows in `/proc` is no folder of files.
fn absolute(path: &Path) -> Option<SandboxPath> {
    let usable = path.is_absolute().then(|| SandboxPath::from_user(path, Path::new("/")).ok());
    usable.flatten().filter(|path| !is_kernel_interface(path.as_path()))
}

pub(super) fn read_only(mut builder: PolicyBuilder, caller: &Caller) -> PolicyBuilder {
    for path in lists::SYSTEM {
        allow(&mut builder, Path::new(path), Rights::READ_ONLY);
    }
    for path in lists::SYSTEM_SECRETS {
        allow(&mut builder, Path::new(path), Rights::empty());
    }
    for path in lists::PRIVATE.iter().filter_map(|path| SandboxPath::new(path).ok()) {
        builder.filesystem.add_private(path);
    }
    if let Some(home) = caller.home() {
        builder.filesystem.add_private_unless_covered(home);
    }
    for name in lists::VARIABLES {
        // The list is ours and holds only names that pass the check.
        let _ = builder.environment.pass(name);
    }
    hide_credentials(builder, caller)
}

pub(super) fn workspace(
    mut builder: PolicyBuilder,
    folder: &Path,
    caller: &Caller,
) -> Result<PolicyBuilder, PolicyError> {
    let wrong = |why: String| PolicyError::Workspace { path: folder.to_path_buf(), why };
    let path = SandboxPath::from_user(folder, &caller.directory)?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(wrong("it is no folder: name the folder that contains it".into())),
        Err(error) => return Err(wrong(format!("{error}: create it first, or name another"))),
    }
    let real = path.as_path().canonicalize().map_err(|error| wrong(error.to_string()))?;
    if path.depth() == 0 || real.parent().is_none() {
        return Err(wrong("it is the whole machine: name a folder in it".into()));
    }
    builder.filesystem.add(path.clone(), Rights::READ_WRITE);
    if let Some(common) = git::common_directory(path.as_path()) {
        allow(&mut builder, &common, Rights::READ_WRITE);
        for tail in git::ACTIVE {
            allow(&mut builder, &common.join(tail), Rights::READ_ONLY);
        }
    }
    builder.workspace = Some(path);
    Ok(builder)
}

pub(super) fn developer(mut builder: PolicyBuilder, caller: &Caller) -> PolicyBuilder {
    allow(&mut builder, Path::new("/opt"), Rights::READ_ONLY);
    if let Some(home) = caller.home() {
        for tail in lists::TOOLCHAINS {
            allow(&mut builder, &home.as_path().join(tail), Rights::READ_ONLY);
        }
    }
    for (name, folder) in lists::TOOLCHAIN_VARIABLES {
        let _ = builder.environment.pass(name);
        for path in caller.paths(name).iter().filter(|_| *folder) {
            allow_toolchain(&mut builder, path, caller);
        }
    }
    for cargo in caller.paths("CARGO_HOME") {
        let _ = builder.environment.pass("CARGO_HOME");
        for tail in lists::CARGO_HOME {
            allow(&mut builder, &cargo.as_path().join(tail), Rights::READ_ONLY);
        }
    }
    builder
}

/// Lets a folder be read that a variable names, unless that would be far more than a toolchain, or
/// less than the workspace already grants.
fn allow_toolchain(builder: &mut PolicyBuilder, path: &SandboxPath, caller: &Caller) {
    let folder = path.as_path();
    let all_of_home = caller.home().is_some_and(|home| home.as_path().starts_with(folder));
    let own = builder.workspace.as_ref().is_some_and(|ws| folder.starts_with(ws.as_path()));
    if path.depth() > 0 && !all_of_home && !own {
        allow(builder, folder, Rights::READ_ONLY);
    }
}

fn hide_credentials(mut builder: PolicyBuilder, caller: &Caller) -> PolicyBuilder {
    if let Some(home) = caller.home() {
        for tail in lists::CREDENTIALS {
            allow(&mut builder, &home.as_path().join(tail), Rights::empty());
        }
    }
    for path in lists::CREDENTIAL_VARIABLES.iter().flat_map(|name| caller.paths(name)) {
        allow(&mut builder, path.as_path(), Rights::empty());
    }
    for cargo in caller.paths("CARGO_HOME") {
        for tail in lists::CARGO_SECRETS {
            allow(&mut builder, &cargo.as_path().join(tail), Rights::empty());
        }
    }
    builder
}

/// Adds an optional rule for a path that comes from a list or the environment; one that is not
/// absolute and normalised names nothing and is left out.
fn allow(builder: &mut PolicyBuilder, path: &Path, rights: Rights) {
    if let Ok(path) = SandboxPath::new(path) {
        builder.filesystem.add_optional(path, rights);
    }
}

#[cfg(test)]
mod tests;
