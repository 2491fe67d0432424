//! The two networks, and how the binary is run in the first one.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::thread;

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::UnshareFlags;
use serde_json::Value;
use tempfile::TempDir;

use super::capture::Capture;
use super::harness::Tested;
use super::netlink::{Network, index};
use super::servers::{Seen, certificates, listen, serve};
use super::sys;
use super::zone::{Asked, ECHO, ECHO_V6, OWN, OWN_V6, SERVER, WEB};
use crate::support::{Outcome, folder, run, sandbox};

/// What the internet's side of the pair is called there.
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(45, 0, 0, 1));
const ROUTER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a00, 1, 0, 0, 0, 0, 0, 1));

type Made<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How connections are taken in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Diverted,
    ByPort,
}

pub(crate) const MEANS: [Means; 2] = [Means::Diverted, Means::ByPort];

impl Means {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Diverted => "diverted",
            Self::ByPort => "by_port",
        }
    }

    /// Has a command find this means.
    pub(crate) fn prepare(self, command: &mut Command) -> &mut Command {
        if self == Self::ByPort {
            sys::without_nf_tables(command);
        }
        command
    }
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) has_v6: bool,
    pub(crate) seen: Seen,
    pub(crate) asked: Asked,
    pub(crate) capture: Capture,
    /// Connections to the launcher's own host.
    pub(crate) at_home: Arc<AtomicUsize>,
    /// What the binary says about each of the means.
    health: [Result<String, String>; 2],
}

impl World {
    /// Leaves the host's network, and makes the internet.
    pub(crate) fn enter() -> Made<Self> {
        let folder = folder();
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // The servers are this process.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        leave_the_host().map_err(|error| format!("new namespaces: {error}"))?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        cover(folder.path())?;
        let network = Network::new()?;
        network.up(index("lo")?)?;
        let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let (asked, capture, seen) = internet(&network, folder.path(), has_v6)?;
        let at_home = Arc::<AtomicUsize>::default();
        // What must not be reached is there as well.
        listen(has_v6, 80, &at_home, |_| Ok(()))?;
        let health = MEANS.map(doctor);
        Ok(Self { folder, has_v6, seen, asked, capture, at_home, health })
    }

    /// A path below the folder that sandboxes can read.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `sandbox run`, with these rules, for a command.
    pub(crate) fn command(&self, means: Means, rules: &[&str], words: &[&str]) -> Command {
        self.command_with(means, rules, &[], words)
    }

    /// The same with further options.
    pub(crate) fn command_with(
        &self,
        means: Means,
        rules: &[&str],
        options: &[&str],
        words: &[&str],
    ) -> Command {
        let own = std::env::current_exe().expect("this program");
        let mut command = sandbox(["run", "--read"]);
        command.arg(own).arg("--read").arg(self.folder.path());
        for rule in rules {
            command.args(["--allow-host", rule]);
        }
        command.args(options).arg("--").args(words);
        means.prepare(&mut command);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, means: Means, rules: &[&str], words: &[&str]) -> Outcome {
        run(&mut self.command(means, rules, words))
    }

