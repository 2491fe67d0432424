//! One way out: making it, changing its rules, ending it.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ipnet::IpNet;
use sandbox_core::confine::Egress;
use sandbox_core::egress::decision::Log;
use sandbox_core::egress::gateway::{Gateway, Mode};
use sandbox_core::egress::injection::Injection;
use sandbox_core::egress::{HostRule, Level, Names, Protocol, Range, Rules};
use sandbox_core::{Result, SandboxError};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::conduits::with_pipes;
use super::datagrams::Port;
use super::dns::{self, Zone};
use super::listen::DNS;
use super::sockets::Sockets;
use super::{Options, WayOut, listen, nftables, routes};

/// The way out of one sandbox.
#[derive(Debug)]
pub(crate) struct Way {
    zone: Arc<Zone>,
    log: Arc<Log>,
    runtime: Handle,
    /// Until the end.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    range: Range,
    sockets: Sockets,
    taking: Taking,
    /// The blocks that are local.
    blocks: BTreeSet<IpNet>,
    /// The UDP ports that are served.
    udp: BTreeSet<u16>,
    gateway: Arc<Gateway>,
    /// The servers that answer names; they end with this.
    _names: JoinSet<()>,
}

/// How connections are taken.
#[derive(Debug)]
enum Taking {
    /// By one listener of each family, which all are diverted to.
    Diverted(Vec<SocketAddr>),
    /// By a listener for each of these ports.
    Ports(BTreeSet<u16>),
}

