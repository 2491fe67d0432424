//! Ways out that are no connections to addresses.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::harness::Tested;
use super::world::{Means, World};
use crate::support::folder;

/// Families, kinds and protocols of sockets that reach further than a connection does, and what a
/// program is told. Where the kernel has them, who is outside can make nearly all.
#[rustfmt::skip]
const KINDS: &[(&str, [i32; 3], &str)] = &[
    ("vsock", [libc::AF_VSOCK, libc::SOCK_STREAM, 0], "no family"),
    ("raw", [libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP], "permission"),
    ("raw, IPv6", [libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6], "permission"),
    ("packet", [libc::AF_PACKET, libc::SOCK_RAW, 0], "no family"),
    ("packet datagrams", [libc::AF_PACKET, libc::SOCK_DGRAM, 0], "no family"),
    ("kernel's ciphers", [libc::AF_ALG, libc::SOCK_SEQPACKET, 0], "no family"),
    ("Bluetooth", [libc::AF_BLUETOOTH, libc::SOCK_RAW, 1], "no family"),
    ("express data path", [libc::AF_XDP, libc::SOCK_RAW, 0], "no family"),
    ("SCTP", [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP], "no protocol"),
    ("multipath TCP", [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP], "no protocol"),
];

pub(crate) fn other_kinds(world: &World, means: Means) -> Tested {
    let order = |(_, [family, kind, protocol], _): &(&str, [i32; 3], &str)| {
        format!("socket {family} {kind} {protocol}")
    };
    let orders: Vec<String> = KINDS.iter().map(order).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).chain(["io_uring"]).collect();
    let told = world.inside(means, &["web.test"], &orders);
    assert_eq!(told.len(), orders.len(), "{told:?}");
    let expected =
        KINDS.iter().map(|(name, _, told)| (*name, *told)).chain([("io_uring", "no call")]);
    for ((name, expected), told) in expected.zip(&told) {
        assert_eq!(told, expected, "{name}");
    }
    Ok(())
}

/// A service that a host has; how often it was reached.
fn service(listener: UnixListener) -> Arc<AtomicUsize> {
    let reached = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&reached);
    thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    reached
}

pub(crate) fn of_the_host(world: &World, means: Means) -> Tested {
    let elsewhere = folder();
    let near = world.path(&format!("socket-{}", means.word()));
    let far = elsewhere.path().join("socket");
    let name = format!("internet-{}-{}", means.word(), std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let reached =
        [UnixListener::bind(&near), UnixListener::bind(&far), UnixListener::bind_addr(&address)]
            .map(|made| service(made.expect("a listener")));
    let unix = |path: &std::path::Path| format!("unix {}", path.display());
    let orders = [unix(&near), unix(&far), format!("abstract {name}")];
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    let told = world.inside(means, &["web.test"], &orders);
    let clear = ["refused", "no file", "access", "permission"];
    assert!(told.len() == 3 && told.iter().all(|it| clear.contains(&&**it)), "{told:?}");
    assert!(reached.iter().all(|it| it.load(Ordering::SeqCst) == 0), "{reached:?}");
    // They are there: who is outside reaches them.
    let own = std::env::current_exe().expect("this program");
    let outside = std::process::Command::new(own).arg(super::inside::MARK).args(&orders).output();
    let outside = outside.expect("this program's copy");
    assert_eq!(String::from_utf8_lossy(&outside.stdout), "reached\n".repeat(3));
    Ok(())
}
