//! From judged rules to places: without duplicates, parents first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::rules::{self, Meaning, Rule};
use super::{Content, Layers, Place};
use crate::error::{Result, SandboxError};
use crate::path::SandboxPath;
use crate::policy::filesystem::{Private, Rights, is_kernel_interface};
use crate::policy::{Policy, PolicyError};
use crate::resolve::{Kind, Lookup, Resolved, resolve};
use crate::size::ByteSize;

pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
    pub(super) absent: Vec<PathBuf>,
    /// Of mounts: the layers over a place, and the sizes of places in memory.
    pub(super) layers: BTreeMap<PathBuf, Layers>,
    pub(super) sizes: BTreeMap<PathBuf, Option<ByteSize>>,
}

/// Looks every rule up and drops what changes nothing.
pub(super) fn lay_out(policy: &Policy, open: &[&Path], files: &dyn Lookup) -> Result<Layout> {
    let rules = rules::look_up(policy, open, files)?;
    let merged = rules::merge(&rules);
    let mut links = BTreeMap::new();
    let mut absent = Vec::new();
    for rule in &rules {
        match rule.found.kind {
            None => absent.push(rule.found.path.clone()),
            Some(_) => links.extend(rule.found.links.clone()),
        }
    }
    let mut named: BTreeMap<PathBuf, Place> =
        merged.iter().map(|(path, meaning)| (path.clone(), host_place(path, *meaning))).collect();
    for (path, when) in policy.filesystem().private_places() {
        if let Some(found) = private_place((path, when), &rules, open, &merged, files)? {
            links.extend(found.links);
            let path = found.path;
            let (content, rights) = (Content::Private, Rights::READ_WRITE);
            let place =
                Place { path: path.clone(), directory: true, content, source: None, rights };
            named.entry(path).or_insert(place);
        }
    }
    let places = without_redundant(named);
    links.retain(|link, _| enclosing(&places, link).is_none_or(|p| p.content != Content::Host));
    absent.retain(|path| {
        let around = enclosing(&places, path);
        around.is_some_and(|p| p.content == Content::Host && p.rights.contains(Rights::CREATE))
    });
    Ok(Layout { places, links, absent, layers: BTreeMap::new(), sizes: BTreeMap::new() })
}

fn host_place(path: &Path, meaning: Meaning) -> Place {
    let rights = meaning.grant.rights;
    Place {
        path: path.to_path_buf(),
        directory: meaning.kind == Kind::Directory,
        content: if rights.is_empty() { Content::Hidden } else { Content::Host },
        source: None,
        rights,
    }
}

/// Where a directory of the command's own comes to lie, unless a rule stands in its place.
fn private_place(
    (path, when): (&SandboxPath, Private),
    rules: &[Rule],
    open: &[&Path],
    merged: &BTreeMap<PathBuf, Meaning>,
    files: &dyn Lookup,
) -> Result<Option<Resolved>> {
    let found = match resolve(files, path.as_path()) {
        Ok(found) => found,
        // A home directory that is closed to its own user needs no cover.
        Err(_) if when == Private::UnlessCovered => return Ok(None),
        Err(source) => {
            let call = format!("looking up the private directory {path}");
            return Err(SandboxError::io(call)(source));
        }
    };
    let covered = match when {
        Private::Always => merged.contains_key(&found.path),
        Private::UnlessCovered => merged.keys().any(|rule| found.path.starts_with(rule)),
    };
    if covered || (is_kernel_interface(&found.path) && when == Private::UnlessCovered) {
        return Ok(None);
    }
    if let Some(error) = rules::planted(path, &found, rules, open) {
        return Err(PolicyError::from(error).into());
    }
    let wrong = |why: &str| {
        Err(SandboxError::InvalidRequest(format!("the private directory {path} {why}")))
    };
    let around = merged.iter().rev().find(|(rule, _)| found.path.starts_with(rule));
    let host = around.map(|(_, around)| around.grant.rights).filter(|rights| !rights.is_empty());
    match (found.kind, host) {
        (Some(Kind::Directory), _) | (None, None) => Ok(Some(found)),
        (None, Some(rights)) if rights.contains(Rights::CREATE) => {
            wrong("does not exist inside of a writable folder: make it first")
        }
        // Nothing is there, and nothing can be made there.
        (None, Some(_)) => Ok(None),
        _ => wrong("is a file: name a directory"),
    }
}

/// Drops a place that its surroundings already give, and a hidden one where nothing is shown.
fn without_redundant(named: BTreeMap<PathBuf, Place>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(named.len());
    for place in named.into_values() {
        let around = enclosing(&places, &place.path);
        let redundant = match (place.content, around) {
            (Content::Hidden, None) => true,
            (Content::Hidden, Some(around)) => around.content != Content::Host,
            (Content::Host, Some(around)) => {
                around.content == Content::Host && around.rights == place.rights
            }
            _ => false,
        };
        if !redundant {
            places.push(place);
        }
    }
    places
}

/// The innermost place around a path. Places are sorted, so the last match is the innermost.
pub(super) fn enclosing<'a>(places: &'a [Place], path: &Path) -> Option<&'a Place> {
    places.iter().rev().find(|place| path.starts_with(&place.path))
}
