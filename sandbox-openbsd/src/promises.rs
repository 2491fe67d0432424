//! The policy as promises of pledge(2).
//!
//! A promise is a family of system calls. The command gets those that some right of some place
//! calls for; *where* they reach is up to the unveiled list. Some promises reach past that list:
//! `getpw` opens the user database and `dns` the resolver's files wherever they are, so each is
//! given only where the policy grants what it would open anyway.
//!
//! `error` is always promised: a forbidden call then fails with `ENOSYS` instead of ending the
//! program, and a program that pledges by itself, as most of the system's own do, is not refused
//! for naming more than it has.
//!
//! Never promised: `id`, `ps`, `vminfo`, `settime`, `sendfd`, `recvfd`, `unix`, `tmppath`, `chown`,
//! `mcast`, `unveil`, `route`, `bpf`, `pf`, and the rest that ordinary commands do without.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use sandbox_core::NetworkPolicy;
use sandbox_core::plan::{Content, Place, Plan};
use sandbox_core::policy::SyscallProfile;
use sandbox_core::policy::filesystem::Rights;

macro_rules! promises {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// A promise, in the order of the manual.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Promise {
            $(#[doc = $meaning] $variant,)*
        }

        impl fmt::Display for Promise {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $name,)* })
            }
        }
    };
}

promises! {
    Stdio "stdio" "Memory, time, descriptors that are open.",
    Rpath "rpath" "Read files.",
    Wpath "wpath" "Write files.",
    Cpath "cpath" "Make and remove names.",
    Dpath "dpath" "Make pipes with names.",
    Inet "inet" "Sockets of the internet families, all of them.",
    Fattr "fattr" "Change modes, times and flags.",
    Flock "flock" "Lock files.",
    Dns "dns" "Ask name servers.",
    Getpw "getpw" "Ask the user database.",
    Tty "tty" "Use terminals.",
    Proc "proc" "Make processes, and signal them.",
    Exec "exec" "Execute files.",
    ProtExec "prot_exec" "Map memory as code, for compilers at run time and loaded modules.",
    Error "error" "Fail instead of dying.",
}

/// Both lists of one call of pledge(2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promises {
    /// What is left to the process that executes the command.
    pub own: BTreeSet<Promise>,
    /// What the command has from its first instruction on.
    pub exec: BTreeSet<Promise>,
}

/// Why a plan has no promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromiseError {
    /// Hosts are listed.
    #[error("pledge gives the whole network or none: a list of allowed hosts needs a gateway")]
    Hosts,
}

/// A list of promises as the kernel reads it.
#[must_use]
pub fn text(promises: &BTreeSet<Promise>) -> String {
    promises.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Compiles a plan to promises.
///
/// # Errors
/// [`PromiseError::Hosts`]: promising the whole network for a few hosts would be a lie.
pub fn compile(plan: &Plan) -> Result<Promises, PromiseError> {
    // The kernel reads the program and its loader on behalf of the process that executes.
    let own = BTreeSet::from([Promise::Stdio, Promise::Rpath, Promise::Exec]);
    let mut exec = BTreeSet::from([Promise::Stdio, Promise::Error]);
    let places = plan.places.iter().filter(|place| place.content != Content::Hidden);
    exec.extend(places.flat_map(|place| for_rights(place.rights)));
    exec.extend(for_network(&plan.network)?);
    if plan.terminal.is_some() {
        exec.insert(Promise::Tty);
    }
    if plan.syscalls != SyscallProfile::Strict {
        exec.insert(Promise::ProtExec);
    }
    if reads(&plan.places, Path::new("/etc/passwd")) {
        exec.insert(Promise::Getpw);
    }
    Ok(Promises { own, exec })
}

/// The promises without which a right is worth nothing.
fn for_rights(rights: Rights) -> impl Iterator<Item = Promise> {
    let table: [(Rights, &[Promise]); 4] = [
        (Rights::READ | Rights::LIST, &[Promise::Rpath, Promise::Flock]),
        (Rights::WRITE, &[Promise::Wpath, Promise::Fattr]),
        (Rights::CREATE | Rights::DELETE, &[Promise::Cpath, Promise::Dpath]),
        (Rights::EXECUTE, &[Promise::Exec, Promise::Proc]),
    ];
    let needed = table.into_iter().filter(move |(right, _)| rights.intersects(*right));
    needed.flat_map(|(_, promises)| promises.iter().copied())
}

fn for_network(network: &NetworkPolicy) -> Result<&'static [Promise], PromiseError> {
    match network {
        NetworkPolicy::Unrestricted => Ok(&[Promise::Inet, Promise::Dns]),
        denied if denied.is_denied() => Ok(&[]),
        NetworkPolicy::Limited { .. } => Err(PromiseError::Hosts),
    }
}

