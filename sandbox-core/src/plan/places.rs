//! From filesystem rules to places: resolved, without duplicates, parents first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Content, Place};
use crate::error::{Result, SandboxError};
use crate::policy::Policy;
use crate::policy::filesystem::{Private, Rights};
use crate::resolve::{Kind, Lookup, Resolved, resolve};

pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
    pub(super) absent: Vec<PathBuf>,
}

/// Resolves every rule and drops what changes nothing.
pub(super) fn lay_out(policy: &Policy, files: &dyn Lookup) -> Result<Layout> {
    let mut named: BTreeMap<PathBuf, Place> = BTreeMap::new();
    let mut links = BTreeMap::new();
    let mut absent = Vec::new();
    for (path, grant) in policy.filesystem().rules() {
        let missing = |source| SandboxError::MissingPath { path: path.clone().into(), source };
        let found = match resolve(files, path.as_path()) {
            Ok(found) => found,
            Err(_) if grant.optional && !grant.rights.is_empty() => continue,
            Err(error) if grant.rights.is_empty() => hide_unreachable(path.as_path(), &error),
            Err(error) => return Err(missing(error)),
        };
        match found.kind {
            None if grant.rights.is_empty() => absent.push(found.path),
            None if grant.optional => {}
            None => return Err(missing(std::io::ErrorKind::NotFound.into())),
            Some(kind) => {
                links.extend(found.links);
                insert(&mut named, found.path, kind, grant.rights);
            }
        }
    }
    add_private(policy, files, &mut named, &mut links)?;
    let places = without_redundant(named);
    links.retain(|link, _| enclosing(&places, link).is_none_or(|p| p.content != Content::Host));
    absent.retain(|path| {
        let around = enclosing(&places, path);
        around.is_some_and(|p| p.content == Content::Host && p.rights.contains(Rights::CREATE))
    });
    Ok(Layout { places, links, absent })
}

/// A hidden path that cannot even be looked up (a parent is closed to us) is hidden by its text.
fn hide_unreachable(path: &Path, _: &std::io::Error) -> Resolved {
    Resolved { path: path.to_path_buf(), kind: None, links: BTreeMap::new() }
}

/// Two rules for one resolved path: only what both grant.
fn insert(named: &mut BTreeMap<PathBuf, Place>, path: PathBuf, kind: Kind, rights: Rights) {
    let directory = kind == Kind::Directory;
    let place = named.entry(path.clone()).or_insert(Place {
        path,
        directory,
        content: Content::Host,
        rights,
    });
    place.rights &= rights;
    if place.rights.is_empty() {
        place.content = Content::Hidden;
    }
}

fn add_private(
    policy: &Policy,
    files: &dyn Lookup,
    named: &mut BTreeMap<PathBuf, Place>,
    links: &mut BTreeMap<PathBuf, PathBuf>,
) -> Result<()> {
    let rules: Vec<PathBuf> = named.keys().cloned().collect();
    for (path, when) in policy.filesystem().private_places() {
        let call = || format!("looking up the private directory {path}");
        let found = resolve(files, path.as_path()).map_err(|e| SandboxError::io(call())(e))?;
        let covered = rules.iter().any(|rule| match when {
            Private::Always => *rule == found.path,
            Private::UnlessCovered => found.path.starts_with(rule),
        });
        if covered {
            continue;
        }
        links.extend(found.links);
        named.entry(found.path.clone()).or_insert(Place {
            path: found.path,
            directory: true,
            content: Content::Private,
            rights: Rights::READ_WRITE,
        });
    }
    Ok(())
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
