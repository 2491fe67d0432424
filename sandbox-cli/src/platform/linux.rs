//! Linux: namespaces, Landlock, seccomp, cgroups.

use sandbox_core::doctor::Check;
use sandbox_core::{LocalBackend, SandboxError};
use sandbox_linux::{LinuxConfinement, TierChoice};

use crate::args::BackendChoice;

/// The backend of this platform.
type Backend = LocalBackend<LinuxConfinement>;

/// The chosen backend.
pub(crate) fn backend(choice: BackendChoice) -> Result<Backend, SandboxError> {
    sandbox_linux::backend_with(match choice {
        BackendChoice::Auto => TierChoice::Auto,
        BackendChoice::Landlock => TierChoice::Landlock,
        BackendChoice::Namespaces => TierChoice::Namespaces,
    })
}

/// Every mechanism, tried.
pub(crate) fn checks() -> Vec<Check> {
    sandbox_linux::doctor::checks()
}