/// Whether the innermost place around a path shows the host's own content, readable.
fn reads(places: &[Place], path: &Path) -> bool {
    let around = places.iter().rev().find(|place| path.starts_with(&place.path));
    around.is_some_and(|p| p.content == Content::Host && p.rights.contains(Rights::READ))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use sandbox_core::policy::PolicyBuilder;
    use sandbox_core::{ExecRequest, Policy, TerminalSize};

    use super::*;
    use crate::forge::{TOOL, plan, plan_for};

    fn exec(policy: PolicyBuilder, entries: &[&str]) -> String {
        text(&compile(&plan(policy, entries)).unwrap().exec)
    }

    #[test]
    fn reading_promises_no_writing() {
        let found = exec(Policy::builder(), &[]);
        assert_eq!(found, "stdio rpath flock proc exec prot_exec error");
    }

    #[test]
    fn a_workspace_can_be_changed() {
        let found = exec(Policy::builder().write("/w").unwrap(), &["/w/"]);
        assert_eq!(found, "stdio rpath wpath cpath dpath fattr flock proc exec prot_exec error");
    }

    #[test]
    fn each_right_has_its_promises() {
        let found = |rights| exec(Policy::builder().grant("/d", rights).unwrap(), &["/d/"]);
        assert!(found(Rights::WRITE).contains(" wpath fattr "), "{}", found(Rights::WRITE));
        assert!(!found(Rights::WRITE).contains("cpath"));
        assert!(found(Rights::DELETE).contains(" cpath dpath "));
        assert!(!found(Rights::CREATE).contains("wpath"));
    }

    #[test]
    fn hidden_places_promise_nothing() {
        let policy = Policy::builder().hide("/usr/secret").unwrap();
        assert!(!exec(policy, &["/usr/secret/"]).contains("path cpath"));
    }

    #[test]
    fn the_launcher_keeps_only_what_it_needs_to_execute() {
        let policy = Policy::builder().write("/w").unwrap().network(NetworkPolicy::Unrestricted);
        let found = compile(&plan(policy, &["/w/"])).unwrap();
        assert_eq!(text(&found.own), "stdio rpath exec");
    }

    #[test]
    fn the_network_is_all_or_nothing() {
        let open = exec(Policy::builder().network(NetworkPolicy::Unrestricted), &[]);
        assert!(open.contains(" inet ") && open.contains(" dns "), "{open}");
        let denied = exec(Policy::builder(), &[]);
        assert!(!denied.contains("inet") && !denied.contains("dns"));
        let listed = Policy::builder().allow_hosts(["example.org"]).unwrap();
        assert_eq!(compile(&plan(listed, &[])), Err(PromiseError::Hosts));
    }

    #[test]
    fn the_user_database_follows_the_policy() {
        let entries = ["/etc/passwd"];
        let visible = Policy::builder().read("/etc").unwrap();
        assert!(exec(visible.clone(), &entries).contains(" getpw "));
        assert!(!exec(visible.hide("/etc/passwd").unwrap(), &entries).contains("getpw"));
        assert!(!exec(Policy::builder(), &entries).contains("getpw"));
    }

    #[test]
    fn terminals_and_code_at_run_time_are_asked_for() {
        let request = ExecRequest::new(TOOL).terminal(TerminalSize { rows: 1, columns: 1 });
        let terminal = compile(&plan_for(Policy::builder(), &request, &[])).unwrap();
        assert!(terminal.exec.contains(&Promise::Tty));
        assert!(!exec(Policy::builder(), &[]).contains("tty"));
        let strict = Policy::builder().syscalls(SyscallProfile::Strict);
        assert!(!exec(strict, &[]).contains("prot_exec"));
    }
}
