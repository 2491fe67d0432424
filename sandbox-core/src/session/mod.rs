//! Sessions: sandboxes that last for more than one command.

mod backend;
mod changes;
pub mod files;
mod handle;
mod local;
pub mod log;
mod network;
mod ports;
mod spec;
pub mod task;
mod terminal;

#[cfg(unix)]
pub(crate) use local::{identifiers, path_of as local_folder, sweep_all};

pub use backend::{BackgroundTasks, MountChanges, SandboxBackend, TaskOutput};
pub use changes::{Applied, Change, ChangeKind, Conflict};
pub use handle::Session;
pub use local::LocalSessions;
pub use network::SessionNetwork;
pub use ports::PublishedPort;
pub use spec::{
    Labels, OnIdle, SandboxSession, SandboxSnapshot, SandboxSpec, SandboxState, SessionHealth,
};
