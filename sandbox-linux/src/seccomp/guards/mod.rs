//! Argument checks, one function for each kind of call.
//!
//! A guard takes the specification and the index of the argument it is about, since related
//! calls (chmod, fchmodat) carry the same argument in different places.

mod files;
mod ioctl;
mod memory;
mod process;
mod scheduling;
mod sockets;

pub(super) use files::{chmod, creat, mknod, open};
pub(super) use ioctl::ioctl;
pub(super) use memory::memfd_create;
pub(super) use process::{clone, personality, prctl, prlimit64, seccomp, unshare};
pub(super) use scheduling::{ioprio_set, sched_pid, sched_setscheduler, setpriority};
pub(super) use sockets::{send_flags, setsockopt, socket, socketpair, visitors};
