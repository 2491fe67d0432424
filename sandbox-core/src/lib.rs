//! Policy, plans and traits: everything about a sandbox that is not a kernel call.
//!
//! A [`Policy`] says what an untrusted command may do. A [`Plan`](plan::Plan) is the policy met
//! with one request on one host: absolute paths, final environment, no decision left. An
//! operating-system crate turns a plan into kernel state by implementing
//! [`Confinement`](confine::Confinement); the [`run`] module does the rest for all of them: it
//! pumps the streams, keeps the limits that need a clock, ends the whole tree and gathers the
//! result.
//!
//! This crate knows no operating system. Pick the platform crate you need (`sandbox-linux`,
//! `sandbox-macos`, `sandbox-windows`, `sandbox-openbsd`, `sandbox-oci`) beside it.
//!
//! ```
//! use sandbox_core::{ExecRequest, Policy};
//! use std::time::Duration;
//!
//! let policy = Policy::read_only()
//!     .wall_time(Duration::from_secs(30))
//!     .memory("512M".parse()?)
//!     .build()?;
//! let request = ExecRequest::new("sh").arg("-c").arg("echo confined");
//! assert_eq!(request.program(), "sh");
//! assert!(policy.network().is_denied());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod backend;
pub mod capability;
pub mod confine;
pub mod denial;
pub mod doctor;
pub mod egress;
pub mod error;
pub mod exec;
pub mod ids;
pub mod mount;
pub mod path;
pub mod plan;
pub mod policy;
#[cfg(unix)]
pub mod remote;
pub mod resolve;
pub mod run;
pub mod session;
pub mod size;
pub mod snapshot;
#[cfg(unix)]
mod sys;

#[cfg(all(feature = "conformance", unix))]
pub mod conformance;

pub use backend::LocalBackend;
pub use capability::{Enforcement, Feature, Gap, Report, SandboxCapabilities};
pub use denial::{Denial, Denials};
pub use error::{Result, SandboxError};
pub use exec::{Captured, ExecRequest, ExecResult, Exit, KillReason, TerminalSize, Usage};
pub use ids::{SessionId, SnapshotName};
pub use mount::{FilesystemAccess, FilesystemMount, MountSource};
pub use path::SandboxPath;
pub use policy::filesystem::Rights;
pub use policy::limits::ResourceLimits;
pub use policy::network::NetworkPolicy;
pub use policy::{EnforcementLevel, Policy, PolicyBuilder};
pub use size::{ByteSize, Span};

/// Where a session's lasting notes are mounted inside every sandbox that can mount.
pub const MEMORY_MOUNT: &str = "/mnt/memory";
/// Where a session's results are mounted inside every sandbox that can mount.
pub const OUTPUTS_MOUNT: &str = "/mnt/session/outputs";
