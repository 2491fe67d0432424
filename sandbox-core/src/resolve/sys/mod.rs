//! Whole paths in one call, where the system has one that follows no link.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub(super) use linux::open_whole;
#[cfg(not(target_os = "linux"))]
pub(super) use other::open_whole;
