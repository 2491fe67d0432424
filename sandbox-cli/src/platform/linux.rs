//! Linux: namespaces, Landlock, seccomp, cgroups.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_core::doctor::Check;
use sandbox_core::remote::RemoteSessions;
use sandbox_core::session::{LocalSessions, SandboxBackend};
use sandbox_core::{LocalBackend, SandboxError};
use sandbox_linux::{LinuxConfinement, TierChoice};

use super::{state, supervisor};
use crate::args::BackendChoice;
use crate::failure::Failure;

/// The backend of this platform.
type Backend = LocalBackend<LinuxConfinement>;

/// The chosen backend.
pub(crate) fn backend(choice: BackendChoice) -> Result<Backend, SandboxError> {
    sandbox_linux::backend_with(tier(choice))
}

/// Sessions of this process, on the chosen backend; their folders are not inside `apart`.
pub(crate) fn sessions(
    choice: BackendChoice,
    apart: &Path,
) -> Result<Arc<dyn SandboxBackend>, Failure> {
    let confinement = Arc::new(LinuxConfinement::new(tier(choice))?);
    Ok(Arc::new(LocalSessions::new(confinement, state::root(apart)?)))
}

/// Sessions that outlast this process.
pub(crate) fn lasting(choice: BackendChoice) -> Result<Arc<dyn SandboxBackend>, Failure> {
    let capabilities =
        |choice| backend(choice).map(|backend| backend.capabilities()).unwrap_or_default();
    let launcher = supervisor::Program { choice, capabilities };
    Ok(Arc::new(RemoteSessions::new(launcher, state::shared_root()?)))
}

/// Sessions that this process owns for others, and where they have their folders.
pub(crate) fn owned(choice: BackendChoice) -> Result<(Arc<dyn SandboxBackend>, PathBuf), Failure> {
    let root = state::shared_root()?;
    let confinement = Arc::new(LinuxConfinement::new(tier(choice))?);
    Ok((Arc::new(LocalSessions::new(confinement, &root)), root))
}

fn tier(choice: BackendChoice) -> TierChoice {
    match choice {
        BackendChoice::Auto => TierChoice::Auto,
        BackendChoice::Landlock => TierChoice::Landlock,
        BackendChoice::Namespaces => TierChoice::Namespaces,
    }
}

/// Every mechanism, tried.
pub(crate) fn checks() -> Vec<Check> {
    sandbox_linux::doctor::checks()
}
