//! Confinement for Windows: AppContainers and job objects.
//!
//! # Theory of operation
//! A process in an AppContainer reaches only what an access list grants to its package, whatever
//! its user may do, and only the networks of its capabilities. A job object holds the process and
//! all that it starts to limits, and ends them together. Neither needs an administrator. The parts
//! that decide what those two are told are pure and work on every host:
//!
//! * [`acl`]: places of the policy to changes of access lists, on roots only;
//! * [`capability`]: the network policy to capabilities;
//! * [`job`]: limits to the settings of a job object;
//! * [`commandline`]: arguments to the one string that Windows hands to a program.
//!
//! Today nothing is launched: [`backend`] answers
//! [`Unsupported`](sandbox_core::SandboxError::Unsupported) on every host, Windows included.
//!
//! ```
//! use sandbox_core::SandboxError;
//!
//! match sandbox_windows::backend() {
//!     Ok(backend) => println!("commands are confined by {}", backend.name()),
//!     // Do not run the command without a sandbox instead: choose another backend or stop.
//!     Err(SandboxError::Unsupported { backend, operation }) => {
//!         eprintln!("{backend} does not support {operation}");
//!     }
//!     Err(other) => return Err(other),
//! }
//! # Ok::<(), SandboxError>(())
//! ```

use sandbox_core::{LocalBackend, Result};

pub mod acl;
pub mod capability;
pub mod commandline;
mod confine;
#[cfg(test)]
#[cfg(unix)]
mod forge;
pub mod job;

pub use confine::WindowsConfinement;

/// The backend for Windows.
///
/// # Errors
/// [`Unsupported`](sandbox_core::SandboxError::Unsupported), always: nothing is launched yet.
pub fn backend() -> Result<LocalBackend<WindowsConfinement>> {
    Err(confine::unsupported("running commands"))
}
