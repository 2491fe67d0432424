//! The command of a plan: is it sayable, where does it run, which file is it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Content, View};
use crate::error::{Result, SandboxError};
use crate::exec::ExecRequest;
use crate::path::{SandboxPath, quoted};
use crate::policy::Policy;
use crate::policy::filesystem::Rights;
use crate::resolve::{Kind, resolve};

/// Refuses what no system call can carry.
pub(super) fn check(request: &ExecRequest) -> Result<()> {
    let invalid = |message: String| Err(SandboxError::InvalidRequest(message));
    if request.program().is_empty() {
        return invalid("the command is empty: name a program, as in \"sandbox run -- ls\"".into());
    }
    let arguments = request.arguments().iter().map(OsString::as_os_str);
    for (at, argument) in std::iter::once(request.program()).chain(arguments).enumerate() {
        if has_nul(argument) {
            return invalid(format!("argument {at} holds a NUL byte, which no argument can"));
        }
    }
    for (name, value) in request.variables() {
        let name_bytes = name.as_encoded_bytes();
        if name_bytes.is_empty() || name_bytes.contains(&b'=') || has_nul(name) {
            return invalid(format!("{name:?} is no name of a variable"));
        }
        if has_nul(value) {
            return invalid(format!("the value of {} holds a NUL byte", quoted(name)));
        }
    }
    Ok(())
}

fn has_nul(text: &OsStr) -> bool {
    text.as_encoded_bytes().contains(&0)
}

/// The directory that the command starts in.
pub(super) fn working_directory(
    policy: &Policy,
    request: &ExecRequest,
    view: &View<'_>,
) -> Result<PathBuf> {
    let Some(asked) = request.working_directory() else {
        let preferred = request.preferred_directory().filter(|path| can_start(path, view));
        let default = || policy.workspace_path().map(SandboxPath::as_path);
        return Ok(preferred.or_else(default).unwrap_or(Path::new("/")).to_path_buf());
    };
    let path = SandboxPath::new(asked).map_err(crate::policy::PolicyError::from)?;
    let name = quoted(asked);
    let seen = resolve(view.files, path.as_path())
        .map_err(SandboxError::io(format!("looking up the working directory {name}")))?;
    let private = view.place(&seen.path).filter(|place| place.content == Content::Private);
    let inside = private.is_some_and(|place| place.path != seen.path) && !view.lasting;
    if !view.enterable(&seen.path) || inside {
        let message = format!("the working directory {name} is not visible: add --read {name}");
        return Err(SandboxError::InvalidRequest(message));
    }
    if seen.kind != Some(Kind::Directory) && private.is_none() {
        let message = format!("the working directory {name} is no directory: name one that exists");
        return Err(SandboxError::InvalidRequest(message));
    }
    // By the name that was asked for, if the sandbox has the links that it crosses.
    Ok(if view.names(&seen) { path.into() } else { seen.path })
}

/// Whether a directory of the host is there for a command, too. A private place is empty: none of
/// the host's directories below it is.
fn can_start(path: &Path, view: &View<'_>) -> bool {
    let Ok(seen) = resolve(view.files, path) else { return false };
    let private = view.place(&seen.path).filter(|place| place.content == Content::Private);
    let inside = private.is_some_and(|place| place.path != seen.path) && !view.lasting;
    let normal = SandboxPath::new(path).is_ok();
    normal && view.enterable(&seen.path) && !inside && seen.kind == Some(Kind::Directory)
}

/// The files that the command's name can mean, in order.
pub(super) fn candidates(
    request: &ExecRequest,
    cwd: &Path,
    env: &BTreeMap<OsString, OsString>,
    caller: Option<&OsStr>,
    view: &View<'_>,
) -> Result<Vec<PathBuf>> {
    let program = Path::new(request.program());
    let named = if program.components().count() > 1 || program.is_absolute() {
        vec![cwd.join(program)]
    } else {
        let path = env.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(program)).collect()
    };
    let (seen, hidden) = look(&named, view);
    if !seen.is_empty() {
        return Ok(seen);
    }
    let program = request.program().to_owned();
    // Not in the sandbox's path; the caller's may know it, which makes the better message.
    let elsewhere = || {
        std::env::split_paths(caller?)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&program))
            .find(|file| is_file(file, view))
    };
    match hidden.or_else(elsewhere) {
        Some(path) => Err(SandboxError::CommandHidden { program, path }),
        None => Err(SandboxError::CommandNotFound { program }),
    }
}

/// Splits the existing files into those that may be executed and the first that may not.
fn look(named: &[PathBuf], view: &View<'_>) -> (Vec<PathBuf>, Option<PathBuf>) {
    let mut seen = Vec::new();
    let mut hidden = None;
    for path in named {
        let Ok(found) = resolve(view.files, path) else { continue };
        let place = view.place(&found.path);
        let executable = place.is_some_and(|place| {
            place.content == Content::Host && place.rights.contains(Rights::EXECUTE)
        });
        let private = place.is_some_and(|place| place.content == Content::Private);
        match found.kind {
            _ if private && view.lasting => seen.push(path.clone()),
            Some(Kind::File) if executable && view.names(&found) => seen.push(path.clone()),
            Some(Kind::File) if !private => hidden = hidden.or(Some(found.path)),
            _ => {}
        }
    }
    (seen, hidden)
}

fn is_file(path: &Path, view: &View<'_>) -> bool {
    resolve(view.files, path).is_ok_and(|found| found.kind == Some(Kind::File))
}
