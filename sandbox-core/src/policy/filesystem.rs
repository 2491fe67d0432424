//! Which files a command may touch, and how.
//!
//! A rule grants [`Rights`] on a path and all below it. The most specific rule wins: for
//! `/a/b/c` a rule on `/a/b` decides over one on `/a`. When two rules name the same path, only
//! what both grant is granted, so hidden beats read-only beats read-write; but a preset's grant gives
//! way to one that was written out. What no rule covers does not exist for the command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bitflags::bitflags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::{SandboxPath, quoted};

bitflags! {
    /// What may be done with a path and all below it. No right at all means that it is hidden.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Rights: u8 {
        /// Read the content of files.
        const READ = 1;
        /// List directories and look names up.
        const LIST = 2;
        /// Change the content of files that exist.
        const WRITE = 4;
        /// Make new files and directories.
        const CREATE = 8;
        /// Remove and rename files and directories.
        const DELETE = 16;
        /// Execute files as programs.
        const EXECUTE = 32;
        /// Read, list and execute.
        const READ_ONLY = 1 | 2 | 32;
        /// Everything.
        const READ_WRITE = 63;
        /// The rights that change something.
        const CHANGES = 4 | 8 | 16;
    }
}

/// The name of one right, as policy files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read the content of files.
    Read,
    /// List directories and look names up.
    List,
    /// Change the content of files that exist.
    Write,
    /// Make new files and directories.
    Create,
    /// Remove and rename files and directories.
    Delete,
    /// Execute files as programs.
    Execute,
}

impl From<Right> for Rights {
    fn from(right: Right) -> Self {
        match right {
            Right::Read => Self::READ,
            Right::List => Self::LIST,
            Right::Write => Self::WRITE,
            Right::Create => Self::CREATE,
            Right::Delete => Self::DELETE,
            Right::Execute => Self::EXECUTE,
        }
    }
}

impl Rights {
    /// The rights as a policy's reader knows them: `hidden`, `read_only`, `read_write` or the list.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            r if r.is_empty() => "hidden".into(),
            r if r == Self::READ_ONLY => "read_only".into(),
            r if r == Self::READ_WRITE => "read_write".into(),
            r => r.iter_names().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>().join("+"),
        }
    }
}

impl FromStr for Rights {
    type Err = UnknownRights;

    /// Reads what [`Rights::name`] writes.
    fn from_str(name: &str) -> Result<Self, UnknownRights> {
        match name {
            "hidden" => Ok(Self::empty()),
            "read_only" => Ok(Self::READ_ONLY),
            "read_write" => Ok(Self::READ_WRITE),
            list => list.split('+').try_fold(Self::empty(), |rights, one| {
                let right = Self::from_name(&one.to_uppercase());
                right.map(|right| rights | right).ok_or_else(|| UnknownRights(name.into()))
            }),
        }
    }
}

/// A text that names no rights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no rights: write \"read_only\", \"read_write\", \"hidden\" or \"read+list\"")]
pub struct UnknownRights(String);

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Rights {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// What one rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grant {
    /// What may be done.
    pub rights: Rights,
    /// Whether the path may be missing: presets name folders that not every machine has.
    pub optional: bool,
}

impl Grant {
    /// Two rules for one path: only what both grant. But what a preset grants in case the path
    /// exists gives way to a grant that was meant for it; what hides gives way to nothing.
    pub(crate) fn meet(self, other: Self) -> Self {
        match (self.optional, other.optional) {
            _ if self.rights.is_empty() || other.rights.is_empty() => {
                Self { rights: Rights::empty(), optional: true }
            }
            (true, false) => other,
            (false, true) => self,
            _ => Self { rights: self.rights & other.rights, ..self },
        }
    }
}

/// When a directory of the command's own appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Private {
    /// Always, unless a rule names the very same path.
    Always,
    /// Only where no rule covers the path.
    UnlessCovered,
}

/// The filesystem rules of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemPolicy {
    rules: BTreeMap<SandboxPath, Grant>,
    private: BTreeMap<SandboxPath, Private>,
}

