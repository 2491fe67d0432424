//! Unix: descriptors, signals, terminals.

pub(crate) mod signals;
pub(crate) mod state;
pub(crate) mod stdio;
pub(crate) mod supervisor;
mod sys;
pub(crate) mod terminal;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// A part of an operating-system string, as it is.
pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
