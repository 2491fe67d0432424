//! Mounts, as options of a new session and as words for one that exists.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, ValueEnum};
use sandbox_core::{FilesystemAccess, FilesystemMount, MountSource, SandboxPath, SessionId};

use super::super::rules::{absolute, inside};
use crate::failure::Failure;

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MountKind {
    /// SOURCE TARGET: a folder of this machine, copied on write
    Copy,
    /// SOURCE TARGET: a file or folder of this machine, which can be changed
    Rw,
    /// SOURCE TARGET: a file or folder of this machine, which can be read
    Ro,
    /// TARGET: an empty folder on the disk
    Scratch,
    /// TARGET, and a SIZE if it has one: an empty folder in memory
    Tmpfs,
}

/// `sandbox session mount`.
#[derive(Args, Debug)]
#[command(
    override_usage = "sandbox session mount [OPTIONS] <ID> <copy|rw|ro> <SOURCE> <TARGET>\n       \
    sandbox session mount [OPTIONS] <ID> scratch <TARGET>\n       \
    sandbox session mount [OPTIONS] <ID> tmpfs <TARGET> [SIZE]"
)]
pub(crate) struct MountArgs {
    /// The session
    pub(crate) id: SessionId,
    /// What to mount
    #[arg(value_enum)]
    kind: MountKind,
    /// The folder of this machine, if there is one, and the path in the session
    #[arg(required = true, num_args = 1..=2, value_name = "PATH")]
    words: Vec<OsString>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The mounts of a new session.
#[derive(Args, Debug)]
#[command(next_help_heading = "Mounts")]
pub(super) struct MountOptions {
    /// Work on a copy of the workspace: changes stay in the session until they are applied
    #[arg(long)]
    pub(super) overlay: bool,
    /// Mount a folder, copied on write
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    mount_copy: Vec<OsString>,
    /// Mount a file or folder that can be changed
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    mount_rw: Vec<OsString>,
    /// Mount a file or folder that can be read
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    mount_ro: Vec<OsString>,
    /// Mount an empty folder on the disk
    #[arg(long, value_name = "TARGET")]
    mount_scratch: Vec<OsString>,
    /// Mount an empty folder in memory
    #[arg(long, num_args = 2, value_names = ["TARGET", "SIZE"])]
    mount_tmpfs: Vec<OsString>,
}

impl MountArgs {
    /// The mount.
    pub(crate) fn mount(&self) -> Result<FilesystemMount, Failure> {
        mount("mount", self.kind, &self.words)
    }
}

impl MountOptions {
    /// The mounts, those of outer folders first: a later one lies over an earlier one.
    pub(super) fn mounts(&self) -> Result<Vec<FilesystemMount>, Failure> {
        let mut mounts: Vec<(&str, FilesystemMount)> = Vec::new();
        for (option, kind, words, count) in [
            ("--mount-copy", MountKind::Copy, &self.mount_copy, 2),
            ("--mount-rw", MountKind::Rw, &self.mount_rw, 2),
            ("--mount-ro", MountKind::Ro, &self.mount_ro, 2),
            ("--mount-scratch", MountKind::Scratch, &self.mount_scratch, 1),
            ("--mount-tmpfs", MountKind::Tmpfs, &self.mount_tmpfs, 2),
        ] {
            for words in words.chunks(count) {
                let mount = mount(option, kind, words)?;
                if let Some((other, _)) = mounts.iter().find(|(_, it)| it.target == mount.target) {
                    let message = format!("{other} and {option} both mount {}", mount.target);
                    return Err(Failure::usage(message).with_help("keep one of the two"));
                }
                mounts.push((option, mount));
            }
        }
        mounts.sort_by_key(|(_, mount)| mount.target.depth());
        Ok(mounts.into_iter().map(|(_, mount)| mount).collect())
    }
}

fn mount(option: &str, kind: MountKind, words: &[OsString]) -> Result<FilesystemMount, Failure> {
    let host = |path: &OsString| absolute(option, Path::new(path));
    let at = |path: &OsString| inside(option, Path::new(path));
    let bind = |source: SandboxPath, access| MountSource::Bind { source, access };
    let (source, target) = match (kind, words) {
        (MountKind::Copy, [source, target]) => {
            (MountSource::Overlay { source: host(source)? }, target)
        }
        (MountKind::Rw, [source, target]) => {
            (bind(host(source)?, FilesystemAccess::ReadWrite), target)
        }
        (MountKind::Ro, [source, target]) => {
            (bind(host(source)?, FilesystemAccess::ReadOnly), target)
        }
        (MountKind::Scratch, [target]) => (MountSource::Scratch, target),
        (MountKind::Tmpfs, [target]) => (MountSource::Tmpfs { size: None }, target),
        (MountKind::Tmpfs, [target, size]) => {
            (MountSource::Tmpfs { size: Some(bytes(option, size)?) }, target)
        }
        (MountKind::Scratch, _) => return Err(wrong("scratch takes TARGET alone")),
        (MountKind::Tmpfs, _) => return Err(wrong("tmpfs takes TARGET, and SIZE if there is one")),
        _ => return Err(wrong("a folder of this machine takes SOURCE and TARGET")),
    };
    Ok(FilesystemMount { target: at(target)?, source })
}

fn wrong(what: &str) -> Failure {
    Failure::usage(what).with_help("see \"sandbox session mount --help\"")
}

fn bytes(option: &str, size: &OsString) -> Result<sandbox_core::ByteSize, Failure> {
    let size = size.to_string_lossy();
    size.parse().map_err(|error| Failure::usage(format!("{option}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: MountKind, words: &[&str]) -> Result<FilesystemMount, String> {
        let words: Vec<OsString> = words.iter().map(Into::into).collect();
        mount("mount", kind, &words).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_kind_and_its_words_are_a_mount() {
        let here = std::env::current_dir().unwrap();
        let access = FilesystemAccess::ReadWrite;
        let expected = FilesystemMount::bind(here.join("a"), "/w", access).unwrap();
        assert_eq!(of(MountKind::Rw, &["b/../a", "/w/"]), Ok(expected));
        let expected = FilesystemMount::overlay("/srv", "/w").unwrap();
        assert_eq!(of(MountKind::Copy, &["/srv", "/w"]), Ok(expected));
        let expected = FilesystemMount::tmpfs("/w", "1M".parse().ok()).unwrap();
        assert_eq!(of(MountKind::Tmpfs, &["/w", "1M"]), Ok(expected));
    }

    #[test]
    fn words_that_do_not_fit_are_refused() {
        for (kind, words, says) in [
            (MountKind::Copy, &["/a"][..], "SOURCE and TARGET"),
            (MountKind::Scratch, &["/a", "/b"], "TARGET alone"),
            (MountKind::Tmpfs, &["/a", "much"], "512M"),
            (MountKind::Scratch, &["a"], "absolute path"),
            (MountKind::Ro, &["/a", "../b"], "absolute path"),
        ] {
            let said = of(kind, words).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
