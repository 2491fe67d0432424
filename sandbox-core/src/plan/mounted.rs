//! Mounts of a session in a plan: folders of the host, or of the session, under other paths.
//!
//! A mount is laid over the places of the policy. What the policy says of paths below a mount's
//! source goes along to the target, so that a file that is hidden at home is hidden under every name
//! that a mount gives it. What lay at the target before is gone.
//!
//! Commands of a session are looked up in what earlier commands have left: [`Inside`] translates a
//! path of the sandbox to where its content lies on the host.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::places::Layout;
use super::rules::{self, Meaning};
use super::{Content, Place, Plan};
use crate::error::{Result, SandboxError};
use crate::path::{SandboxPath, quoted};
use crate::policy::Policy;
use crate::policy::filesystem::{Rights, is_kernel_interface};
use crate::resolve::{Kind, Lookup, resolve};
use crate::size::ByteSize;

/// What appears at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// A file or folder of the host.
    Host {
        /// The host's path, without links: [`sources`](super::sources()) finds it.
        source: PathBuf,
        /// What may be done with it.
        rights: Rights,
    },
    /// A folder of the session's own, of which no policy speaks.
    Own {
        /// The host's path.
        source: PathBuf,
    },
    /// A folder of the host below layers of the session, which take every change.
    Layered {
        /// The host's path, without links: [`sources`](super::sources()) finds it.
        source: PathBuf,
        /// What lies over it.
        layers: Layers,
    },
    /// An empty folder in memory.
    Memory {
        /// The most that it holds.
        size: Option<ByteSize>,
    },
}

/// Where the changes of a copied folder lie: folders of the session on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The folder below which all of them lie.
    pub root: PathBuf,
    /// Complete layers, the uppermost first.
    pub frozen: Vec<PathBuf>,
    /// The layer that is written to.
    pub upper: PathBuf,
    /// What the system needs beside it, in the same file system.
    pub work: PathBuf,
}

/// A mount as a plan takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub target: SandboxPath,
    /// What.
    pub shown: Shown,
}

impl Plan {
    /// The plan of a session with the same policy and the same mounts, but folders and layers of its
    /// own: nothing else of it changes, so nothing else is looked up again. `None` where the two differ
    /// in more, where this plan shows other folders than `ours`, or where a source is not what it was.
    pub(crate) fn with_folders_of(
        &self,
        ours: &[Mounted],
        theirs: &[Mounted],
        files: &dyn Lookup,
    ) -> Option<Self> {
        let mut plan = self.clone();
        if ours.len() != theirs.len() {
            return None;
        }
        for (our, their) in ours.iter().zip(theirs) {
            if our.target != their.target {
                return None;
            }
            if let Shown::Host { source, .. } | Shown::Layered { source, .. } = &their.shown {
                unmoved(their, source, files).ok()?;
            }
            match (&our.shown, &their.shown) {
                (Shown::Own { source: old }, Shown::Own { source: new }) => {
                    let places = Arc::make_mut(&mut plan.places);
                    let place = places.iter_mut().find(|it| it.source.as_ref() == Some(old))?;
                    place.source = Some(new.clone());
                }
                (
                    Shown::Layered { source: old, layers: ours },
                    Shown::Layered { source: new, layers: theirs },
                ) if old == new => {
                    let layers = Arc::make_mut(&mut plan.layers);
                    let known = layers.values_mut().find(|known| *known == ours)?;
                    *known = theirs.clone();
                }
                (same, other) if same == other => {}
                _ => return None,
            }
        }
        Some(plan)
    }
}