impl Way {
    /// Makes one of a network's sockets, whose requests get these credentials. What it serves runs on the
    /// current runtime.
    ///
    /// # Errors
    /// The step that failed; a rule that this machine has no means for.
    pub(crate) fn open(
        mut sockets: Sockets,
        rules: &[HostRule],
        options: &Options,
        injection: Option<Arc<Injection>>,
    ) -> Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other);
        let runtime = runtime.map_err(SandboxError::io("finding the runtime of the way out"))?;
        let rules = Rules::new(rules);
        let range = Range::default();
        let range = if sockets.has_v6() { range } else { range.without_v6() };
        routes::set_up(&sockets.routes, range).map_err(step("set the routes of the way out"))?;
        let names = Arc::new(Mutex::new(Names::new(range)));
        let gateway = Gateway::setup("", rules.clone()).names(Arc::clone(&names));
        let gateway = with_pipes(gateway.injection(injection));
        let gateway = Arc::new((options.gateway)(gateway).start());
        let zone = Arc::new(Zone::new(rules.clone(), names, &gateway));
        let servers = serve_names(&mut sockets, range, &zone).map_err(step("answer names"))?;
        let taking = match divert(&mut sockets, &rules, range, options) {
            Ok(listeners) => serve_diverted(&gateway, listeners).map_err(step("divert"))?,
            Err(why) => {
                check_ports(&rules, &why)?;
                Taking::Ports(BTreeSet::new())
            }
        };
        let log = Arc::clone(gateway.log());
        let (blocks, udp) = (BTreeSet::new(), BTreeSet::new());
        let mut state = State { range, sockets, taking, blocks, udp, gateway, _names: servers };
        state.widen(&rules)?;
        Ok(Self { zone, log, runtime, state: Mutex::new(Some(state)) })
    }

    /// Whether connections are diverted, whatever their port.
    pub(crate) fn is_diverted(&self) -> bool {
        self.lock().as_ref().is_some_and(|state| matches!(state.taking, Taking::Diverted(_)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl WayOut for Way {
    fn close(&self) {
        drop(self.lock().take());
    }

    async fn stop(&self) {
        let state = self.lock().take();
        if let Some(state) = state {
            state.gateway.stop().await;
        }
    }
}

impl Egress for Way {
    fn level(&self) -> Level {
        Level::Transparent
    }

    fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }

    fn set_rules(&self, rules: &[HostRule]) -> Result<()> {
        let _entered = self.runtime.enter();
        let rules = Rules::new(rules);
        let mut state = self.lock();
        let gone = || SandboxError::io("changing the rules")(ErrorKind::NotConnected.into());
        let state = state.as_mut().ok_or_else(gone)?;
        if let Taking::Ports(_) = &state.taking {
            check_ports(&rules, &ErrorKind::Unsupported.into())?;
        }
        state.widen(&rules)?;
        state.divert_again(&rules)?;
        // Names first: who sees the gateway change finds them changed.
        self.zone.set_rules(rules.clone());
        state.gateway.set_rules(rules.clone());
        state.narrow(&rules)
    }
}

impl State {
    /// Makes what rules need beside what is there. The gateway does not know them yet, so that
    /// nothing more is allowed by it.
    fn widen(&mut self, rules: &Rules) -> Result<()> {
        let listed = routes::listed(rules, self.range.has_v6());
        let new = listed.difference(&self.blocks).copied().collect();
        routes::add(&self.sockets.routes, &new, self.range).map_err(of_block)?;
        self.blocks.extend(new);
        if let Taking::Ports(known) = &mut self.taking {
            for port in rules.ports(Protocol::Tcp).0.difference(&known.clone()).copied() {
                for own in own(self.range) {
                    let at = (listen::any(own), port).into();
                    let listener = listen::tcp(&mut self.sockets, at).map_err(of_port(port))?;
                    self.gateway.serve(listener, Mode::Transparent);
                }
                known.insert(port);
            }
        }
        for number in rules.ports(Protocol::Udp).0.difference(&self.udp.clone()).copied() {
            for own in own(self.range) {
                let socket = listen::everywhere(&mut self.sockets, own, number);
                let socket = socket.map_err(of_port(number))?;
                self.gateway.serve_datagrams(Arc::new(Port { socket, number }));
            }
            self.udp.insert(number);
        }
        Ok(())
    }

    /// Diverts what these rules know, and no more what others did.
    fn divert_again(&mut self, rules: &Rules) -> Result<()> {
        match (&self.taking, &self.sockets.filters) {
            (Taking::Diverted(to), Some(filters)) => {
                let diverted = nftables::divert_again(filters, rules, self.range, to);
                diverted.map_err(step("divert connections"))
            }
            _ => Ok(()),
        }
    }

    /// Takes back what no rule lists any more.
    fn narrow(&mut self, rules: &Rules) -> Result<()> {
        let listed = routes::listed(rules, self.range.has_v6());
        let old = self.blocks.difference(&listed).copied().collect();
        routes::remove(&self.sockets.routes, &old, self.range).map_err(of_block)?;
        self.blocks = listed;
        Ok(())
    }
}

/// Names what was being done when something failed.
fn step(step: impl Into<String>) -> impl FnOnce(io::Error) -> SandboxError {
    let step = step.into();
    move |source| SandboxError::Launch { step, source }
}

fn of_port(port: u16) -> impl FnOnce(io::Error) -> SandboxError {
    step(format!("listen on port {port} of the way out"))
}

fn of_block((block, error): (IpNet, io::Error)) -> SandboxError {
    step(format!("set the route of {block}"))(error)
}

/// The network's own addresses.
fn own(range: Range) -> impl Iterator<Item = IpAddr> {
    let own = range.own();
    let v6 = range.has_v6().then_some(own.v6.into());
    std::iter::once(own.v4.into()).chain(v6)
}

/// Answers names, also at the address that resolvers ask when nothing tells them another.
fn serve_names(sockets: &mut Sockets, range: Range, zone: &Arc<Zone>) -> io::Result<JoinSet<()>> {
    let mut servers = JoinSet::new();
    for at in own(range).chain([Ipv4Addr::LOCALHOST.into()]) {
        let socket = listen::udp(sockets, (at, DNS).into())?;
        servers.spawn(dns::serve_datagrams(Arc::clone(zone), socket));
        let listener = listen::tcp(sockets, (at, DNS).into())?;
        servers.spawn(dns::serve(Arc::clone(zone), listener));
    }
    Ok(servers)
}

/// The listeners that everything is diverted to.
fn divert(
    sockets: &mut Sockets,
    rules: &Rules,
    range: Range,
    options: &Options,
) -> io::Result<Vec<TcpListener>> {
    if !options.may_divert {
        return Err(ErrorKind::Unsupported.into());
    }
    let listeners = own(range).map(|own| listen::diverted(sockets, own));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let places = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
    let filters = sockets.filters.as_ref().ok_or(ErrorKind::Unsupported)?;
    nftables::divert(filters, rules, range, &places)?;
    Ok(listeners)
}

fn serve_diverted(gateway: &Gateway, listeners: Vec<TcpListener>) -> io::Result<Taking> {
    let places = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
    for listener in listeners {
        gateway.serve(listener, Mode::Transparent);
    }
    Ok(Taking::Diverted(places))
}

/// What takes a listener for each port has to know the ports.
fn check_ports(rules: &Rules, why: &io::Error) -> Result<()> {
    let (ports, any) = rules.ports(Protocol::Tcp);
    let what = match any {
        true => "host rules for every port (`host:*`): list the ports",
        false if ports.contains(&DNS) => "host rules for TCP port 53",
        false => return Ok(()),
    };
    let operation = format!("{what}, or use a kernel with nf_tables and TPROXY ({why})");
    Err(SandboxError::Unsupported { backend: "linux".into(), operation })
}
