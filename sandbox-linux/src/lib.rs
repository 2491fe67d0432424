//! Kernel confinement for Linux.

use std::sync::Arc;

use sandbox_core::{LocalBackend, Result};

mod confine;
pub mod doctor;

pub use confine::{LinuxConfinement, TierChoice};

/// The strongest backend that this machine has.
///
/// # Errors
/// The kernel answered something that no supported kernel answers.
pub fn backend() -> Result<LocalBackend<LinuxConfinement>> {
    backend_with(TierChoice::Auto)
}

/// The backend of a chosen tier.
///
/// # Errors
/// As [`backend`].
pub fn backend_with(choice: TierChoice) -> Result<LocalBackend<LinuxConfinement>> {
    Ok(LocalBackend::new(Arc::new(LinuxConfinement::new(choice)?)))
}
