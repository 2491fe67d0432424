//! The presets: what a command needs to run at all, to work in a folder, to build software.
//!
//! A preset only names folders; most are optional, because not every machine has them. Credentials
//! are hidden by rules more specific than any grant that could contain them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::filesystem::Rights;
use super::{PolicyBuilder, PolicyError};
use crate::path::SandboxPath;

/// Programs, libraries and their configuration.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/nix/store",
    "/run/current-system", "/System", "/Library",
];

/// Parts of `/etc` that are nobody's runtime.
const SYSTEM_SECRETS: &[&str] = &[
    "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers",
    "/etc/sudoers.d", "/etc/ssl/private", "/etc/security/opasswd",
];

/// Directories that a command may fill without anybody seeing it.
const PRIVATE: &[&str] = &["/tmp", "/var/tmp"];

/// Variables that carry taste, not trust.
const VARIABLES: &[&str] = &[
    "COLORTERM", "COLUMNS", "LANG", "LANGUAGE", "LC_*", "LINES", "LOGNAME", "NO_COLOR", "PATH",
    "SOURCE_DATE_EPOCH", "TERM", "TZ", "USER", "HOME", "SHELL",
];

/// Where people keep what must not leave the machine, below the home directory.
const CREDENTIALS: &[&str] = &[
    ".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".netrc", ".npmrc", ".pypirc",
    ".git-credentials", ".vault-token", ".password-store", ".terraform.d", ".terraformrc",
    ".config/gh", ".config/gcloud", ".config/git/credentials", ".config/op", ".config/rclone",
    ".config/hub", ".config/glab-cli", ".config/google-chrome", ".config/chromium", ".mozilla",
    ".local/share/keyrings", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials",
    ".m2/settings.xml", ".m2/settings-security.xml", ".gradle/gradle.properties", ".bash_history",
    ".zsh_history", ".python_history", ".node_repl_history", ".psql_history", ".mysql_history",
    ".pgpass", ".my.cnf", ".config/containers/auth.json", ".claude/.credentials.json",
    ".codex/auth.json", "Library/Keychains", "Library/Cookies",
];

/// Toolchains and package caches, below the home directory.
const TOOLCHAINS: &[&str] = &[
    ".cargo/bin", ".cargo/registry", ".cargo/git", ".cargo/config.toml", ".cargo/config",
    ".cargo/env", ".rustup", ".nvm", ".volta", ".fnm", ".pyenv", ".asdf", ".rbenv", ".sdkman",
    ".deno", ".bun", ".local/bin", ".local/lib", ".local/share/mise", ".local/share/uv", "go",
    ".npm", ".cache/pip", ".cache/uv", ".cache/go-build", ".gradle", ".m2", ".ivy2", ".gitconfig",
    ".config/git", ".editorconfig", ".yarnrc.yml", ".config/pip",
];

/// Variables by which toolchains find themselves, and whether each names a folder to read.
const TOOLCHAIN_VARIABLES: &[(&str, bool)] = &[
    ("RUSTUP_HOME", true), ("RUSTUP_TOOLCHAIN", false), ("GOROOT", true), ("GOPATH", true),
    ("JAVA_HOME", true), ("PYENV_ROOT", true), ("NVM_DIR", true), ("VOLTA_HOME", true),
    ("VIRTUAL_ENV", true), ("CONDA_PREFIX", true), ("CC", false), ("CXX", false),
    ("CFLAGS", false), ("CXXFLAGS", false), ("LDFLAGS", false), ("RUSTFLAGS", false),
    ("CARGO_TARGET_DIR", false), ("CARGO_BUILD_JOBS", false), ("CARGO_NET_OFFLINE", false),
    ("MAKEFLAGS", false), ("PKG_CONFIG_PATH", false), ("CI", false),
];

/// What of a `CARGO_HOME` is no secret.
const CARGO_HOME: &[&str] = &["bin", "registry", "git", "config.toml", "config", "env"];

