//! Where sessions have their folders: there are none here yet.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Refuses.
pub(crate) fn root(_: &Path) -> Result<PathBuf, Failure> {
    Err(Failure::usage("sessions are not supported on this system"))
}

/// There are none.
pub(crate) fn all_roots() -> Vec<PathBuf> {
    Vec::new()
}
