//! What the network policy denies cannot be reached; what it grants can.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::capability::Enforcement;
use crate::capability::Feature::{self, NetworkAllowList, NetworkDeny, UnixSockets};
use crate::conformance::context::{Context, all_refused, at, ensure};
use crate::conformance::{Case, Stop, Verdict};
use crate::egress::Level;
use crate::error::SandboxError;
use crate::policy::PolicyBuilder;
use crate::policy::network::{MinimumLevel, NetworkPolicy};

pub(super) const CASES: &[Case] = &[
    Case::promise("network::tcp_is_refused", &[NetworkDeny], tcp_v4),
    Case::promise("network::tcp_over_ipv6_is_refused", &[NetworkDeny], tcp_v6),
    Case::promise("network::udp_is_refused", &[NetworkDeny], udp).gap(&["UDP", "udp"]),
    Case::promise("network::unix_sockets_of_the_host_are_refused", &[UnixSockets], unix)
        .gap(&["unix", "socket"]),
    Case::promise("network::unix_datagrams_to_the_host_are_refused", &[UnixSockets], unix_datagram)
        .gap(&["unix", "socket"]),
    Case::promise(
        "network::abstract_sockets_of_the_host_are_refused",
        &[UnixSockets],
        abstract_socket,
    )
    .gap(&["abstract"]),
    Case::promise("network::hosts_that_no_rule_lists_are_refused", &[NetworkAllowList], unlisted),
    Case::promise(
        "network::datagrams_that_no_rule_lists_are_lost",
        &[NetworkAllowList],
        unlisted_udp,
    ),
    Case::works("network::a_listed_host_is_reached", listed).under(&[NetworkAllowList]),
    Case::promise("network::without_a_proxy_the_level_holds", &[NetworkAllowList], unproxied),
    Case::works("network::a_demanded_level_is_reached_or_refused", level)
        .under(&[NetworkAllowList]),
    Case::works("network::own_socket_pairs_work", own_pairs),
    Case::works("network::own_servers_work", own_server).under(&[NetworkDeny]),
    Case::works("network::own_unix_servers_work", own_unix_server).under(&[UnixSockets]),
    Case::works("network::unrestricted_reaches_the_host", unrestricted),
];

/// Counts who came, and greets them.
struct Contacts(Arc<AtomicUsize>);

impl Contacts {
    fn none(&self) -> Verdict {
        // Whoever came just now is counted by another thread.
        thread::sleep(Duration::from_millis(50));
        let count = self.0.load(Ordering::Relaxed);
        ensure(count == 0, || format!("the host's server was contacted {count} times"))
    }
}

/// Serves until the process ends: the listener lives in its thread.
fn serve<S: Write + 'static>(
    mut accept: impl FnMut() -> std::io::Result<S> + Send + 'static,
) -> Contacts {
    let count = Arc::new(AtomicUsize::new(0));
    let contacts = Contacts(Arc::clone(&count));
    thread::spawn(move || {
        while let Ok(mut stream) = accept() {
            count.fetch_add(1, Ordering::Relaxed);
            // A visitor may leave before the greeting.
            let _ = stream.write_all(b"host");
        }
    });
    contacts
}

fn tcp(cx: &Context<'_>, address: &str) -> Verdict {
    let Ok(listener) = TcpListener::bind(address) else {
        return Err(Stop::Skipped(format!("this machine has no {address}")));
    };
    let to = listener.local_addr()?.to_string();
    let contacts = serve(move || listener.accept().map(|(stream, _)| stream));
    cx.ask_one(cx.policy()?, &["tcp", &to])?.refused()?;
    contacts.none()
}

fn tcp_v4(cx: &Context<'_>) -> Verdict {
    tcp(cx, "127.0.0.1:0")
}

fn tcp_v6(cx: &Context<'_>) -> Verdict {
    tcp(cx, "[::1]:0")
}

fn udp(cx: &Context<'_>) -> Verdict {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    // Inside, sending may seem to work: a network of its own swallows it.
    cx.ask_one(cx.policy()?, &["udp", &socket.local_addr()?.to_string()])?;
    let came = socket.recv(&mut [0; 8]).is_ok();
    ensure(!came, || "the datagram reached the host".into())
}

/// A policy that lists one server of the host's.
fn listing(cx: &Context<'_>, server: &str) -> Result<PolicyBuilder, Stop> {
    let rule = format!(r#"{{"host":"{server}","private":true}}"#);
    Ok(cx.policy()?.allow_hosts([rule])?)
}

fn listed(cx: &Context<'_>) -> Verdict {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?.to_string();
    let _contacts = serve(move || listener.accept().map(|(stream, _)| stream));
    cx.ask_one(listing(cx, &to)?, &["reach", &to])?.says("host")
}

/// The same address with another port, other addresses, and the other family.
fn unlisted(cx: &Context<'_>) -> Verdict {
    let known = TcpListener::bind("127.0.0.1:0")?;
    for address in ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let to = listener.local_addr()?.to_string();
        let contacts = serve(move || listener.accept().map(|(stream, _)| stream));
        let policy = listing(cx, &known.local_addr()?.to_string())?;
        let answers = cx.ask(policy, &[&["tcp", &to], &["reach", &to]])?;
        all_refused(&answers)?;
        contacts.none()?;
    }
    Ok(())
}

