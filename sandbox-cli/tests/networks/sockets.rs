//! Ways out that are no connections to addresses.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::harness::Tested;
use super::world::{Means, World};
use crate::support::folder;

/// Families, kinds and protocols of sockets that reach further than a connection does.
#[rustfmt::skip]
const KINDS: &[(&str, [i32; 3])] = &[
    ("vsock", [libc::AF_VSOCK, libc::SOCK_STREAM, 0]),
    ("raw", [libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP]),
    ("raw, IPv6", [libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6]),
    ("packet", [libc::AF_PACKET, libc::SOCK_RAW, 0]),
    ("packet datagrams", [libc::AF_PACKET, libc::SOCK_DGRAM, 0]),
    ("kernel's ciphers", [libc::AF_ALG, libc::SOCK_SEQPACKET, 0]),
    ("Bluetooth", [libc::AF_BLUETOOTH, libc::SOCK_RAW, 1]),
    ("express data path", [libc::AF_XDP, libc::SOCK_RAW, 0]),
    ("SCTP", [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP]),
    ("multipath TCP", [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP]),
];

pub(crate) fn other_kinds(world: &World, means: Means) -> Tested {
    let order = |(_, [family, kind, protocol]): &(&str, [i32; 3])| {
        format!("socket {family} {kind} {protocol}")
    };
    let orders: Vec<String> = KINDS.iter().map(order).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).chain(["io_uring"]).collect();
    let told = world.inside(means, &["web.test"], &orders);
    assert_eq!(told.len(), orders.len(), "{told:?}");
    for (name, told) in KINDS.iter().map(|(name, _)| *name).chain(["io_uring"]).zip(&told) {
        let clear = ["no family", "no protocol", "no call", "permission", "access"];
        assert!(clear.contains(&&**told), "{name}: {told}");
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