    /// What the copy of this program says in a sandbox, line by line.
    #[track_caller]
    pub(crate) fn inside(&self, means: Means, rules: &[&str], orders: &[&str]) -> Vec<String> {
        let own = std::env::current_exe().expect("this program");
        let words = [own.to_str().expect("a path in UTF-8"), super::inside::MARK];
        let outcome = self.run(means, rules, &[&words, orders].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.text().lines().map(String::from).collect()
    }

    /// Whether this machine has the means.
    pub(crate) fn supports(&self, means: Means) -> Tested {
        let found = &self.health[means as usize];
        match (means, found.as_ref().map(String::as_str)) {
            (Means::Diverted, Ok("works")) | (Means::ByPort, Ok("works" | "partial")) => Ok(()),
            _ => Err(format!("host lists: {found:?}")),
        }
    }

    /// That the filter makes a difference, and which.
    pub(crate) fn check(&self, means: Means) -> Tested {
        let expected = if means == Means::Diverted { "works" } else { "partial" };
        assert_eq!(self.health[means as usize].as_deref(), Ok(expected));
        Ok(())
    }
}

/// What the binary says about lists of hosts here.
fn doctor(means: Means) -> Result<String, String> {
    let answer = run(means.prepare(&mut sandbox(["doctor", "--json"]))).json();
    let checks = answer["checks"].as_array().cloned().unwrap_or_default();
    let check = checks.iter().find(|check| check["name"] == "host lists");
    let health = check.and_then(|check| check["health"].as_str());
    match health {
        Some(health @ ("works" | "partial")) => Ok(health.into()),
        _ => Err(check.map_or_else(|| answer.to_string(), Value::to_string)),
    }
}

/// New namespaces, in which an ordinary user keeps the own number.
fn leave_the_host() -> io::Result<()> {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    let both = UnshareFlags::NEWNET | UnshareFlags::NEWNS;
    if user.is_root() && sys::unshare(both).is_ok() {
        return Ok(());
    }
    sys::unshare(both | UnshareFlags::NEWUSER)?;
    let (user, group) = (user.as_raw(), group.as_raw());
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Files of the system that say where names are looked up, and who the user is.
fn cover(folder: &Path) -> io::Result<()> {
    let user = rustix::process::getuid().as_raw();
    let mut users = fs::read_to_string("/etc/passwd")?;
    if !users.lines().any(|line| line.split(':').nth(2) == Some(&user.to_string())) {
        // Without a name, ssh does not start.
        users += &format!("tester:x:{user}:{user}::/nowhere:/bin/sh\n");
    }
    let resolver = format!("nameserver {SERVER}\noptions timeout:2 attempts:2\n");
    // No service of the host may be asked: it would ask the host's network.
    let order = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let order = order.lines().filter(|line| !line.starts_with("hosts:"));
    let order = order.chain(["hosts: files dns"]).collect::<Vec<_>>().join("\n");
    for (name, text) in [("resolv.conf", &resolver), ("nsswitch.conf", &order), ("passwd", &users)]
    {
        let (file, covered) = (folder.join(name), Path::new("/etc").join(name));
        fs::write(&file, text)?;
        let named = |error: io::Error| io::Error::other(format!("{}: {error}", covered.display()));
        mount_bind(&file, &covered).map_err(|error| named(error.into()))?;
    }
    Ok(())
}

/// Makes the second network by a thread that goes on into it, and whose threads are its servers.
fn internet(network: &Network, folder: &Path, has_v6: bool) -> Made<(Asked, Capture, Seen)> {
    let (tell_place, place) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    let (tls, authority) = certificates().map_err(|error| error.to_string())?;
    fs::write(folder.join("ca.pem"), authority)?;
    let folder = folder.to_path_buf();
    let made = thread::spawn(move || -> Made<_> {
        sys::unshare(UnshareFlags::NEWNET)?;
        tell_place.send(File::open("/proc/thread-self/ns/net")?)?;
        goes_on.recv()?;
        furnish(has_v6)?;
        let capture = Capture::start()?;
        Ok((Asked::serve()?, capture, serve(&folder, tls, has_v6)?))
    });
    let paired = place.recv().map(|place| network.pair("out", "in", &place));
    let own = paired.map_or(Ok(()), |paired| paired.and_then(|()| lead_out(network, has_v6)));
    // If this side failed, the other one ends without a word.
    own?;
    go_on.send(())?;
    made.join().map_err(|_| "the internet's thread panicked")?
}

/// The launcher's side: one address of each family, everything else by the router.
fn lead_out(network: &Network, has_v6: bool) -> io::Result<()> {
    let out = index("out")?;
    network.address(out, OWN, 24)?;
    if has_v6 {
        network.address(out, OWN_V6, 64)?;
    }
    network.up(out)?;
    network.default_by(ROUTER)?;
    if has_v6 { network.default_by(ROUTER_V6) } else { Ok(()) }
}

/// The internet's side: every address is here.
fn furnish(has_v6: bool) -> io::Result<()> {
    let network = Network::new()?;
    let (inward, loopback) = (index("in")?, index("lo")?);
    network.address(inward, ROUTER, 24)?;
    // Sockets for datagrams answer from the address that they are bound to, so they need one.
    for address in [SERVER, WEB, ECHO] {
        network.address(loopback, address, 32)?;
    }
    if has_v6 {
        network.address(inward, ROUTER_V6, 64)?;
        network.address(loopback, ECHO_V6, 128)?;
    }
    network.up(loopback)?;
    network.up(inward)?;
    network.everything_is_here(ROUTER, loopback)?;
    if has_v6 { network.everything_is_here(ROUTER_V6, loopback) } else { Ok(()) }
}