/// A program that heeds no variables reaches as much as the level says: all that is listed, or nothing.
fn unproxied(cx: &Context<'_>) -> Verdict {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?.to_string();
    let contacts = serve(move || listener.accept().map(|(stream, _)| stream));
    let answer = cx.ask_one(listing(cx, &to)?, &["tcp", &to])?;
    if cx.capabilities().egress == Some(Level::Transparent) {
        return answer.says("host");
    }
    answer.refused()?;
    contacts.none()
}

/// A policy says for how many programs its list has to hold.
fn level(cx: &Context<'_>) -> Verdict {
    let request = cx.request(&[&["cwd"]]);
    let reached = cx.capabilities().egress;
    for minimum in [MinimumLevel::Transparent, MinimumLevel::ProxyAwareOnly] {
        let policy = listing(cx, "127.0.0.1:1")?.minimum_level(minimum);
        let enough = reached.as_ref().is_some_and(|level| minimum.is_reached_by(level));
        let refused = match cx.attempt(policy, &request)? {
            Ok(_) => false,
            Err(SandboxError::LevelNotReached { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        ensure(refused != enough, || format!("{minimum} of {reached:?}: refused is {refused}"))?;
    }
    Ok(())
}

fn unlisted_udp(cx: &Context<'_>) -> Verdict {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    // The same address and port: the rule is for TCP.
    let socket = UdpSocket::bind(to)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    cx.ask_one(listing(cx, &to.to_string())?, &["udp", &to.to_string()])?;
    ensure(socket.recv(&mut [0; 8]).is_err(), || "the datagram reached the host".into())
}

fn unix(cx: &Context<'_>) -> Verdict {
    let mut answers = Vec::new();
    // Even where files are readable or writable, a service of the host is out of reach.
    for (folder, name) in [(&cx.ws, "socket"), (&cx.out, "sub/socket"), (&cx.ro, "sub/socket")] {
        let listener = UnixListener::bind(folder.join(name))?;
        let contacts = serve(move || listener.accept().map(|(stream, _)| stream));
        answers.push((at(folder, name), contacts));
    }
    for (path, contacts) in answers {
        cx.ask_one(cx.policy()?, &["unix", &path])?.refused()?;
        contacts.none()?;
    }
    Ok(())
}

fn unix_datagram(cx: &Context<'_>) -> Verdict {
    let socket = UnixDatagram::bind(cx.out.join("sub/datagrams"))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let answer = cx.ask_one(cx.policy()?, &["unix-datagram", &at(&cx.out, "sub/datagrams")])?;
    ensure(socket.recv(&mut [0; 8]).is_err(), || "the datagram reached the host".into())?;
    answer.refused()
}

fn abstract_socket(cx: &Context<'_>) -> Verdict {
    let name = at(&cx.root, "abstract");
    let name = name.rsplit_once("world-").map_or(name.as_str(), |(_, tail)| tail);
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    let contacts = serve(move || listener.accept().map(|(stream, _)| stream));
    cx.ask_one(cx.policy()?, &["abstract", name])?.refused()?;
    contacts.none()
}

fn own_pairs(cx: &Context<'_>) -> Verdict {
    cx.ask_one(cx.policy()?, &["unix-pair"])?.says("pair")
}

/// What a tier without a network of its own cannot tell from the host's.
fn own(cx: &Context<'_>, feature: Feature, command: &[&str]) -> Verdict {
    let answer = cx.ask_one(cx.policy()?, command)?;
    let by = match cx.capabilities().features.get(&feature) {
        Some(Enforcement::Full { by } | Enforcement::Partial { by, .. }) => by.to_string(),
        _ => String::new(),
    };
    if answer.said.is_err() && !by.contains("namespace") {
        return Err(Stop::Skipped(format!("its own is refused like the host's, by {by}")));
    }
    answer.allowed().map(drop)
}

fn own_server(cx: &Context<'_>) -> Verdict {
    own(cx, NetworkDeny, &["own-server"])
}

fn own_unix_server(cx: &Context<'_>) -> Verdict {
    own(cx, UnixSockets, &["own-unix-server", &at(&cx.ws, "own")])
}

fn unrestricted(cx: &Context<'_>) -> Verdict {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?.to_string();
    let _contacts = serve(move || listener.accept().map(|(stream, _)| stream));
    let policy = cx.policy()?.network(NetworkPolicy::Unrestricted);
    cx.ask_one(policy, &["tcp", &to])?.says("host")
}
