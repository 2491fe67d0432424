//! `sandbox session cp`: files and folders into a session or out of it.
//!
//! Both sides are [`Files`]: the session's, and those of one folder of this machine. So what is said
//! there of links and of names that change holds for both: a command that runs meanwhile cannot lead
//! the copy elsewhere, neither here nor there.

mod folder;
mod host;
mod progress;
mod tree;

use std::ffi::OsStr;

use sandbox_core::policy::PolicyError;
use sandbox_core::session::files::{FileError, Files, Kind};
use sandbox_core::{SandboxError, SandboxPath, SessionId};

use super::ask;
use crate::args::{CpArgs, Form, Sides};
use crate::failure::Failure;
use crate::output::{self, notes};
use progress::Progress;
use tree::Copying;

/// Copies.
pub(super) fn cp(args: &CpArgs) -> Result<i32, Failure> {
    let (from, source, to, target) = match args.sides()? {
        Sides::Into(outside, inside) => {
            let from = host::source(&outside)?;
            (from, (outside.path, outside.form), files(&inside.id)?, (inside.path, inside.form))
        }
        Sides::OutOf(inside, outside) => {
            let to = host::target(&outside)?;
            (files(&inside.id)?, (inside.path, inside.form), to, (outside.path, outside.form))
        }
    };
    let progress = Progress::new(!args.json);
    let mut copying = Copying::new(&from, &to, args.recursive, progress);
    let name = source.0.as_path().file_name().filter(|_| source.1 != Form::Contents);
    match destination(&to, &target.0, target.1, name)? {
        Destination::Named(target) => copying.whole(&source.0, &target)?,
        Destination::Folder(target) => copying.contents(&source.0, &target)?,
    }
    let copied = copying.finish();
    if args.json {
        output::print_json(&copied)?;
    } else {
        notes::say(copied.skipped.iter().map(|skipped| format!("skipped: {skipped}")));
    }
    Ok(0)
}

/// The files of a session. They are descriptors: no runtime is needed for calls on them.
fn files(id: &SessionId) -> Result<Files, Failure> {
    ask(async |keeper| keeper.files(id).await)
}

/// Where to.
enum Destination {
    /// This becomes what is copied.
    Named(SandboxPath),
    /// What is in the source comes into this folder.
    Folder(SandboxPath),
}

/// A folder that exists takes what is copied under its own name; everything else is a new name.
fn destination(
    files: &Files,
    target: &SandboxPath,
    form: Form,
    name: Option<&OsStr>,
) -> Result<Destination, Failure> {
    match (is_folder(files, target)?, name) {
        (true, Some(name)) => Ok(Destination::Named(child(target, name)?)),
        (true, None) => Ok(Destination::Folder(target.clone())),
        (false, _) if form == Form::Plain => Ok(Destination::Named(target.clone())),
        (false, _) => Err(Failure::usage(format!("{target} is no folder"))
            .with_help("make it first, or leave the slash out to give the copy this name")),
    }
}

/// Whether a folder is at a path, or a link to one.
fn is_folder(files: &Files, path: &SandboxPath) -> Result<bool, SandboxError> {
    match files.stat(path) {
        Ok(found) if found.kind == Kind::Link => Ok(files.list(path).is_ok()),
        Ok(found) => Ok(found.kind == Kind::Folder),
        Err(FileError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A name in a folder.
fn child(folder: &SandboxPath, name: &OsStr) -> Result<SandboxPath, SandboxError> {
    Ok(folder.join(name).map_err(PolicyError::from)?)
}
