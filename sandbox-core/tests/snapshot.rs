//! Snapshots: what comes back, what is refused, and what a kill leaves behind.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "the harness shows what a test prints")]
#![expect(clippy::unwrap_used, reason = "what helpers of tests cannot do fails the test")]

#[path = "snapshot/diff.rs"]
mod diff;
#[path = "snapshot/dump.rs"]
mod dump;
#[path = "snapshot/hostile.rs"]
mod hostile;
#[path = "snapshot/interrupted.rs"]
mod interrupted;
#[path = "snapshot/kinds.rs"]
mod kinds;
#[path = "snapshot/levels.rs"]
mod levels;
#[path = "snapshot/random.rs"]
mod random;
#[path = "snapshot/refused.rs"]
mod refused;
#[path = "snapshot/tampered.rs"]
mod tampered;
#[path = "snapshot/world.rs"]
mod world;
