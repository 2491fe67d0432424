//! A platform without a backend.

use sandbox_core::confine::Confinement;
use sandbox_core::doctor::{Check, Health};
use sandbox_core::{LocalBackend, SandboxError};

use crate::args::BackendChoice;

/// The backend that this platform would have.
type Backend = LocalBackend<dyn Confinement>;

/// Refuses.
pub(crate) fn backend(_: BackendChoice) -> Result<Backend, SandboxError> {
    Err(SandboxError::Unsupported {
        backend: std::env::consts::OS.into(),
        operation: "confining commands".into(),
    })
}

/// Refuses.
pub(crate) fn sessions(
    choice: BackendChoice,
    _: &std::path::Path,
) -> Result<std::sync::Arc<dyn sandbox_core::session::SandboxBackend>, crate::failure::Failure> {
    Err(backend(choice).map(drop).err().map_or_else(
        || crate::failure::Failure::usage("no sessions"),
        crate::failure::Failure::from,
    ))
}

/// Refuses.
pub(crate) fn lasting(
    choice: BackendChoice,
) -> Result<std::sync::Arc<dyn sandbox_core::session::SandboxBackend>, crate::failure::Failure> {
    sessions(choice, std::path::Path::new("/"))
}

/// Refuses.
pub(crate) fn owned(
    choice: BackendChoice,
) -> Result<
    (std::sync::Arc<dyn sandbox_core::session::SandboxBackend>, std::path::PathBuf),
    crate::failure::Failure,
> {
    lasting(choice).map(|sessions| (sessions, std::path::PathBuf::new()))
}

/// Nothing can be tried.
pub(crate) fn checks() -> Vec<Check> {
    vec![Check::lacks(std::env::consts::OS, Health::Missing, "no backend for this system", "")]
}
