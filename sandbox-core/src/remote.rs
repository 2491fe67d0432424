//! Sessions that other processes own, reached over a socket in each session's folder.
//!
//! # Theory of operation
//! A session that outlasts the process that made it has an owner of its own, the *supervisor*: a
//! small process that [`supervise`]s it and ends with it. There is no service to install. Whoever
//! may read the session's folder can reach it; [`RemoteSessions`] is the backend that does, so a
//! caller changes one line.
//!
//! One connection is one call: a greeting with the call in it, one reply, and for
//! few calls what follows. The streams of a command are not carried: the ends of its pipes are
//! handed over with the reply, so its output meets its reader as it would without a session, with
//! the pipe's own backpressure. The connection stays open for as long as the command runs. It
//! carries signals one way and the end the other; when the caller goes away the command is ended,
//! as a shell's would be. In the same way the files of a session are handed over as descriptors of
//! its folders, so no content passes through the supervisor.
//!
//! # Security
//! The socket is in a folder of the user's alone and has mode 0600. Both sides check that the other
//! one is the same user. That is not enough where a sandboxed command runs as that user and could
//! connect to what it finds, so a call also shows a key that lies in the folder beside the socket,
//! which nothing confined can read.

mod client;
mod fault;
mod link;
mod message;
mod place;
mod server;
mod supervisor;
#[cfg(test)]
mod tests;

pub use client::{Launcher, RemoteSessions};
pub use supervisor::supervise;
