//! The policy file: TOML or JSON, one shape for both.
//!
//! Every leaf is a checked type, so a wrong value is refused where it stands, with line and column.
//! What needs two values to be wrong (the same path in two lists) is found afterwards and located
//! by its text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::filesystem::{FilesystemError, Right, Rights, is_kernel_interface};
use super::limits::ResourceLimits;
use super::network::NetworkPolicy;
use super::{EnforcementLevel, Policy, PolicyBuilder, PolicyError, SyscallProfile};
use crate::path::SandboxPath;

/// A preset, by the name that files and the command line give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// See [`Policy::read_only`].
    ReadOnly,
    /// See [`Policy::workspace`].
    Workspace,
    /// See [`Policy::developer`].
    Developer,
}

/// What a policy file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyFile {
    /// The preset to start from. Default: `read_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The folder that commands work in; required by the presets `workspace` and `developer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<SandboxPath>,
    /// What happens when something cannot be enforced. Default: `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<EnforcementLevel>,
    /// Filesystem rules beside the preset's.
    pub filesystem: FilesystemSection,
    /// Environment rules beside the preset's.
    pub environment: EnvironmentSection,
    /// The network policy. Default: nothing can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkPolicy>,
    /// What concerns the process itself.
    pub process: ProcessSection,
    /// Limits. Default: none.
    pub limits: ResourceLimits,
}

/// The section `filesystem` of a policy file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FilesystemSection {
    /// Readable, listable and executable, with all below.
    pub read_only: Vec<SandboxPath>,
    /// Readable and changeable, with all below.
    pub read_write: Vec<SandboxPath>,
    /// Not visible, with all below, whatever a wider rule grants.
    pub hidden: Vec<SandboxPath>,
    /// Empty directories of the command's own.
    pub private: Vec<SandboxPath>,
    /// Rules with chosen rights.
    pub rules: Vec<RuleEntry>,
}

/// One rule with chosen rights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// The path, with all below it.
    pub path: SandboxPath,
    /// What may be done.
    pub rights: Vec<Right>,
}

/// The section `environment` of a policy file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvironmentSection {
    /// Names and patterns (`LC_*`) of the caller's variables that are passed on.
    pub pass: Vec<String>,
    /// Variables with their values.
    pub set: BTreeMap<String, String>,
}

/// The section `process` of a policy file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProcessSection {
    /// The system-call profile. Default: `default`.
    pub syscalls: SyscallProfile,
}

/// What is wrong in a policy file, and where.
#[derive(Debug)]
#[non_exhaustive]
pub struct PolicyFileError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for PolicyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", crate::path::quoted(&self.file))?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PolicyFileError {}

impl PolicyFile {
    /// Reads a policy file; a name that ends in `.json` means JSON, every other TOML.
    ///
    /// # Errors
    /// [`PolicyFileError`] with file, line, column, reason and remedy.
    pub fn load(path: &Path) -> Result<PolicyBuilder, PolicyError> {
        let read = |error: std::io::Error| PolicyFileError {
            file: path.to_path_buf(),
            position: None,
            message: format!("the policy file cannot be read: {error}"),
        };
        let text = std::fs::read_to_string(path).map_err(|error| Box::new(read(error)))?;
        Self::parse(&text, path).map_err(Box::new)?.into_builder(&text, path)
    }

