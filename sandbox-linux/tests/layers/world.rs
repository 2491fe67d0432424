//! A host's folder, and a session over it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sandbox_core::session::{Applied, Change, ChangeKind};
use sandbox_linux::layers::{Options, Stack, Stamp, apply, diff, remove_tree};

/// Everything of one test; taken away at the end.
pub(crate) struct World {
    root: PathBuf,
    layers: usize,
    session: Option<Child>,
    pub(crate) stamp: Option<Stamp>,
}

impl World {
    /// A folder of the host with some things in it, and no session yet. None if this machine mounts
    /// no overlays for us, which is said.
    pub(crate) fn new() -> Option<Self> {
        let root = tempfile::Builder::new().prefix("layers-").tempdir_in("/var/tmp");
        let root = root.expect("a folder").keep();
        let mut world = Self { root, layers: 0, session: None, stamp: None };
        for name in ["source", "merged"] {
            fs::create_dir(world.root.join(name)).expect("a folder");
        }
        world.fill();
        world.layers = 1;
        world.make_layer();
        match world.try_begin() {
            Ok(()) => world.end(),
            Err(error) => return skip(&error),
        }
        // The layer is as good as new, but for what says that it was used.
        remove_tree(fs::File::open(&world.root).expect("a folder"), "work1").expect("removed");
        fs::create_dir(world.root.join("work1")).expect("a folder");
        world.stamp = Some(world.take_stamp());
        Some(world)
    }

    /// What the host has.
    fn fill(&self) {
        let host = self.host();
        for folder in ["d/sub/deep", "e", "f", "closed"] {
            fs::create_dir_all(host.join(folder)).expect("a folder");
        }
        for (name, content) in [
            ("a", "a"),
            ("b", "bb"),
            ("d/x", "x"),
            ("d/y", "y"),
            ("d/sub/1", "one"),
            ("d/sub/deep/2", "two"),
            ("e/1", "1"),
            ("closed/1", "1"),
        ] {
            fs::write(host.join(name), content).expect("a file");
        }
        symlink("a", host.join("l")).expect("a link");
        fs::hard_link(host.join("b"), host.join("b2")).expect("a name");
        fifo(&host.join("p"));
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.root.join("source")
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.root.join(format!("upper{}", self.layers))
    }

    pub(crate) fn take_stamp(&self) -> Stamp {
        Stamp::take(fs::File::open(self.host()).expect("the folder")).expect("a stamp")
    }

    /// A stamp that nothing can be newer than, so that the writing is reached in any case.
    pub(crate) fn never(&self) -> Stamp {
        let mut stored = serde_json::to_value(&self.stamp).expect("a stamp");
        stored["moment"]["seconds"] = i64::MAX.into();
        serde_json::from_value(stored).expect("a stamp")
    }

    fn make_layer(&self) {
        for name in ["upper", "work"] {
            let path = self.root.join(format!("{name}{}", self.layers));
            fs::create_dir(&path).expect("a folder");
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a mode");
        }
    }

    /// Begins the session, or goes on with it in a new layer; returns what the payload sees.
    pub(crate) fn begin(&mut self) -> PathBuf {
        if fs::read_dir(self.root.join(format!("work{}", self.layers))).expect("work").count() > 0 {
            self.layers += 1;
            self.make_layer();
        }
        self.try_begin().expect("an overlay");
        self.merged()
    }

    fn try_begin(&mut self) -> Result<(), String> {
        let lower = (1..self.layers).rev().map(|number| format!("upper{number}:"));
        let lower: String = lower.chain(["source".to_owned()]).collect();
        let number = self.layers;
        let script = format!(
            "mount -t overlay overlay -o lowerdir={lower},upperdir=upper{number},\
             workdir=work{number},userxattr,volatile merged && echo ready && exec cat"
        );
        let mut command = Command::new("unshare");
        let is_root = rustix::process::geteuid().is_root();
        command.args(if is_root { ["-m"].as_slice() } else { &["-U", "-r", "-m"] });
        command.args(["sh", "-c", &script]).current_dir(&self.root);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        let output = child.stdout.take().expect("an output");
        BufReader::new(output).read_line(&mut line).expect("a word");
        if line.trim() == "ready" {
            self.session = Some(child);
            return Ok(());
        }
        let said = child.wait_with_output().expect("an end");
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }

    /// What the payload sees.
    pub(crate) fn merged(&self) -> PathBuf {
        let child = self.session.as_ref().expect("a session");
        let inside = PathBuf::from(format!("/proc/{}/root", child.id()));
        inside.join(self.root.join("merged").strip_prefix("/").expect("an absolute path"))
    }

    /// Ends the payload; its layers stay.
    pub(crate) fn end(&mut self) {
        if let Some(mut child) = self.session.take() {
            child.kill().expect("an end");
            child.wait().expect("an end");
        }
    }

    pub(crate) fn stack(&self) -> Stack {
        let uppers = (1..=self.layers).rev().map(|number| self.root.join(format!("upper{number}")));
        Stack::open(self.host(), uppers).expect("layers")
    }

    pub(crate) fn diff(&self) -> Vec<Change> {
        let changes = diff(&self.stack()).expect("a diff");
        assert!(changes.is_sorted(), "{changes:?}");
        changes
    }

    /// The paths that differ, and how.
    pub(crate) fn kinds(&self) -> Vec<(String, ChangeKind)> {
        let name = |change: &Change| change.path.to_str().expect("a name in UTF-8").to_owned();
        self.diff().iter().map(|change| (name(change), change.kind)).collect()
    }

    pub(crate) fn try_apply(&self) -> sandbox_core::Result<Applied> {
        let stamp = self.stamp.as_ref().expect("a stamp");
        apply(&self.stack(), stamp, &Options::default())
    }

    /// Applies what has to be without conflicts.
    pub(crate) fn apply(&self) -> Vec<Change> {
        let applied = self.try_apply().expect("applied");
        assert_eq!(applied.conflicts, []);
        applied.changes
    }

    /// The paths that conflict; nothing was written.
    pub(crate) fn conflicts(&self) -> Vec<String> {
        let before = crate::trees::Tree::read(&self.host());
        let applied = self.try_apply().expect("a look");
        assert_eq!(applied.changes, []);
        assert_eq!(crate::trees::Tree::read(&self.host()), before);
        let name = |path: PathBuf| path.to_str().expect("a name in UTF-8").to_owned();
        applied.conflicts.into_iter().map(|conflict| name(conflict.path)).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end();
        let parent = fs::File::open(self.root.parent().expect("a parent")).expect("a folder");
        let removed = remove_tree(parent, self.root.file_name().expect("a name"));
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

/// Says why something is not tested; with `SANDBOX_REQUIRE_ALL=1` that is a failure.
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    let forbidden = std::env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!forbidden, "skipped, which is forbidden: {reason}");
    println!("skipped: {reason}");
    None
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
}

pub(crate) fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    assert!(fs::symlink_metadata(path).expect("a FIFO").file_type().is_fifo());
}

/// Removes a file or a folder with all that is in it.
pub(crate) fn remove(path: &Path) {
    let is_folder = fs::symlink_metadata(path).expect("something").is_dir();
    if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
}

pub(crate) fn write(path: impl AsRef<Path>, content: &str) {
    fs::write(path, content).expect("written");
}

/// Those of the paths that are not finished.
pub(crate) fn unfinished<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<&'a Path> {
    let is_temporary = |name: &OsStr| name.as_encoded_bytes().starts_with(b".sandbox-apply-");
    let paths = paths.into_iter().map(PathBuf::as_path);
    paths.filter(|path| path.iter().any(is_temporary)).collect()
}
