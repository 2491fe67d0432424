//! A plan: one policy met with one request on one host. No decision is left in it.
//!
//! Everything is absolute, resolved and ordered: places parents first, the final environment, the
//! files that the command's name can mean. Making a plan only looks at the host, it changes
//! nothing, so `sandbox policy explain` shows the very plan that `sandbox run` would launch.

mod command;
mod environment;
mod mounted;
mod places;
mod rules;
mod sources;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::exec::{ExecRequest, TerminalSize};
use crate::policy::filesystem::Rights;
use crate::policy::limits::ResourceLimits;
use crate::policy::network::NetworkPolicy;
use crate::policy::{EnforcementLevel, Policy, SyscallProfile};
use crate::resolve::{HostFiles, Lookup, Memo, Resolved};
use crate::size::ByteSize;

pub use mounted::{Layers, Mounted, Shown};
pub use sources::sources;

/// What a plan needs to know of the host.
#[derive(Clone)]
pub struct Host<'a> {
    /// The caller's variables.
    pub variables: BTreeMap<OsString, OsString>,
    /// The host's files.
    pub files: &'a dyn Lookup,
}

impl Host<'static> {
    /// This machine, as this process sees it.
    #[must_use]
    pub fn current() -> Self {
        Self { variables: std::env::vars_os().collect(), files: &HostFiles }
    }

    /// This machine, with no variable but the search path: all that a further command of a session
    /// needs, whose environment is made.
    #[must_use]
    pub fn of_session() -> Self {
        let path = std::env::var_os(PATH).map(|path| (PATH.into(), path));
        Self { variables: path.into_iter().collect(), files: &HostFiles }
    }
}

impl Host<'_> {
    fn search_path(&self) -> Option<&OsStr> {
        self.variables.get(OsStr::new(PATH)).map(OsString::as_os_str)
    }
}

/// The variable with the search path.
const PATH: &str = "PATH";

/// Where the content of a place comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The host's own file or directory of the same path.
    Host,
    /// An empty directory that belongs to the command.
    Private,
    /// Nothing: the path exists on the host and is hidden.
    Hidden,
}

/// One path of the sandbox, with all below it up to the next place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path, the same inside and outside, without symbolic links.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub directory: bool,
    /// Where its content comes from.
    pub content: Content,
    /// The host's path of the content, where it is not the same.
    pub source: Option<PathBuf>,
    /// What may be done in it.
    pub rights: Rights,
}

impl Place {
    /// Where the content lies on the host.
    #[must_use]
    pub fn host(&self) -> &Path {
        self.source.as_deref().unwrap_or(&self.path)
    }
}

