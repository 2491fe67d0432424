//! Where things are: the workspace as `cargo metadata` describes it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The checkout that the task works on.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency of any kind: normal, development or build.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

impl Workspace {
    pub(crate) fn locate() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()
            .context("run cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", output.status);
        serde_json::from_slice(&output.stdout).context("read the output of cargo metadata")
    }

    /// Cargo at the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// An optimised build of xtask itself, for measuring.
    pub(crate) fn quick_binary(&self) -> Result<PathBuf> {
        let build = ["build", "--profile", "quick", "--package", "xtask"];
        let status = self.cargo().args(build).status().context("run cargo build")?;
        ensure!(status.success(), "cargo {}: {status}", build.join(" "));
        Ok(self.target.join("quick").join(format!("xtask{}", env::consts::EXE_SUFFIX)))
    }

    /// The release build of `sandbox`, linked the ordinary way.
    pub(crate) fn release_path(&self) -> PathBuf {
        self.target.join("release").join(format!("sandbox{}", env::consts::EXE_SUFFIX))
    }
}

/// What makes the binary at [`Workspace::release_path`].
pub(crate) const RELEASE: &[&str] = &["build", "--release", "--package", "sandbox-cli"];

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.stdin(Stdio::null());
    command
}

/// The file that a shell would run for `program`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program).with_extension(env::consts::EXE_EXTENSION))
        .find(|file| crate::sys::is_executable(file))
}

/// `path` as seen from `root`, for people to read.
pub(crate) fn relative<'a>(path: &'a Path, root: &Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// Copies a folder of folders and plain files; `each` sees every new path.
pub(crate) fn copy_tree(
    from: &Path,
    to: &Path,
    each: &dyn Fn(&Path) -> io::Result<()>,
) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    each(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &copy, each)?;
        } else {
            fs::copy(entry.path(), &copy).with_context(|| format!("copy to {}", copy.display()))?;
            each(&copy)?;
        }
    }
    Ok(())
}
