//! What each family of systems does its own way: modes, owners, pipes.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

// What makes a pipe in a folder is missing on the systems of this vendor.
#[cfg_attr(target_vendor = "apple", path = "sys/no_pipes.rs")]
#[cfg(unix)]
mod pipes;

#[cfg(unix)]
pub(super) use pipes::{PIPES, make_pipe};
#[cfg(unix)]
pub(super) use unix::*;
#[cfg(windows)]
pub(super) use windows::*;
