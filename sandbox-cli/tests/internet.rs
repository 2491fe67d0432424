//! Lists of hosts, tried by everyday programs on an internet of the test's own.
//!
//! Theory of operation. This process leaves the host's network before it has a thread: it enters a
//! network and a mount namespace, and as an ordinary user a user namespace around them, with its own
//! number in it. One of its threads goes on into a second network, which is the internet: every
//! address in the world is local there, so whatever is sent arrives and is seen. Servers are further
//! threads of that one. The two networks are joined by a pair of interfaces and by nothing else, so
//! no packet can leave the machine, whatever goes wrong.
//!
//! The binary under test runs in the first network, as on any host: its resolver asks the internet's
//! name server, its gateway dials the internet's addresses. What a policy does not list exists there
//! too and would answer, so that only the sandbox can be the reason why nothing comes. A capture of
//! all packets is looked at when everything else is done: no refused name and no refused address may
//! be in it.
//!
//! Everything is tried twice: with connections diverted, and as on a kernel without nf_tables, which
//! a filter on the launcher makes it believe that it has (`sys.rs`).

#[cfg(target_os = "linux")]
mod networks;
#[cfg(target_os = "linux")]
mod support;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    networks::main()
}

/// Lists of hosts are held by namespaces alone.
#[cfg(not(target_os = "linux"))]
fn main() {}
