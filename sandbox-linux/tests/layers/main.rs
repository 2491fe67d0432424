//! The layers of a session, as the host sees them: on overlays that are really mounted.
//!
//! A test plays the host and the payload. What it does to the overlay goes through the mount
//! namespace of a child (`/proc/PID/root`), with the rights that the test has: a root test's payload
//! is root, an ordinary user's has no capability.
#![expect(clippy::print_stdout, reason = "the harness shows what a test prints")]

mod broken;
mod conflicts;
mod diffs;
mod hostile;
mod random;
mod speed;
mod trees;
mod world;
mod writing;
