//! Absolute, normalised paths: the only kind a policy holds.
//!
//! A relative path would mean something else in another directory, and `a/../b` something else
//! once `a` is a symbolic link, so neither is repaired in silence: the constructor refuses them
//! and says what to write instead. Symbolic links are resolved later, on the host, by
//! [`resolve`](crate::resolve).

pub(crate) mod lossless;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An absolute path without `.`, `..`, doubled or trailing slashes and without NUL.
///
/// ```
/// use sandbox_core::SandboxPath;
/// assert!(SandboxPath::new("/usr/lib").is_ok());
/// let error = SandboxPath::new("/usr/../etc").unwrap_err().to_string();
/// assert!(error.contains("write \"/etc\""), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxPath(PathBuf);

/// Why a text is no [`SandboxPath`], and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path is empty.
    #[error("the path is empty: write an absolute path such as \"/srv/data\"")]
    Empty,
    /// The path does not start at the root.
    #[error("{path:?} is relative: write an absolute path, as in {:?}", Path::new("/…").join(.path))]
    Relative {
        /// The path as it was written.
        path: PathBuf,
    },
    /// The path starts with `~`, which only a shell expands.
    #[error("{path:?} starts with ~, which is not expanded here: write the home directory out")]
    Tilde {
        /// The path as it was written.
        path: PathBuf,
    },
    /// The path has `.`, `..`, doubled or trailing slashes.
    #[error("{path:?} is not normalised: write {normal:?}")]
    NotNormal {
        /// The path as it was written.
        path: PathBuf,
        /// The same path, normalised by its text alone.
        normal: PathBuf,
    },
    /// The path holds a NUL byte, which no system call can carry.
    #[error("{path:?} holds a NUL byte: no file can have that name")]
    Nul {
        /// The path as it was written.
        path: PathBuf,
    },
}

impl SandboxPath {
    /// Checks and takes a path.
    ///
    /// # Errors
    /// [`PathError`], with the text to write instead.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let bytes = path.as_os_str().as_encoded_bytes();
        let owned = || path.to_path_buf();
        if bytes.is_empty() {
            return Err(PathError::Empty);
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul { path: owned() });
        }
        if bytes.starts_with(b"~") {
            return Err(PathError::Tilde { path: owned() });
        }
        if !path.is_absolute() {
            return Err(PathError::Relative { path: owned() });
        }
        let normal = normalise(path);
        if normal.as_os_str() != path.as_os_str() {
            return Err(PathError::NotNormal { path: owned(), normal });
        }
        Ok(Self(normal))
    }

    /// Makes a path absolute against `base` and normalises it by its text, for paths that a person
    /// typed on a command line, where the shell's current directory is what they mean.
    ///
    /// # Errors
    /// [`PathError::Empty`], [`PathError::Tilde`] and [`PathError::Nul`]; [`PathError::Relative`] if
    /// `base` is relative.
    pub fn from_user(path: impl AsRef<Path>, base: &Path) -> Result<Self, PathError> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return Err(PathError::Empty);
        }
        if path.as_os_str().as_encoded_bytes().starts_with(b"~") {
            return Err(PathError::Tilde { path: path.to_path_buf() });
        }
        let joined = base.join(path);
        if !joined.is_absolute() {
            return Err(PathError::Relative { path: path.to_path_buf() });
        }
        Self::new(normalise(&joined))
    }

    /// The path as the standard library's type.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// How many names lie between the root and this path: `/` has 0.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.components().count() - 1
    }

    /// Appends relative names.
    ///
    /// # Errors
    /// As [`SandboxPath::new`].
    pub fn join(&self, tail: impl AsRef<Path>) -> Result<Self, PathError> {
        Self::new(self.0.join(tail))
    }
}

/// Drops `.`, resolves `..` by text and collapses slashes.
fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

impl AsRef<Path> for SandboxPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<OsStr> for SandboxPath {
    fn as_ref(&self) -> &OsStr {
        self.0.as_os_str()
    }
}

impl From<SandboxPath> for PathBuf {
    fn from(path: SandboxPath) -> Self {
        path.0
    }
}

impl fmt::Display for SandboxPath {
    /// Quoted where the name could be mistaken for something else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", quoted(&self.0))
    }
}

/// Shows a name plainly, or as a quoted and escaped text when it holds anything that a terminal
/// would act upon or not show: control characters, escape sequences, bidirectional and invisible
/// marks, bytes that are not UTF-8. Blanks, quotes and backslashes are quoted, too.
///
/// # Security
/// Every message that repeats a payload's name goes through this.
pub fn quoted(name: impl AsRef<OsStr>) -> String {
    let name = name.as_ref();
    match name.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        _ => format!("{name:?}"),
    }
}

/// Whether a character shows as itself: the standard library escapes all others.
fn plain(c: char) -> bool {
    c != ' ' && c.escape_debug().len() == 1
}

impl Serialize for SandboxPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SandboxPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SandboxPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SandboxPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An absolute, normalised path.",
            "pattern": "^/([^/\\u0000]+(/[^/\\u0000]+)*)?$",
        })
    }
}

#[cfg(test)]
mod tests;
