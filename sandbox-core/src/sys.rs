//! What is unsafe of the library itself.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor.
///
/// # Errors
/// The descriptor is of a kind that cannot be watched.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the result, so it stays open as long as it is watched.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
