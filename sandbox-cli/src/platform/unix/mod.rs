//! Unix: descriptors, signals, terminals.

pub(crate) mod signals;
pub(crate) mod state;
pub(crate) mod stdio;
pub(crate) mod supervisor;
mod sys;
pub(crate) mod terminal;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process hold as many descriptors as it may: each connection that is carried takes
/// several. Commands have a limit of their own.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With fewer, connections wait for one another, which is no error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// A part of an operating-system string, as it is.
pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
