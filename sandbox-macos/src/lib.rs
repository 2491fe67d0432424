//! Confinement for macOS: Seatbelt, the kernel's own sandbox.
//!
//! # Theory of operation
//! Seatbelt takes a profile, a text in a Lisp-like language (SBPL) that says which operations are
//! allowed on what, and holds the process and all its descendants to it. This crate compiles a
//! [plan](sandbox_core::plan::Plan) to such a profile: [`profile`] decides, [`sbpl`] is the typed
//! tree and the only place where text is made. Both are pure and work on every host.
//!
//! What is to enforce what: Seatbelt the files, the network, Mach services, signals and process
//! information; a session of its own and closed descriptors keep the caller's terminal and files
//! away; rlimits and the launcher's clock hold the limits.
//!
//! Today nothing is launched: [`backend`] answers
//! [`Unsupported`](sandbox_core::SandboxError::Unsupported) on every host, macOS included.
//!
//! ```
//! use sandbox_core::SandboxError;
//!
//! match sandbox_macos::backend() {
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

mod confine;
#[cfg(test)]
#[cfg(unix)]
mod forge;
pub mod profile;
pub mod sbpl;

pub use confine::MacosConfinement;

/// The backend for macOS.
///
/// # Errors
/// [`Unsupported`](sandbox_core::SandboxError::Unsupported), always: nothing is launched yet.
pub fn backend() -> Result<LocalBackend<MacosConfinement>> {
    Err(confine::unsupported("running commands"))
}