    /// Parses a policy file's text; `path` tells the format and is named in errors.
    ///
    /// # Errors
    /// As [`PolicyFile::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyFileError> {
        let file = path.to_path_buf();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return serde_json::from_str(text).map_err(|error| PolicyFileError {
                file,
                position: Some((error.line(), error.column())),
                message: bare_message(&error),
            });
        }
        toml::from_str(text).map_err(|error| PolicyFileError {
            file,
            position: error.span().map(|span| position(text, narrow(text, span, error.message()))),
            message: error.message().to_owned(),
        })
    }

    /// Makes a builder of the preset and the file's own rules.
    ///
    /// # Errors
    /// [`PolicyError`]; contradictions carry their position in `text`.
    pub fn into_builder(self, text: &str, path: &Path) -> Result<PolicyBuilder, PolicyError> {
        let located = |error: &dyn fmt::Display, name: &str| {
            PolicyError::File(Box::new(PolicyFileError {
                file: path.to_path_buf(),
                position: locate(text, name),
                message: error.to_string(),
            }))
        };
        if let Err((error, name)) = self.filesystem.check() {
            return Err(located(&error, name.as_path().to_str().unwrap_or_default()));
        }
        let mut builder = self.base(path)?;
        let section = self.filesystem;
        for (path, rights) in section.grants() {
            builder.filesystem.add(path.clone(), rights);
        }
        for path in section.private {
            builder.filesystem.add_private(path);
        }
        for name in &self.environment.pass {
            builder.environment.pass(name).map_err(|error| located(&error, name))?;
        }
        for (name, value) in self.environment.set {
            builder.environment.set(&name, value).map_err(|error| located(&error, &name))?;
        }
        builder.network = self.network.unwrap_or_default();
        builder.syscalls = self.process.syscalls;
        builder.limits = self.limits;
        builder.enforcement = self.enforcement.unwrap_or_default();
        Ok(builder)
    }

    /// The preset that the file starts from.
    fn base(&self, path: &Path) -> Result<PolicyBuilder, PolicyError> {
        let preset = self.preset.unwrap_or(Preset::ReadOnly);
        match (preset, &self.workspace) {
            (Preset::ReadOnly, None) => Ok(Policy::read_only()),
            (Preset::Workspace, Some(folder)) => Policy::workspace(folder),
            (Preset::Developer, Some(folder)) => Policy::developer(folder),
            (Preset::ReadOnly, Some(_)) => {
                Err(file_error(path, "\"workspace\" needs preset = \"workspace\" or \"developer\""))
            }
            (Preset::Workspace | Preset::Developer, None) => Err(file_error(
                path,
                "the preset needs a folder: add workspace = \"/path/to/folder\"",
            )),
        }
    }

    /// The JSON Schema of policy files.
    #[must_use]
    pub fn schema() -> Schema {
        schemars::schema_for!(Self)
    }
}

impl FilesystemSection {
    /// Every rule of the section, list by list.
    fn grants(&self) -> impl Iterator<Item = (&SandboxPath, Rights)> {
        let read_only = self.read_only.iter().map(|path| (path, Rights::READ_ONLY));
        let read_write = self.read_write.iter().map(|path| (path, Rights::READ_WRITE));
        let hidden = self.hidden.iter().map(|path| (path, Rights::empty()));
        let rules = self.rules.iter().map(|rule| {
            (&rule.path, rule.rights.iter().fold(Rights::empty(), |all, &one| all | one.into()))
        });
        read_only.chain(read_write).chain(hidden).chain(rules)
    }

    /// Finds a path that two lists name, and a rule without rights.
    fn check(&self) -> Result<(), (FilesystemError, SandboxPath)> {
        if let Some(rule) = self.rules.iter().find(|rule| rule.rights.is_empty()) {
            let path = rule.path.clone();
            return Err((FilesystemError::NoRights { path: path.clone() }, path));
        }
        let mut named = self.grants().map(|(path, _)| path).chain(&self.private);
        if let Some(path) = named.find(|path| is_kernel_interface(path.as_path())).cloned() {
            return Err((FilesystemError::KernelInterface { path: path.clone() }, path));
        }
        let private = self.private.iter().map(|path| (path, "private".to_owned()));
        let named = self.grants().map(|(path, rights)| (path, rights.name()));
        let mut seen: BTreeMap<&SandboxPath, String> = BTreeMap::new();
        for (path, list) in named.chain(private) {
            match seen.get(path) {
                Some(first) if *first != list => {
                    let (first, second) = (first.clone(), list);
                    let error =
                        FilesystemError::Contradiction { path: path.clone(), first, second };
                    return Err((error, path.clone()));
                }
                _ => {
                    seen.insert(path, list);
                }
            }
        }
        Ok(())
    }
}

fn file_error(path: &Path, message: &str) -> PolicyError {
    PolicyError::File(Box::new(PolicyFileError {
        file: path.to_path_buf(),
        position: None,
        message: message.into(),
    }))
}

/// Line and column, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Where in a span the value stands that a message quotes first: the parser gives the place of a
/// whole list for a wrong value in it.
fn narrow(text: &str, span: std::ops::Range<usize>, message: &str) -> usize {
    let quoted = message.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let inside = text.get(span.clone()).zip(quoted).and_then(|(inside, (value, _))| {
        let forms = [format!("\"{value}\""), format!("'{value}'")];
        forms.iter().filter_map(|form| inside.find(form.as_str())).min()
    });
    span.start + inside.unwrap_or(0)
}

/// Where a name stands last in the file, as a quoted string or as a key.
fn locate(text: &str, name: &str) -> Option<(usize, usize)> {
    let forms = [format!("\"{name}\""), format!("'{name}'"), format!("\n{name} ")];
    let found = forms.iter().filter_map(|form| Some((text.rfind(form.as_str())?, form)));
    let (at, form) = found.max()?;
    Some(position(text, if form.starts_with('\n') { at + 1 } else { at }))
}

/// serde_json's message without the position that it appends.
fn bare_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
mod tests;
