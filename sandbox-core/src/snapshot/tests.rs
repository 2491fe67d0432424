//! Saves and restores that are stopped before each of their steps, one after the other.

#[path = "../../tests/snapshot/dump.rs"]
mod dump;
mod faults;
mod stage;