pub(super) fn read_only(mut builder: PolicyBuilder) -> PolicyBuilder {
    for path in SYSTEM {
        allow(&mut builder, Path::new(path), Rights::READ_ONLY);
    }
    for path in SYSTEM_SECRETS {
        allow(&mut builder, Path::new(path), Rights::empty());
    }
    for path in PRIVATE.iter().filter_map(|path| SandboxPath::new(path).ok()) {
        builder.filesystem.add_private(path);
    }
    if let Some(home) = home() {
        builder.filesystem.add_private_unless_covered(home);
    }
    for name in VARIABLES {
        // The list is ours and holds only names that pass the check.
        let _ = builder.environment.pass(name);
    }
    hide_credentials(builder)
}

pub(super) fn workspace(
    mut builder: PolicyBuilder,
    folder: &Path,
) -> Result<PolicyBuilder, PolicyError> {
    let wrong = |why: String| PolicyError::Workspace { path: folder.to_path_buf(), why };
    let base = env::current_dir().unwrap_or_default();
    let path = SandboxPath::from_user(folder, &base)?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(wrong("it is no folder: name the folder that contains it".into())),
        Err(error) => return Err(wrong(format!("{error}: create it first, or name another"))),
    }
    if path.as_path().parent().is_none() {
        return Err(wrong("it is the whole machine: name a folder in it".into()));
    }
    builder.filesystem.add(path.clone(), Rights::READ_WRITE);
    if let Some(common) = git_common_dir(path.as_path()) {
        allow(&mut builder, &common, Rights::READ_WRITE);
    }
    builder.workspace = Some(path);
    Ok(builder)
}

pub(super) fn developer(mut builder: PolicyBuilder) -> PolicyBuilder {
    allow(&mut builder, Path::new("/opt"), Rights::READ_ONLY);
    if let Some(home) = home() {
        for tail in TOOLCHAINS {
            allow(&mut builder, &home.as_path().join(tail), Rights::READ_ONLY);
        }
    }
    for (name, folder) in TOOLCHAIN_VARIABLES {
        let _ = builder.environment.pass(name);
        if let Some(path) = env::var_os(name).filter(|_| *folder) {
            allow(&mut builder, Path::new(&path), Rights::READ_ONLY);
        }
    }
    if let Some(cargo) = env::var_os("CARGO_HOME") {
        let _ = builder.environment.pass("CARGO_HOME");
        for tail in CARGO_HOME {
            allow(&mut builder, &Path::new(&cargo).join(tail), Rights::READ_ONLY);
        }
    }
    builder
}

fn hide_credentials(mut builder: PolicyBuilder) -> PolicyBuilder {
    if let Some(home) = home() {
        for tail in CREDENTIALS {
            allow(&mut builder, &home.as_path().join(tail), Rights::empty());
        }
    }
    for name in ["AWS_SHARED_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "KUBECONFIG"] {
        if let Some(path) = env::var_os(name) {
            allow(&mut builder, Path::new(&path), Rights::empty());
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

/// The caller's home directory, if the variable holds a usable path.
fn home() -> Option<SandboxPath> {
    let home = SandboxPath::new(env::var_os("HOME")?).ok()?;
    (home.depth() > 0).then_some(home)
}

/// The common directory of a git worktree, which holds its objects and references.
///
/// # Security
/// The `.git` file of a worktree lies in the workspace, where an earlier command could have written
/// it. It is believed only if the directory that it names points back at this workspace from
/// outside of it, as git's own worktrees do.
fn git_common_dir(workspace: &Path) -> Option<PathBuf> {
    let pointer = workspace.join(".git");
    if !fs::symlink_metadata(&pointer).ok()?.is_file() {
        return None;
    }
    let text = fs::read_to_string(&pointer).ok()?;
    let gitdir = workspace.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let back = fs::read_to_string(gitdir.join("gitdir")).ok()?;
    let points_back = Path::new(back.trim()).canonicalize().ok()? == pointer.canonicalize().ok()?;
    let worktrees = gitdir.parent()?;
    let common = worktrees.parent()?;
    let looks_right = worktrees.file_name() == Some(OsStr::new("worktrees"))
        && ["HEAD", "objects", "refs"].iter().all(|name| common.join(name).exists());
    (points_back && looks_right).then(|| common.to_path_buf())
}
