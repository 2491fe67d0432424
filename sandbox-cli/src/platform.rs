//! The only file that knows that several platforms exist.
//!
//! `confinement` is the backend of this operating system; `system` is what the streams need of it:
//! standard descriptors, signals, the terminal; `eager` is a write that never waits. Each module has
//! the same names on every side.

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod confinement;
#[cfg(not(target_os = "linux"))]
#[path = "platform/unsupported.rs"]
mod confinement;

#[cfg(target_os = "linux")]
#[path = "platform/eager/linux.rs"]
mod eager;
#[cfg(not(target_os = "linux"))]
#[path = "platform/eager/never.rs"]
mod eager;

#[cfg(unix)]
#[path = "platform/unix/mod.rs"]
mod system;
#[cfg(not(unix))]
#[path = "platform/other/mod.rs"]
mod system;

pub(crate) use confinement::{backend, checks, lasting, owned, sessions};
pub(crate) use eager::write_now;
pub(crate) use system::{os_string, raise_open_files, signals, state, stdio, supervisor, terminal};