/// A policy met with a request; see the module's documentation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The files that the command's name can mean, in the order in which they are tried.
    pub candidates: Vec<PathBuf>,
    /// The arguments, the command's own name first.
    pub arguments: Vec<OsString>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The variables, sorted by name.
    pub environment: Vec<(OsString, OsString)>,
    /// What is visible, parents before children.
    pub places: Arc<Vec<Place>>,
    /// Symbolic links that exist beside the places: where, and where to.
    pub links: Arc<BTreeMap<PathBuf, PathBuf>>,
    /// Paths that are hidden but do not exist, inside a place where names can be made.
    pub absent: Arc<Vec<PathBuf>>,
    /// The layers of places that are copied on write.
    pub layers: Arc<BTreeMap<PathBuf, Layers>>,
    /// The sizes of private places that have one of their own.
    pub sizes: Arc<BTreeMap<PathBuf, Option<ByteSize>>>,
    /// The network policy.
    pub network: NetworkPolicy,
    /// The system-call profile.
    pub syscalls: SyscallProfile,
    /// The limits.
    pub limits: ResourceLimits,
    /// What happens when something cannot be enforced.
    pub enforcement: EnforcementLevel,
    /// The terminal that the command gets.
    pub terminal: Option<TerminalSize>,
    /// Whether standard input is a stream.
    pub stdin: bool,
    /// Whether earlier commands may have left something where the host has nothing.
    pub lasting: bool,
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// [`SandboxError`](crate::SandboxError): a path of the policy that is missing, a working
    /// directory that is not visible, a command that is nowhere or hidden, bytes that no argument
    /// or variable can hold.
    pub fn new(policy: &Policy, request: &ExecRequest, host: &Host<'_>) -> Result<Self> {
        Self::inside(policy, &[], request, host)
    }

    /// The plan for a command of a session with these mounts.
    ///
    /// # Errors
    /// As [`Plan::new`], and [`SandboxError::InvalidRequest`](crate::SandboxError::InvalidRequest)
    /// for a mount that cannot lie where it should.
    pub fn inside(
        policy: &Policy,
        mounts: &[Mounted],
        request: &ExecRequest,
        host: &Host<'_>,
    ) -> Result<Self> {
        command::check(request)?;
        let memo = Memo::new(host.files);
        let plan = Self::furnished(policy, mounts, &Host { files: &memo, ..host.clone() })?;
        plan.complete(policy, request, &memo, host.search_path())
    }

    /// This plan of a session, with a command to run in it.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_command(
        &self,
        policy: &Policy,
        request: &ExecRequest,
        host: &Host<'_>,
    ) -> Result<Self> {
        command::check(request)?;
        self.clone().complete(policy, request, &Memo::new(host.files), host.search_path())
    }

    /// `path` is the caller's search path, which makes the better message about a command.
    fn complete(
        self,
        policy: &Policy,
        request: &ExecRequest,
        memo: &dyn Lookup,
        path: Option<&OsStr>,
    ) -> Result<Self> {
        let seen = mounted::Inside { places: &self.places, layers: &self.layers, files: memo };
        let files: &dyn Lookup = if self.lasting { &seen } else { memo };
        let view = View { places: &self.places, links: &self.links, files, lasting: self.lasting };
        let mut environment: BTreeMap<_, _> = self.environment.iter().cloned().collect();
        environment.extend(request.variables().clone());
        // A placeholder takes their place where there is a way out, and nothing elsewhere.
        for credential in self.network.credentials() {
            environment.remove(OsStr::new(credential.env()));
        }
        let cwd = command::working_directory(policy, request, &view)?;
        let candidates = command::candidates(request, &cwd, &environment, path, &view)?;
        let program = std::iter::once(request.program().to_owned());
        Ok(Self {
            candidates,
            arguments: program.chain(request.arguments().iter().cloned()).collect(),
            cwd,
            environment: environment.into_iter().collect(),
            terminal: request.terminal_size(),
            stdin: request.wants_stdin(),
            ..self
        })
    }

    /// The plan for a process that runs already: there is no command to look for, and no
    /// environment to make.
    ///
    /// # Errors
    /// [`SandboxError`](crate::SandboxError): a path of the policy that is missing.
    pub fn without_command(policy: &Policy, host: &Host<'_>) -> Result<Self> {
        Self::furnished(policy, &[], host)
    }

    /// The plan for a session with these mounts, in which commands will run.
    ///
    /// # Errors
    /// As [`Plan::inside`].
    pub fn furnished(policy: &Policy, mounts: &[Mounted], host: &Host<'_>) -> Result<Self> {
        let memo = Memo::new(host.files);
        let mut layout = places::lay_out(policy, &mounted::open(mounts), &memo)?;
        mounted::lay_over(&mut layout, policy, mounts, &memo)?;
        let lasting = !mounts.is_empty();
        let (places, links, layers) = (&layout.places, &layout.links, &layout.layers);
        let seen = mounted::Inside { places, layers, files: &memo };
        let files: &dyn Lookup = if lasting { &seen } else { &memo };
        let view = View { places, links, files, lasting };
        let environment =
            environment::compose(policy, &host.variables, &view).into_iter().collect();
        Ok(Self { lasting, environment, ..Self::empty(policy, layout) })
    }

    fn empty(policy: &Policy, layout: places::Layout) -> Self {
        let places::Layout { places, links, absent, layers, sizes } = layout;
        Self {
            candidates: Vec::new(),
            arguments: Vec::new(),
            cwd: PathBuf::from("/"),
            environment: Vec::new(),
            places: Arc::new(places),
            links: Arc::new(links),
            absent: Arc::new(absent),
            layers: Arc::new(layers),
            sizes: Arc::new(sizes),
            network: policy.network().clone(),
            syscalls: policy.syscalls(),
            limits: policy.limits().clone(),
            enforcement: policy.enforcement(),
            terminal: None,
            stdin: false,
            lasting: false,
        }
    }
}

/// What is visible, for the steps that come after the layout.
pub(crate) struct View<'a> {
    places: &'a [Place],
    links: &'a BTreeMap<PathBuf, PathBuf>,
    files: &'a dyn Lookup,
    /// Whether earlier commands may have left something in private places and in layers.
    lasting: bool,
}

impl View<'_> {
    /// The place that a resolved path lies in.
    fn place(&self, path: &Path) -> Option<&Place> {
        places::enclosing(self.places, path)
    }

    /// Whether the sandbox has every link by which a path was found.
    fn names(&self, found: &Resolved) -> bool {
        let host = |link: &Path| self.place(link).is_some_and(|p| p.content == Content::Host);
        found.links.keys().all(|link| self.links.contains_key(link) || host(link))
    }

    /// Whether a directory can be entered: granted, or on the way to something granted.
    fn enterable(&self, path: &Path) -> bool {
        match self.place(path) {
            Some(place) => {
                place.content != Content::Hidden && place.rights.intersects(Rights::READ_ONLY)
            }
            None => self.places.iter().any(|place| place.path.starts_with(path)),
        }
    }
}

#[cfg(test)]
mod tests;
