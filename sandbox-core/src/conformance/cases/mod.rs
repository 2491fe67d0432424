//! The behaviours, in groups: one file for each.

mod descriptors;
mod devices;
mod egress;
mod environment;
mod filesystem;
mod hiding;
mod lifetime;
mod limits;
mod memory;
mod metadata;
mod network;
mod places;
mod policy;
mod privileges;
mod processes;
mod rights;
mod streams;
mod terminal;

use super::Case;

/// Every group.
pub(super) const GROUPS: &[&[Case]] = &[
    descriptors::CASES,
    devices::CASES,
    egress::CASES,
    environment::CASES,
    filesystem::CASES,
    hiding::CASES,
    lifetime::CASES,
    limits::CASES,
    memory::CASES,
    metadata::CASES,
    network::CASES,
    places::CASES,
    policy::CASES,
    privileges::CASES,
    processes::CASES,
    rights::CASES,
    streams::CASES,
    terminal::CASES,
];
