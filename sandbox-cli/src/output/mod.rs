//! What people and programs read: text and JSON are made from the same values.

pub(crate) mod changes;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod failure;
pub(crate) mod network;
pub(crate) mod notes;
pub(crate) mod policy;
pub(crate) mod result;
pub(crate) mod session;
pub(crate) mod session_changes;
pub(crate) mod session_log;
mod session_table;
pub(crate) mod session_tasks;
mod style;
pub(crate) mod template;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Prints text to standard output, coloured only on a terminal that wants it.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(lost())
}

/// Prints bytes to standard output as they are.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(lost())
}

/// Prints one JSON object and a newline, straight from the value: a result may hold as much as the
/// output limit allows, and no second copy of it is made.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let written = serde_json::to_writer(&mut out, value).map_err(io::Error::from);
    written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(lost())
}

fn lost() -> impl FnOnce(io::Error) -> Failure {
    Failure::output("standard output")
}
