//! The behaviours of sessions, in groups: one file for each.
//!
//! Every case has a backend of its own over a folder of its own, and asks it as any caller would.
//! What a session shows is seen by a probe in it or from the host, through the folder that is
//! mounted at [`WORK`]. When a case is done its sessions are ended; then nothing of them may be left:
//! no process, no file.

mod faults;
mod files;
mod life;
mod mounts;
mod network;
mod sandbox;
mod scene;
mod snapshots;
mod state;
mod streams;
mod tasks;

use super::Case;
use sandbox::Sandbox;
pub(super) use scene::Scene;

/// Where the usual session has the case's workspace.
const WORK: &str = "/desk";

/// Every group.
pub(super) const GROUPS: &[&[Case]] = &[
    life::CASES,
    mounts::CASES,
    streams::CASES,
    tasks::CASES,
    files::CASES,
    snapshots::CASES,
    state::CASES,
    faults::CASES,
    network::CASES,
];
