//! From rules to what they mean on this host, and which of them must not be believed.
//!
//! # Security
//! A rule is written once and used many times, and between two runs the first command may have
//! changed what the rule's path means. So a grant does not follow a symbolic link that lies where a
//! command of the same policy can make links, does not lead from an innocent name into a hidden
//! place, and never leads into what the kernel shows of itself. Rules that hide are followed
//! wherever they lead: they only take away. A grant that a preset made and that falls under this is
//! left out; one that was written out is an error, because leaving it out would not be what was
//! asked for.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Result, SandboxError};
use crate::path::SandboxPath;
use crate::policy::filesystem::{FilesystemError, Grant, Rights, is_kernel_interface};
use crate::policy::{Policy, PolicyError};
use crate::resolve::{Kind, Lookup, Resolved, resolve};

/// A rule and where it leads.
pub(super) struct Rule {
    pub(super) path: SandboxPath,
    pub(super) found: Resolved,
    pub(super) grant: Grant,
}

/// Every rule whose path exists or is hidden, looked up and judged; commands can also make links in
/// the folders of `open`.
pub(super) fn look_up(policy: &Policy, open: &[&Path], files: &dyn Lookup) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (path, grant) in policy.filesystem().rules() {
        let hides = grant.rights.is_empty();
        let found = match resolve(files, path.as_path()) {
            Ok(found) => found,
            Err(error) if hides => hide_unreachable(path.as_path(), &error, files),
            Err(_) if grant.optional => continue,
            Err(source) => return Err(missing(path, source)),
        };
        match found.kind {
            None if !hides && grant.optional => {}
            None if !hides => return Err(missing(path, io::ErrorKind::NotFound.into())),
            _ => rules.push(Rule { path: path.clone(), found, grant }),
        }
    }
    let suspicions: Vec<_> = rules.iter().map(|rule| suspicion(rule, &rules, open)).collect();
    let mut kept = Vec::with_capacity(rules.len());
    for (rule, suspicion) in rules.into_iter().zip(suspicions) {
        match suspicion {
            None => kept.push(rule),
            Some(_) if rule.grant.optional => {}
            Some(error) => return Err(PolicyError::from(error).into()),
        }
    }
    Ok(kept)
}

fn missing(path: &SandboxPath, source: io::Error) -> SandboxError {
    SandboxError::MissingPath { path: path.clone().into(), source }
}

/// A hidden path that cannot even be looked up. Where a directory on the way is closed to us, its
/// owner can open it again: it is hidden as a whole. Elsewhere nothing can be there.
fn hide_unreachable(path: &Path, error: &io::Error, files: &dyn Lookup) -> Resolved {
    let nothing = Resolved { path: path.to_path_buf(), kind: None, links: BTreeMap::new() };
    if error.kind() != io::ErrorKind::PermissionDenied {
        return nothing;
    }
    let reachable = path.ancestors().skip(1).filter_map(|around| resolve(files, around).ok());
    reachable.into_iter().find(|around| around.kind.is_some()).unwrap_or(nothing)
}

/// Why a grant must not be believed, if so.
fn suspicion(rule: &Rule, all: &[Rule], open: &[&Path]) -> Option<FilesystemError> {
    if rule.grant.rights.is_empty() {
        return None;
    }
    let (path, found) = (&rule.path, &rule.found);
    if is_kernel_interface(&found.path) {
        return Some(FilesystemError::KernelInterface { path: path.clone() });
    }
    if let Some(error) = planted(path, found, all, open) {
        return Some(error);
    }
    let around = innermost(all, &found.path, Some(path))?;
    let named = |hidden: &Path| path.as_path().starts_with(hidden);
    let meant = named(around.path.as_path()) || named(&around.found.path);
    (around.grant.rights.is_empty() && !meant).then(|| FilesystemError::LeadsToHidden {
        path: path.clone(),
        target: found.path.clone(),
        hidden: around.path.clone(),
    })
}

/// Refuses a path that crosses a link which a command of this policy could have made.
pub(super) fn planted(
    path: &SandboxPath,
    found: &Resolved,
    all: &[Rule],
    open: &[&Path],
) -> Option<FilesystemError> {
    let writable = |link: &&PathBuf| {
        let rule = innermost(all, link, None);
        let closed = |open: &Path| {
            let narrower = |it: &&Rule| it.found.path != open && it.found.path.starts_with(open);
            rule.filter(narrower).is_some_and(|it| !it.grant.rights.contains(Rights::CREATE))
        };
        rule.is_some_and(|rule| rule.grant.rights.contains(Rights::CREATE))
            || open.iter().any(|open| link.starts_with(open) && !closed(open))
    };
    let link = found.links.keys().find(writable)?;
    Some(FilesystemError::PlantedLink { path: path.clone(), link: link.clone() })
}

/// The innermost rule around a resolved path; not the one of the given name.
fn innermost<'a>(all: &'a [Rule], path: &Path, but: Option<&SandboxPath>) -> Option<&'a Rule> {
    let around = all.iter().filter(|rule| {
        rule.found.kind.is_some() && path.starts_with(&rule.found.path) && but != Some(&rule.path)
    });
    around.max_by_key(|rule| rule.found.path.components().count())
}

/// What one resolved path is and grants.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) kind: Kind,
    pub(super) grant: Grant,
}

/// The rules by what they lead to; two that lead to the same are one.
pub(super) fn merge(rules: &[Rule]) -> BTreeMap<PathBuf, Meaning> {
    let mut merged: BTreeMap<PathBuf, Meaning> = BTreeMap::new();
    for rule in rules {
        let Some(kind) = rule.found.kind else { continue };
        let meaning = Meaning { kind, grant: rule.grant };
        let kept = merged.entry(rule.found.path.clone()).or_insert(meaning);
        kept.grant = kept.grant.meet(rule.grant);
    }
    merged
}
