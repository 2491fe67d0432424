//! `bench --network`: the way out of a sandbox with a host list, beside a plain network and beside a
//! proxy that clients have to know of.
//!
//! Theory of operation. Two networks are made, *near* and *far*, with a veth pair between them and no
//! way to anywhere else ([`stage`]). A server runs in the far one. One and the same client runs in
//! three ways: in the near network, which is the plain pair; in a sandbox that was started there, whose
//! gateway dials over the pair; and in the near network through a proxy there, which copies in user
//! space and dials over the pair. All three are measured in rounds, whose order rotates.
//!
//! Every part is a process of this program's own, and speaks the protocol of [`worker`](super::worker).
//! They end when their standard input does, and the networks with them.

mod client;
mod proxy;
mod report;
mod server;
mod stage;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::stats::Summary;
use super::worker::Worker;
use crate::workspace::Workspace;
use report::{Findings, MEASURES, Memory};
use stage::Stage;

/// Rounds that are counted, and how many launches each has.
const ROUNDS: usize = 20;
const LAUNCHES: usize = 5;

/// Rounds that are run and not counted.
const WARM_UP: usize = 1;

/// How long the gateway is left alone before its memory is read.
const REST: Duration = Duration::from_millis(300);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    role: Role,
}

/// What one process does.
#[derive(clap::Subcommand)]
enum Role {
    /// Measures, in the near network
    Measure(Given),
    /// Serves, in the far network
    Server,
    /// Forwards, in the near network
    Proxy,
    /// Talks to the server
    Client {
        /// Through this proxy
        #[arg(long)]
        proxy: Option<SocketAddr>,
    },
}

#[derive(clap::Args)]
struct Given {
    /// The release binary of the command line
    #[arg(long)]
    sandbox: PathBuf,
    #[arg(long)]
    rounds: usize,
    #[arg(long)]
    json: bool,
}

/// Builds what is measured, and goes on in a network without anything.
pub(super) fn start(args: &super::Args) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let rounds = args.iterations.unwrap_or(ROUNDS);
    ensure!(rounds > 0, "no rounds, no results");
    let sandbox = crate::dist::build(&workspace)?;
    // Optimised, so that client and server are not what is measured.
    let mut command = stage::in_new_network(&workspace.quick_binary()?, true)?;
    command.args(["bench-network", "measure", "--sandbox"]).arg(sandbox);
    command.args(["--rounds", &rounds.to_string()]);
    if args.json {
        command.arg("--json");
    }
    let status = command.stdin(Stdio::null()).status().context("run unshare")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One of the processes.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let served = match &args.role {
        Role::Measure(given) => return measure(given).map(|()| ExitCode::SUCCESS),
        Role::Server => server::run(),
        Role::Proxy => proxy::run(),
        Role::Client { proxy } => client::run(*proxy),
    };
    if let Err(error) = served {
        println!("error: {error:#}");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(given: &Given) -> Result<()> {
    let xtask = std::env::current_exe().context("find this program")?;
    let _stage = Stage::set_up(&xtask)?;
    let memory = memory(&given.sandbox, &xtask)?;
    let findings = Findings {
        rounds: given.rounds,
        times: carry(given, &xtask)?,
        launches: launches(given)?,
        memory,
    };
    match given.json {
        true => println!("{}", findings.to_json()?),
        false => print!("{}", findings.table()),
    }
    Ok(())
}

/// For each measure the time of each way.
fn carry(given: &Given, xtask: &Path) -> Result<Vec<Vec<Summary>>> {
    let mut proxy = Worker::spawn(role(xtask, "proxy")).context("start the proxy")?;
    let mut through_proxy = role(xtask, "client");
    through_proxy.args(["--proxy", &proxy.ask("where")?]);
    let mut ways = [
        Worker::spawn(role(xtask, "client")).context("start the plain client")?,
        gateway(&given.sandbox, xtask)?,
        Worker::spawn(through_proxy).context("start the proxy's client")?,
    ];
    let mut times = vec![vec![Vec::new(); ways.len()]; MEASURES.len()];
    for round in 0..WARM_UP + given.rounds {
        for (measure, times) in MEASURES.iter().zip(&mut times) {
            for place in 0..ways.len() {
                let way = (place + round) % ways.len();
                let time = ways[way].time(measure.request).context(measure.label)?;
                if round >= WARM_UP {
                    times[way].push(time);
                }
            }
        }
    }
    Ok(times.iter().map(|ways| ways.iter().map(|times| Summary::of(times)).collect()).collect())
}

fn role(xtask: &Path, role: &str) -> Command {
    let mut command = Command::new(xtask);
    command.args(["bench-network", role]);
    command
}

/// A client in a sandbox that may reach the server and nobody else.
fn gateway(sandbox: &Path, xtask: &Path) -> Result<Worker> {
    let mut command = sandboxed(sandbox, true);
    command.arg("--read").arg(xtask).arg("--").arg(xtask).args(["bench-network", "client"]);
    Worker::spawn(command).context("start a client in a sandbox")
}

fn sandboxed(sandbox: &Path, has_hosts: bool) -> Command {
    let mut command = Command::new(sandbox);
    command.arg("run");
    if has_hosts {
        let rule = format!(r#"{{"host":"{}","private":true}}"#, stage::server());
        command.args(["--allow-host", &rule]);
    }
    command
}

/// Launches of `true` without a network, and with a host list.
fn launches(given: &Given) -> Result<[Summary; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..(WARM_UP + given.rounds) * LAUNCHES {
        for place in 0..2 {
            let has_hosts = (place + round) % 2 == 1;
            let mut command = sandboxed(&given.sandbox, has_hosts);
            command.args(["--", "true"]).stdin(Stdio::null());
            let start = Instant::now();
            let status = command.status().context("run sandbox")?;
            let time = start.elapsed();
            ensure!(status.success(), "sandbox run: {status}");
            if round >= WARM_UP * LAUNCHES {
                times[usize::from(has_hosts)].push(time);
            }
        }
    }
    Ok(times.map(|times| Summary::of(&times)))
}

/// What a gateway holds resident, with more and more to do.
fn memory(sandbox: &Path, xtask: &Path) -> Result<Memory> {
    let mut client = gateway(sandbox, xtask)?;
    let before = resident_kib(client.id())?;
    client.time("hold")?;
    let idle = resident_kib(client.id())?;
    client.time("traffic")?;
    Ok(Memory { before, idle, after: resident_kib(client.id())? })
}

/// In KiB (proc_pid_status(5)).
fn resident_kib(process: u32) -> Result<u64> {
    std::thread::sleep(REST);
    let file = format!("/proc/{process}/status");
    let text = fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    number.with_context(|| format!("{file} has no VmRSS"))
}
