//! A fresh directory for one cell, laid out for the user that the cell runs as.
//!
//! The checkout may lie where an ordinary user cannot read (below `/root`, say): executables
//! are copied to `bin`, and `home` and `tmp` belong to that user. Before the directory is
//! removed the mount table is read: a mount that was left inside is a failure of the cell, and
//! removing through it could reach files that are none of ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::identity::Identity;
use crate::sys;

/// Where everybody may create directories, and where there is a disk below (unlike `/tmp`,
/// which can be a tmpfs with other rules for extended attributes and sizes).
const BASE: &str = "/var/tmp";

/// What the commands find: no toolchain, nothing of the person who started the matrix.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) struct Scratch {
    dir: TempDir,
    identity: Identity,
}

impl Scratch {
    pub(super) fn new(identity: Identity) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("sandbox-matrix-")
            .tempdir_in(BASE)
            .with_context(|| format!("create a directory in {BASE}"))?;
        sys::set_mode(dir.path(), 0o755)?;
        let scratch = Self { dir, identity };
        fs::create_dir(scratch.bin())?;
        scratch.create("home")?;
        scratch.create("tmp")?;
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn bin(&self) -> PathBuf {
        self.path().join("bin")
    }

    /// A new directory that belongs to the cell's user.
    pub(super) fn create(&self, name: &str) -> Result<PathBuf> {
        let dir = self.path().join(name);
        fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
        self.give(&dir)?;
        Ok(dir)
    }

    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        self.identity.other_id().map_or(Ok(()), |id| sys::give_to(path, id))
    }

    /// Copies an executable where everybody can run it.
    pub(super) fn install(&self, executable: &Path, name: &str) -> Result<PathBuf> {
        let copy = self.bin().join(name);
        fs::copy(executable, &copy)
            .with_context(|| format!("copy {} to {}", executable.display(), copy.display()))?;
        sys::set_mode(&copy, 0o755)?;
        Ok(copy)
    }

    /// A command of the cell's user, with the copied executables first on its PATH.
    pub(super) fn command(&self, program: &Path) -> Result<Command> {
        let mut command = self.identity.command(program.as_os_str())?;
        command
            .current_dir(self.path().join("home"))
            .env("PATH", format!("{}:{PATH}", self.bin().display()))
            .env("HOME", self.path().join("home"))
            .env("TMPDIR", self.path().join("tmp"))
            .env("LANG", "C.UTF-8");
        for name in ["CI", "RUST_BACKTRACE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        Ok(command)
    }

    /// Removes the directory, unless something is still mounted in it.
    pub(super) fn close(self) -> Result<()> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if let Some(mount) = mount_below(&table, self.path()) {
            let kept = self.dir.keep();
            bail!("{mount} is still mounted; {} is left alone", kept.display());
        }
        let path = self.path().to_path_buf();
        self.dir.close().with_context(|| format!("remove {}", path.display()))
    }
}

/// The first mount point in `dir`, from the text of a mountinfo file (proc_pid_mountinfo(5)).
fn mount_below(mountinfo: &str, dir: &Path) -> Option<String> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| Path::new(point).starts_with(dir)).map(String::from).next()
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::identity;
    use super::*;

    #[test]
    fn mounts_inside_are_seen() {
        let table = "\
22 1 0:20 / /proc rw - proc proc rw
90 1 0:50 / /var/tmp/x/home/merged rw - overlay overlay rw
91 1 0:50 / /var/tmp/xy rw - tmpfs tmpfs rw
";
        let found = mount_below(table, Path::new("/var/tmp/x"));
        assert_eq!(found.as_deref(), Some("/var/tmp/x/home/merged"));
        assert_eq!(mount_below(table, Path::new("/var/tmp/z")), None);
    }

    #[test]
    fn the_user_can_write_at_home_and_run_what_is_installed() {
        if !identity::can_become_user() {
            return;
        }
        let scratch = Scratch::new(Identity::User).unwrap();
        scratch.install(Path::new("/bin/sh"), "our-shell").unwrap();
        let script = "our-shell -c 'touch here \"$TMPDIR/there\"'";
        let mut command = scratch.command(Path::new("/bin/sh")).unwrap();
        assert!(command.args(["-c", script]).status().unwrap().success());
        assert!(scratch.path().join("home/here").exists());
        let path = scratch.path().to_path_buf();
        scratch.close().unwrap();
        assert!(!path.exists());
    }
}
