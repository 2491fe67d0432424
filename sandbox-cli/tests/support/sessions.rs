//! Sessions in a state folder of a test's own, which end with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use super::processes::{self, Process};
use super::{Outcome, folder, run, sandbox};

/// Sessions that no other test can see.
pub(crate) struct Sessions {
    state: TempDir,
    /// Owners that were looked at; their folders may be gone before them.
    seen: Mutex<Vec<Process>>,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self { state: folder(), seen: Mutex::default() }
    }

    /// The folder that the caller's `XDG_STATE_HOME` names.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// `sandbox session ARGS`, not started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = sandbox(["session"].iter().chain(args));
        command.env("XDG_STATE_HOME", self.state.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    /// Runs to a good end; what was printed, without the last line's end.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
        outcome.text().trim_end_matches('\n').to_owned()
    }

    /// A new session's identifier.
    #[track_caller]
    pub(crate) fn create(&self, options: &[&str]) -> String {
        self.ok(&[&["create"], options].concat())
    }

    /// Runs a script in a session to a good end; what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, id: &str, script: &str) -> String {
        self.ok(&["exec", id, "--", "/bin/sh", "-ec", script])
    }

    /// The identifiers that are listed.
    #[track_caller]
    pub(crate) fn list(&self) -> Vec<String> {
        let all = self.run(&["list", "--json"]).json();
        let id = |session: &Value| session["id"].as_str().expect("an identifier").to_owned();
        all.as_array().expect("an array").iter().map(id).collect()
    }

    /// Where a session's folder is.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.state.path().join("sandbox/sessions").join(id)
    }

    /// The process that owns a session.
    #[track_caller]
    pub(crate) fn owner(&self, id: &str) -> Process {
        let owner = self.owner_of(&self.folder(id)).expect("an owner");
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(owner.clone());
        owner
    }

    fn owner_of(&self, folder: &Path) -> Option<Process> {
        let text = fs::read(folder.join("owner.json")).ok()?;
        let owner: Value = serde_json::from_slice(&text).ok()?;
        let found = Process::find(i32::try_from(owner["pid"].as_i64()?).ok()?)?;
        // Another process may have got the number since.
        let started = owner["started"].as_str()?.parse();
        (started == Ok(found.started)).then_some(found)
    }

    fn owners(&self) -> Vec<Process> {
        let all = fs::read_dir(self.state.path().join("sandbox/sessions"));
        let folders = all.into_iter().flatten().flatten().map(|entry| entry.path());
        folders.filter_map(|folder| self.owner_of(&folder)).collect()
    }

    /// What lies below the folders for sessions and layers.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let entries = |name| fs::read_dir(self.state.path().join("sandbox").join(name));
        let all = ["sessions", "layers"].into_iter().flat_map(|name| entries(name).into_iter());
        all.flatten().flatten().map(|entry| entry.path()).collect()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let mut owners = self.owners();
        owners.append(self.seen.get_mut().unwrap_or_else(PoisonError::into_inner));
        let ended = self.command(&["rm", "--all"]).output();
        let left = processes::left_after(&owners, super::PATIENCE);
        left.iter().for_each(Process::kill);
        if !std::thread::panicking() {
            assert!(ended.is_ok_and(|it| it.status.success()), "sessions cannot be ended");
            assert!(left.is_empty(), "owners that do not end: {left:?}");
        }
    }
}