/// Two rules that cannot both be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilesystemError {
    /// The same path stands in two lists.
    #[error(
        "{path} stands in both {first} and {second}: keep one of them (the stricter one would win)"
    )]
    Contradiction {
        /// The path.
        path: SandboxPath,
        /// The list that names it first.
        first: String,
        /// The list that names it again.
        second: String,
    },
    /// A rule grants nothing.
    #[error("the rule for {path} grants no right: to hide it, list it under \"hidden\"")]
    NoRights {
        /// The path.
        path: SandboxPath,
    },
    /// A grant by way of a link that a command could have made.
    #[error(
        "{path} crosses the symbolic link {}, which a command of this policy could have made: \
         name the link's target", quoted(.link)
    )]
    PlantedLink {
        /// The path.
        path: SandboxPath,
        /// The link.
        link: PathBuf,
    },
    /// A grant by way of a link into a hidden place.
    #[error(
        "{path} leads to {}, inside of {hidden}, which is hidden: name the target itself, or leave \
         it out", quoted(.target)
    )]
    LeadsToHidden {
        /// The path.
        path: SandboxPath,
        /// Where it leads.
        target: PathBuf,
        /// The hidden place.
        hidden: SandboxPath,
    },
    /// A rule for something that the kernel makes up.
    #[error(
        "{path} lies in what the kernel shows in /proc, /sys and /dev: every sandbox gets its own, \
         so a rule for it would not mean the host's: leave it out"
    )]
    KernelInterface {
        /// The path.
        path: SandboxPath,
    },
}

/// Whether a path lies where the kernel shows itself, not files. Every backend builds these places
/// anew; a rule inside of them would grant the host's.
#[must_use]
pub fn is_kernel_interface(path: &Path) -> bool {
    ["/proc", "/sys", "/dev"].iter().any(|place| path.starts_with(place))
}

impl FilesystemPolicy {
    /// Adds a rule for a path that must exist when a command starts, unless it is hidden.
    pub fn add(&mut self, path: SandboxPath, rights: Rights) {
        self.insert(path, Grant { rights, optional: rights.is_empty() });
    }

    /// Adds a rule that is left out where the path is missing.
    pub fn add_optional(&mut self, path: SandboxPath, rights: Rights) {
        self.insert(path, Grant { rights, optional: true });
    }

    fn insert(&mut self, path: SandboxPath, grant: Grant) {
        let kept = self.rules.entry(path).or_insert(grant);
        *kept = kept.meet(grant);
    }

    /// Refuses rules that no backend could keep.
    pub(crate) fn check(&self) -> Result<(), FilesystemError> {
        let mut named = self.rules.keys().chain(self.private.keys());
        match named.find(|path| is_kernel_interface(path.as_path())) {
            Some(path) => Err(FilesystemError::KernelInterface { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// Adds an empty directory of the command's own.
    pub fn add_private(&mut self, path: SandboxPath) {
        self.private.insert(path, Private::Always);
    }

    /// Adds an empty directory of the command's own for a path that no rule covers.
    pub fn add_private_unless_covered(&mut self, path: SandboxPath) {
        self.private.entry(path).or_insert(Private::UnlessCovered);
    }

    /// The rules, parents before children.
    pub fn rules(&self) -> impl Iterator<Item = (&SandboxPath, Grant)> {
        self.rules.iter().map(|(path, grant)| (path, *grant))
    }

    /// The directories that are the command's own.
    pub fn private_places(&self) -> impl Iterator<Item = (&SandboxPath, Private)> {
        self.private.iter().map(|(path, &when)| (path, when))
    }

    /// The rule that decides about `path`, judged by its text: the caller resolves symbolic links
    /// first.
    #[must_use]
    pub fn decide(&self, path: &Path) -> Option<(&SandboxPath, Grant)> {
        let rule = |ancestor: &Path| {
            let key = SandboxPath::new(ancestor).ok()?;
            self.rules.get_key_value(&key).map(|(path, grant)| (path, *grant))
        };
        path.ancestors().find_map(rule)
    }
}

#[cfg(test)]
mod tests;
