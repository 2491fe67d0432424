//! The filesystem mechanisms: a root of mounts, and Landlock.

pub(crate) mod landlock;
pub(crate) mod mounts;
