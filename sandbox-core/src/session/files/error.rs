//! Why a call on a file failed.

use std::io;
use std::path::PathBuf;

use super::Kind;
use crate::path::{SandboxPath, quoted};

/// Shorthand for a result with [`FileError`].
pub(super) type Result<T> = std::result::Result<T, FileError>;

/// Why a call on the files of a session failed. Nothing was changed then, unless a variant says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The path lies in no folder of the session.
    #[error("{path} lies in no folder of the session: {}", listed(.mounts))]
    Outside {
        /// The path.
        path: SandboxPath,
        /// The folders that there are.
        mounts: Vec<SandboxPath>,
    },
    /// A symbolic link on the path leads to where no folder of the session is.
    #[error(
        "{path} leads to {}, which lies in no folder of the session: {}",
        quoted(.target), listed(.mounts)
    )]
    LeadsOutside {
        /// The path.
        path: SandboxPath,
        /// Where it leads.
        target: PathBuf,
        /// The folders that there are.
        mounts: Vec<SandboxPath>,
    },
    /// Following the path takes too long: links that lead to each other, or thousands of names.
    #[error("{path} has too many symbolic links or names")]
    TooManyLinks {
        /// The path.
        path: SandboxPath,
    },
    /// The folder must not be changed.
    #[error("{path} cannot be changed: {mount} is read-only")]
    ReadOnly {
        /// The path.
        path: SandboxPath,
        /// The folder of the session that it lies in.
        mount: SandboxPath,
    },
    /// A folder of the session lies there, so that the path can neither be replaced, moved nor
    /// removed.
    #[error("{path} cannot be replaced, moved or removed: {mount} is mounted there")]
    Mounted {
        /// The path.
        path: SandboxPath,
        /// The folder of the session.
        mount: SandboxPath,
    },
    /// Nothing is there.
    #[error("{path} does not exist")]
    NotFound {
        /// The path.
        path: SandboxPath,
    },
    /// Something is there already.
    #[error("{path} exists already")]
    Exists {
        /// The path.
        path: SandboxPath,
    },
    /// It is of another kind than the call is for. Pipes, sockets and devices are never opened.
    #[error("{path} is {kind}, and {wanted} was expected")]
    WrongKind {
        /// The path.
        path: SandboxPath,
        /// What it is.
        kind: Kind,
        /// What was expected.
        wanted: Kind,
    },
    /// The file has a second name, a hard link, which may lie outside of the session's folders; so
    /// it is not written to in its place.
    #[error("{path} has another name elsewhere, so it is not appended to: replace it")]
    SeveralNames {
        /// The path.
        path: SandboxPath,
    },
    /// The system refused. What a call on a whole tree did before stays done.
    #[error("{call} {path}: {source}")]
    Io {
        /// What was tried.
        call: &'static str,
        /// With what.
        path: SandboxPath,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// What the system's answer to a call means.
    pub(super) fn io(call: &'static str, path: &SandboxPath) -> impl FnOnce(io::Error) -> Self {
        let path = path.clone();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Io { call, path, source },
        }
    }
}

fn listed(mounts: &[SandboxPath]) -> String {
    if mounts.is_empty() {
        return "it has none".into();
    }
    let names: Vec<_> = mounts.iter().map(ToString::to_string).collect();
    format!("it has {}", names.join(", "))
}
