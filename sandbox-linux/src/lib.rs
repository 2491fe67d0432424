//! Kernel confinement for Linux: namespaces, Landlock, seccomp, cgroups.
//!
//! # Theory of operation
//! A plan is compiled to a list of system calls with everything they point to, in a sealed memory
//! file. A child of the calling process, made without copying it, executes a small static helper;
//! the helper carries the list out and starts the payload's process, which carries out its own list
//! down to the exec; then the helper reaps, obeys and ends. No helper program is looked up, nothing
//! is installed, nothing is setuid.
//!
//! There are two tiers. **Namespaces**: the payload has its own mounts, processes and IPC, its own
//! users unless the caller is root, and its own empty network unless the policy opens the host's;
//! Landlock and a filter stand behind them. **Landlock**: the payload stays in the host's
//! namespaces; Landlock bounds files, the filter withholds what Landlock does not see. Limits are
//! held by cgroups of either version where one can be made, else by rlimits and by looking.
//! [`doctor::checks`] tells what works here, and every result carries a report of what was enforced.
//!
//! ```no_run
//! use sandbox_core::{ExecRequest, Policy};
//!
//! # async fn example() -> sandbox_core::Result<()> {
//! let policy = Policy::workspace("./repo")?.build()?;
//! let result = sandbox_linux::backend()?.run(&policy, &ExecRequest::new("ls")).await?;
//! println!("{}", result.stdout.text());
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use sandbox_core::{LocalBackend, Result};

#[path = "init/abi.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the helper, which uses the rest")]
mod abi;
mod cgroup;
mod closed;
mod confine;
pub mod doctor;
mod egress;
mod explain;
mod facts;
mod filters;
mod fs;
mod handover;
mod helper;
mod identity;
mod in_process;
mod jail;
mod launch;
pub mod layers;
mod ns;
mod payload;
mod prepared;
mod private;
mod process;
mod program;
#[path = "init/raw.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the helper, which uses the rest")]
mod raw;
mod reaper;
mod report;
mod rlimit;
mod room;
pub mod seccomp;
mod sharing;
mod sockets;
mod sys;
mod terminal;

pub use confine::{LinuxConfinement, TierChoice};
pub use in_process::{Confined, confine, restrict_self};
pub use prepared::Prepared;

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
