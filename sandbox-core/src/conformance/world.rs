//! What the cases look at: one stage for the process, one fresh world for each case.
//!
//! The stage is what a sandbox inherits from its caller: an environment with canaries, a home
//! directory with credentials, an open descriptor, a file in `/tmp`. A world is a case's own
//! folders. Everything outside of a world's workspace is compared before and after a case, by mode,
//! owner, links, times and content.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use super::sys;

/// What every canary file holds.
pub(super) const CANARY: &str = "canary-5f1b";
/// A variable that a policy may name.
pub(super) const PLAIN: &str = "CONFORMANCE_PLAIN";
/// A variable that looks like a secret.
pub(super) const SECRET: &str = "CONFORMANCE_API_TOKEN";
/// A variable whose value has lines.
pub(super) const LINES: &str = "CONFORMANCE_LINES";
/// A variable whose value is not UTF-8.
pub(super) const BYTES: &str = "CONFORMANCE_BYTES";

/// What all cases of this process share.
pub(super) struct Stage {
    /// Where worlds are made; not below `/tmp`, which policies make private.
    folder: TempDir,
    /// The caller's home directory.
    pub(super) home: PathBuf,
    /// A file of the host in `/tmp`.
    pub(super) in_tmp: NamedTempFile,
    /// A descriptor that every child inherits that does not close it.
    pub(super) inherited: File,
}

impl Stage {
    /// Sets the stage. The process must still have a single thread.
    pub(super) fn set() -> io::Result<Self> {
        let folder = spacious()?;
        let home = folder.path().join("home");
        fs::create_dir_all(home.join(".ssh"))?;
        fs::write(home.join(".ssh/id_canary"), CANARY)?;
        let mut in_tmp = Builder::new().prefix("conformance-").tempfile()?;
        in_tmp.write_all(CANARY.as_bytes())?;
        let inherited = File::open(home.join(".ssh/id_canary"))?;
        sys::keep_across_exec(&inherited)?;
        for (name, value) in [
            ("HOME", home.clone().into_os_string()),
            (PLAIN, "plain".into()),
            (SECRET, CANARY.into()),
            (LINES, "one\ntwo=2\n".into()),
            (BYTES, OsString::from_vec(vec![b'a', 0xff, 0xfe, b'z'])),
        ] {
            sys::set_variable(name, &value);
        }
        Ok(Self { folder, home, in_tmp, inherited })
    }
}

/// A folder beside the test binary, because `/tmp` is private in most policies; else in `/tmp`.
fn spacious() -> io::Result<TempDir> {
    let beside = std::env::current_exe()?.parent().map(Path::to_path_buf);
    let places = [std::env::var_os("SANDBOX_CONFORMANCE_DIR").map(PathBuf::from), beside];
    let make = |place: PathBuf| Builder::new().prefix("conformance-").tempdir_in(place);
    let made = places.into_iter().flatten().find_map(|place| make(place).ok());
    let folder = made.map_or_else(|| make(std::env::temp_dir()), Ok)?;
    open_to_all(folder.path())?;
    Ok(folder)
}

/// A payload may run under another user than the caller.
fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// The folders of one case.
pub(super) struct World {
    base: TempDir,
    /// Writable by the usual policy.
    pub(super) workspace: PathBuf,
    /// Readable by the usual policy.
    pub(super) read_only: PathBuf,
    /// Named by no rule.
    pub(super) outside: PathBuf,
    before: BTreeMap<PathBuf, Trace>,
}

/// What tells whether a file was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trace {
    mode: u32,
    owner: (u32, u32),
    links: u64,
    changed: (i64, i64),
    content: Vec<u8>,
}

impl World {
    pub(super) fn new(stage: &Stage) -> io::Result<Self> {
        let base = Builder::new().prefix("world-").tempdir_in(stage.folder.path())?;
        open_to_all(base.path())?;
        let root = base.path().canonicalize()?;
        let (workspace, read_only) = (root.join("ws"), root.join("ro"));
        let outside = root.join("outside");
        for folder in [&workspace, &read_only, &outside] {
            fs::create_dir_all(folder.join("sub"))?;
            fs::write(folder.join("file"), CANARY)?;
            fs::write(folder.join("sub/file"), CANARY)?;
        }
        Ok(Self { base, workspace, read_only, outside, before: BTreeMap::new() })
    }

    /// The folder that holds the others.
    pub(super) fn root(&self) -> PathBuf {
        self.workspace.parent().unwrap_or(self.base.path()).to_path_buf()
    }

    /// Notes how everything outside of the workspace looks, when a case has set its scene.
    pub(super) fn remember(&mut self) -> io::Result<()> {
        self.before = self.traces()?;
        Ok(())
    }

    /// What outside of the workspace looks different now.
    pub(super) fn changes(&self) -> io::Result<Vec<String>> {
        let after = self.traces()?;
        let names: Vec<_> = self.before.keys().chain(after.keys()).collect();
        let mut changed: Vec<String> = names
            .into_iter()
            .filter(|name| self.before.get(*name) != after.get(*name))
            .map(|name| name.display().to_string())
            .collect();
        changed.dedup();
        Ok(changed)
    }

    fn traces(&self) -> io::Result<BTreeMap<PathBuf, Trace>> {
        let mut traces = BTreeMap::new();
        for folder in [&self.read_only, &self.outside] {
            trace(folder, &mut traces)?;
        }
        Ok(traces)
    }
}

fn trace(path: &Path, traces: &mut BTreeMap<PathBuf, Trace>) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let content = if found.is_file() { fs::read(path)? } else { Vec::new() };
    let trace_of = Trace {
        mode: found.mode(),
        owner: (found.uid(), found.gid()),
        links: found.nlink(),
        changed: (found.ctime(), found.ctime_nsec()),
        content,
    };
    traces.insert(path.to_path_buf(), trace_of);
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            trace(&entry?.path(), traces)?;
        }
    }
    Ok(())
}
