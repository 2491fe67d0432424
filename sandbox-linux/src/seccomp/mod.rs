//! The system call filter of a payload: a pure compiler from five choices to a BPF program.
//!
//! # Theory of operation
//!
//! `table` classes every system call that the two architectures have. `ruling` turns a class
//! into what happens under one [`FilterSpec`]: allow, fail with an error, or check arguments;
//! `guards` holds the argument checks, written in the language of `args`. `tree` lays the
//! rulings out as a binary search over the numbers, and `graft` compiles the checks to leaf
//! programs below it. `shrink` takes out what the pieces repeat.
//!
//! The program begins with the architecture. The same number means another call in another ABI,
//! and a program may enter the kernel by `int 0x80` whatever it was compiled for, so any ABI but
//! the native one finds no system calls at all (ENOSYS). x32 shares the native audit word and
//! marks its numbers with bit 30; they lie above the table and fall into its last segment.
//!
//! # Security
//!
//! Filters see registers, not memory. A call that hides what matters behind a pointer (openat2,
//! clone3, `sched_setattr`) is refused whole; paths and addresses are the business of Landlock
//! and of namespaces. Where those are missing ([`Scope::Shared`]) the filter withholds what they
//! would have bounded: IPC by number, pathname sockets, other processes' limits.
//!
//! A filter is inherited and cannot be taken off, but it does not stop setuid programs from being
//! confused by it: the kernel therefore wants `no_new_privs` first.

#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "the rule compiler alone reads what a check is made of")
)]
mod args;
mod bpf;
mod errno;
mod error;
#[cfg_attr(target_os = "linux", path = "graft_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "graft_elsewhere.rs")]
mod graft;
mod guards;
mod numbers;
mod ruling;
mod shrink;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;

pub use bpf::{Insn, Program};
pub use errno::Errno;
pub use error::FilterError;
pub use spec::{Arch, FilterSpec, Metadata, Network, Profile, Scope};

use bpf::{DATA_ARCH, DATA_NR, JEQ, LD, RET, RET_ALLOW, RET_USER_NOTIF, jump, ret_errno, stmt};
use ruling::Ruling;
use tree::Action;

/// What happens to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is made.
    Allow,
    /// It fails with this error.
    Errno(Errno),
    /// It is made if its arguments pass; the text says what they must be.
    Checked(&'static str),
    /// The launcher makes it for the payload if its arguments pass; the text says what they must be.
    Asked(&'static str),
}

/// Compiles the filter for `spec`.
///
/// # Errors
///
/// [`FilterError::DebugNeedsNamespaces`] and [`FilterError::ProxyNeedsHost`] for specifications that
/// have no filter; the others tell
/// of defects, or of a host other than Linux, where argument rules cannot be compiled.
pub fn compile(spec: &FilterSpec) -> Result<Program, FilterError> {
    if spec.profile == Profile::Debug && !spec.may_debug() {
        return Err(FilterError::DebugNeedsNamespaces);
    }
    if spec.network == Network::Proxy && spec.scope == Scope::Namespaced {
        return Err(FilterError::ProxyNeedsHost);
    }
    let unknown = Action::Return(ret_errno(Errno::ENOSYS));
    let mut leaves = Vec::new();
    let mut actions = BTreeMap::new();
    for (number, (name, ruling)) in rulings(spec) {
        let action = match ruling {
            Ruling::Allow => Action::Return(RET_ALLOW),
            Ruling::Fail(errno) => Action::Return(ret_errno(errno)),
            Ruling::Checked { checks, .. } => {
                let leaf = graft::leaf(spec.arch, name, &checks, RET_ALLOW)?;
                Action::Leaf(intern(&mut leaves, leaf))
            }
            Ruling::Asked { checks, .. } => {
                let leaf = graft::leaf(spec.arch, name, &checks, RET_USER_NOTIF)?;
                Action::Leaf(intern(&mut leaves, leaf))
            }
        };
        actions.insert(number, action);
    }
    let mut insns = vec![
        stmt(LD, DATA_ARCH),
        jump(JEQ, spec.arch.audit(), 1, 0),
        stmt(RET, ret_errno(Errno::ENOSYS)),
        stmt(LD, DATA_NR),
    ];
    insns.append(&mut tree::emit(&tree::segments(&actions, unknown), &leaves));
    Program::new(shrink::shrink(&insns))
}

/// Every system call of the architecture, in the order of the table, and what happens to it.
///
/// A call that is not listed fails with [`Errno::ENOSYS`].
#[must_use]
pub fn describe(spec: &FilterSpec) -> Vec<(&'static str, Verdict)> {
    listed(spec)
        .map(|(_, name, ruling)| match ruling {
            Ruling::Allow => (name, Verdict::Allow),
            Ruling::Fail(errno) => (name, Verdict::Errno(errno)),
            Ruling::Checked { why, .. } => (name, Verdict::Checked(why)),
            Ruling::Asked { why, .. } => (name, Verdict::Asked(why)),
        })
        .collect()
}

/// The table by number.
fn rulings(spec: &FilterSpec) -> BTreeMap<u32, (&'static str, Ruling)> {
    listed(spec).map(|(number, name, ruling)| (number, (name, ruling))).collect()
}

/// The table's rows that exist on the architecture.
fn listed(spec: &FilterSpec) -> impl Iterator<Item = (u32, &'static str, Ruling)> {
    table::TABLE.iter().flat_map(move |&(class, names)| {
        names.iter().filter_map(move |&name| {
            Some((numbers::number(spec.arch, name)?, name, class.ruling(spec)))
        })
    })
}

/// The index of `leaf` among `leaves`, where it is put if it is new.
fn intern(leaves: &mut Vec<Vec<Insn>>, leaf: Vec<Insn>) -> usize {
    leaves.iter().position(|known| *known == leaf).unwrap_or_else(|| {
        leaves.push(leaf);
        leaves.len() - 1
    })
}
