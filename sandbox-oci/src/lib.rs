//! The sandbox policy on container engines, and on OCI runtimes without one.
//!
//! # Theory of operation
//! A container is a bundle of promises that an engine keeps: its own mounts, processes and network,
//! no capability, limits held by cgroups. This crate says what to ask for. [`layout`] lays a
//! [plan](sandbox_core::plan::Plan) out as mounts, once for all; [`container`] turns it into the
//! body that creates a container on Docker or podman, [`spec`] into the configuration of a bundle
//! for `crun`, `runc` or `runsc`. Both make the same promises, both are pure, and what neither can
//! say is an error instead of something near it.
//!
//! A plan is resolved against the host, so the host's own folders are mounted: the image is what
//! lies between them.
//!
//! Today no engine is spoken to: [`connect`] answers
//! [`Unsupported`](sandbox_core::SandboxError::Unsupported) on every host.
//!
//! ```
//! use sandbox_core::SandboxError;
//!
//! match sandbox_oci::connect() {
//!     Ok(engine) => match engine {},
//!     // Do not run the command without a sandbox instead: choose another backend or stop.
//!     Err(SandboxError::Unsupported { backend, operation }) => {
//!         eprintln!("{backend} does not support {operation}");
//!     }
//!     Err(other) => return Err(other),
//! }
//! # Ok::<(), SandboxError>(())
//! ```

use sandbox_core::{Result, SandboxError};

pub mod container;
#[cfg(test)]
#[cfg(unix)]
mod forge;
pub mod layout;
pub mod owner;
pub mod spec;
mod text;

pub use owner::Owner;
pub use text::CompileError;

/// A connection to a container engine. There is none yet, so there is no value of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {}

/// Connects to a container engine.
///
/// # Errors
/// [`Unsupported`](sandbox_core::SandboxError::Unsupported), always: no engine is spoken to yet.
pub fn connect() -> Result<Engine> {
    let operation = "connecting to a container engine yet";
    Err(SandboxError::Unsupported { backend: "oci".into(), operation: operation.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_an_engine() {
        let Err(SandboxError::Unsupported { backend, operation }) = connect() else {
            panic!("claimed to do what it cannot");
        };
        assert_eq!((backend.as_str(), operation.contains("engine")), ("oci", true));
    }
}
