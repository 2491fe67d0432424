//! Confinement for OpenBSD: pledge and unveil.
//!
//! # Theory of operation
//! A process that is about to become the command unveils the paths that the policy shows, locks
//! that list, pledges, and executes. `pledge` takes two lists: what the process itself may still do
//! (little more than to execute), and *execpromises*, what the command may do once it runs. Without
//! execpromises an exec would lift the pledge **and** drop the unveiled list, and nothing would be
//! confined; so there is always a second list. The parts that decide what the kernel is told are
//! pure and work on every host:
//!
//! * [`promises`]: the policy to promises;
//! * [`unveil`]: places to paths and permissions;
//! * [`recipe`]: both as one ordered list of calls, and the loop that makes them.
//!
//! Today nothing is launched: [`backend`] answers
//! [`Unsupported`](sandbox_core::SandboxError::Unsupported) on every host, OpenBSD included.
//!
//! ```
//! use sandbox_core::SandboxError;
//!
//! match sandbox_openbsd::backend() {
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
pub mod promises;
pub mod recipe;
pub mod unveil;

pub use confine::OpenbsdConfinement;

/// The backend for OpenBSD.
///
/// # Errors
/// [`Unsupported`](sandbox_core::SandboxError::Unsupported), always: nothing is launched yet.
pub fn backend() -> Result<LocalBackend<OpenbsdConfinement>> {
    Err(confine::unsupported("running commands"))
}