impl Mounted {
    /// The folder of the host in which commands can make links by way of it.
    fn open(&self) -> Option<&Path> {
        match &self.shown {
            Shown::Host { source, rights } if rights.contains(Rights::CREATE) => Some(source),
            Shown::Layered { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Lays the mounts over a layout.
pub(super) fn lay_over(
    layout: &mut Layout,
    policy: &Policy,
    mounts: &[Mounted],
    files: &dyn Lookup,
) -> Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    let rules = rules::merge(&rules::look_up(policy, &open(mounts), files)?);
    for mount in mounts {
        let target = target(mount, layout, files)?;
        layout.places.retain(|place| !place.path.starts_with(&target));
        layout.links.retain(|link, _| !link.starts_with(&target));
        layout.absent.retain(|path| !path.starts_with(&target));
        let fresh = places(&target, mount, &rules, files)?;
        match &mount.shown {
            Shown::Layered { layers, .. } => {
                layout.layers.insert(target, layers.clone());
            }
            Shown::Memory { size } => {
                layout.sizes.insert(target, *size);
            }
            _ => {}
        }
        layout.places.extend(fresh);
        layout.places.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(())
}

/// The folders of the host in which commands make links by way of mounts: at once, or when what they
/// changed is applied.
pub(super) fn open(mounts: &[Mounted]) -> Vec<&Path> {
    mounts.iter().filter_map(Mounted::open).collect()
}

fn refused<T>(target: &SandboxPath, why: &str) -> Result<T> {
    Err(SandboxError::InvalidRequest(format!("nothing can be mounted at {target}: {why}")))
}

/// Where a mount comes to lie, without links.
fn target(mount: &Mounted, layout: &Layout, files: &dyn Lookup) -> Result<PathBuf> {
    let name = &mount.target;
    if name.as_path() == Path::new("/") || is_kernel_interface(name.as_path()) {
        return refused(name, "name a folder below it");
    }
    let inside = Inside { places: &layout.places, layers: &layout.layers, files };
    let found = resolve(&inside, name.as_path())
        .map_err(SandboxError::io(format!("looking up the mount's target {name}")))?;
    let around = super::places::enclosing(&layout.places, &found.path);
    let on_host = around.is_some_and(|place| place.content == Content::Host);
    match around {
        Some(place) if place.content == Content::Hidden => refused(name, "the policy hides it"),
        _ if found.kind.is_none() && on_host => {
            refused(name, "it does not exist in the host's folder around it: make it first")
        }
        _ => Ok(found.path),
    }
}

/// The places of one mount: its own, and those of the policy's rules below its source.
fn places(
    target: &Path,
    mount: &Mounted,
    rules: &BTreeMap<PathBuf, Meaning>,
    files: &dyn Lookup,
) -> Result<Vec<Place>> {
    let place = |directory, content, source, rights| Place {
        path: target.to_path_buf(),
        directory,
        content,
        source,
        rights,
    };
    let (source, rights) = match &mount.shown {
        Shown::Memory { .. } => {
            return Ok(vec![place(true, Content::Private, None, Rights::READ_WRITE)]);
        }
        Shown::Own { source } => {
            let source = Some(source.clone());
            return Ok(vec![place(true, Content::Host, source, Rights::READ_WRITE)]);
        }
        Shown::Host { source, rights } => (source, *rights),
        Shown::Layered { source, .. } => (source, Rights::READ_WRITE),
    };
    let (found, kind) = unmoved(mount, source, files)?;
    if kind != Kind::Directory && matches!(mount.shown, Shown::Layered { .. }) {
        return refused(&mount.target, "only a folder can be copied on write");
    }
    if is_kernel_interface(&found) {
        return refused(&mount.target, "what the kernel shows of itself is no mount");
    }
    let around = rules.iter().rev().find(|(path, _)| found.starts_with(path));
    if let Some((hidden, _)) = around.filter(|(_, rule)| rule.grant.rights.is_empty()) {
        return refused(&mount.target, &format!("the policy hides {}", quoted(hidden)));
    }
    let own = place(kind == Kind::Directory, Content::Host, Some(found.clone()), rights);
    Ok(std::iter::once(own).chain(inner(target, &found, rights, rules)).collect())
}

/// The source of a mount, where it was found, and what it is.
fn unmoved(mount: &Mounted, source: &Path, files: &dyn Lookup) -> Result<(PathBuf, Kind)> {
    let missing = |error| SandboxError::MissingPath { path: source.into(), source: error };
    let found = resolve(files, source).map_err(missing)?;
    if let Some(link) = found.links.keys().next() {
        let link = quoted(link);
        return refused(&mount.target, &format!("{link} is a link, where its source leads over"));
    }
    let kind = found.kind.ok_or_else(|| missing(io::ErrorKind::NotFound.into()))?;
    Ok((found.path, kind))
}

/// The policy's rules below a mount's source, as they are below its target.
fn inner(
    target: &Path,
    source: &Path,
    rights: Rights,
    rules: &BTreeMap<PathBuf, Meaning>,
) -> Vec<Place> {
    let place = |(path, rule): (&PathBuf, &Meaning)| {
        let narrower = rule.grant.rights & rights;
        Some(Place {
            path: target.join(path.strip_prefix(source).ok()?),
            directory: rule.kind == Kind::Directory,
            content: if narrower.is_empty() { Content::Hidden } else { Content::Host },
            source: Some(path.clone()),
            rights: narrower,
        })
    };
    rules.iter().filter(|(path, _)| *path != source).filter_map(place).collect()
}

/// The files of a sandbox, as far as they can be seen from the host.
pub(super) struct Inside<'a> {
    pub(super) places: &'a [Place],
    pub(super) layers: &'a BTreeMap<PathBuf, Layers>,
    pub(super) files: &'a dyn Lookup,
}

impl Inside<'_> {
    /// The host's paths that a path of the sandbox can mean, the first that exists first.
    fn hosts(&self, path: &Path) -> Vec<PathBuf> {
        let Some(place) = super::places::enclosing(self.places, path) else {
            return vec![path.to_path_buf()];
        };
        let tail = path.strip_prefix(&place.path).unwrap_or(Path::new(""));
        let join = |base: &Path| match tail.as_os_str().is_empty() {
            true => base.to_path_buf(),
            false => base.join(tail),
        };
        let layers = self.layers.get(&place.path);
        let uppers = layers.into_iter().flat_map(|l| std::iter::once(&l.upper).chain(&l.frozen));
        uppers.map(|layer| join(layer)).chain([join(place.host())]).collect()
    }
}

impl Lookup for Inside<'_> {
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let place = super::places::enclosing(self.places, path);
        if place.is_some_and(|place| place.path == path && place.directory) {
            return Ok(Kind::Directory);
        }
        let mut answer = Err(io::ErrorKind::NotFound.into());
        for host in self.hosts(path) {
            answer = self.files.kind(&host);
            if answer.is_ok() {
                break;
            }
        }
        // What is only on the way to a mount exists in the sandbox alone.
        let on_the_way = || self.places.iter().any(|place| place.path.starts_with(path));
        match answer {
            Err(error) if error.kind() == io::ErrorKind::NotFound && on_the_way() => {
                Ok(Kind::Directory)
            }
            answer => answer,
        }
    }

    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        let mut answer = Err(io::ErrorKind::NotFound.into());
        for host in self.hosts(path) {
            answer = self.files.target(&host);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }
}
