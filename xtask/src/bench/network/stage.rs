//! The two networks and the server, in processes that are nobody else's.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::super::worker::Worker;
use crate::sys;
use crate::workspace::on_path;

/// The ends of the pair. They are private addresses, which a rule has to say.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);
const PREFIX: u8 = 30;

const PORT: u16 = 7001;

/// Where the server is.
pub(super) fn server() -> SocketAddr {
    (FAR, PORT).into()
}

/// The far network, for as long as the server in it lives.
pub(super) struct Stage {
    _server: Worker,
}

impl Stage {
    /// Makes the far network out of the near one.
    pub(super) fn set_up(xtask: &Path) -> Result<Self> {
        let mut command = in_new_network(xtask, false)?;
        command.args(["bench-network", "server"]);
        let mut server = Worker::spawn(command).context("start the server")?;
        ip(&["link", "set", "lo", "up"])?;
        let far = server.id().to_string();
        ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &far])?;
        bring_up("near", NEAR)?;
        ensure!(server.ask("serve")? == "serving", "the server does not serve");
        Ok(Self { _server: server })
    }
}

/// Brings the far end up, in the far network.
pub(super) fn bring_up_far() -> Result<()> {
    bring_up("far", FAR)
}

fn bring_up(link: &str, address: Ipv4Addr) -> Result<()> {
    ip(&["address", "add", &format!("{address}/{PREFIX}"), "dev", link])?;
    ip(&["link", "set", link, "up"])
}

/// A program in a network of its own. Who is not root takes for the `first` one a user namespace.
pub(super) fn in_new_network(program: &Path, first: bool) -> Result<Command> {
    let unshare = on_path("unshare").context("unshare (util-linux) is not on PATH")?;
    let mut command = Command::new(unshare);
    command.arg("--net");
    if first && !sys::is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.arg("--").arg(program);
    Ok(command)
}

fn ip(args: &[&str]) -> Result<()> {
    let ip = on_path("ip").context("ip (iproute2) is not on PATH")?;
    let output = Command::new(ip).args(args).stdin(Stdio::null()).output().context("run ip")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", args.join(" "), errors.trim());
    Ok(())
}
