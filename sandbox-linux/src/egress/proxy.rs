//! The way out of a payload that has no network of its own: a proxy on the host's loopback.
//!
//! Theory of operation. The payload's sockets lead to the loopback alone ([`supply`]), and Landlock
//! lets them connect to one port: the proxy's. So whatever it says goes through the core's gateway, which
//! speaks HTTP and SOCKS5 there. Variables tell programs of it; who does not heed them reaches nothing.
//!
//! Every user of the host can connect to that port, and so can other sandboxes that guess it. The
//! gateway serves who shows a key, which is new for each proxy and stands in those variables.
//!
//! Both loopback addresses are taken at this port, so that nobody else listens at the other.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener as Bound};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sandbox_core::confine::Egress;
use sandbox_core::egress::decision::Log;
use sandbox_core::egress::gateway::{Gateway, Mode};
use sandbox_core::egress::proxy::Key;
use sandbox_core::egress::{HostRule, Level, Protocol, Rules};
use sandbox_core::{Result, SandboxError};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::conduits::with_pipes;
use super::{Options, WayOut, supply};
use crate::sys;

/// How often another port is tried when somebody has one of a pair.
const TRIES: usize = 32;

/// The way out of one sandbox.
#[derive(Debug)]
pub(crate) struct Proxy {
    door: Door,
    log: Arc<Log>,
    runtime: Handle,
    /// Until the end.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    gateway: Gateway,
    /// What makes the payloads' sockets, one for each; they end with this.
    suppliers: JoinSet<()>,
}

/// What a payload has to know of its proxy.
#[derive(Debug)]
pub(crate) struct Door {
    /// The port that it may connect to.
    pub(crate) port: u16,
    /// The variables that tell programs.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Door {
    /// # Security
    /// The variables hold the key. They are the payload's own, in its own memory.
    fn new(port: u16, key: &Key) -> Self {
        let at = format!("{}@{}:{port}", key.userinfo(), Ipv4Addr::LOCALHOST);
        let (http, socks) = (format!("http://{at}"), format!("socks5h://{at}"));
        let both = |name: &str, value: &str| {
            [name.to_owned(), name.to_lowercase()].map(|name| (name.into(), value.into()))
        };
        let proxies = [("HTTP_PROXY", &*http), ("HTTPS_PROXY", &http), ("ALL_PROXY", &socks)];
        let all = proxies.into_iter().chain([("NO_PROXY", "")]);
        let mut variables: Vec<_> = all.flat_map(|(name, value)| both(name, value)).collect();
        variables.push(("NODE_USE_ENV_PROXY".into(), "1".into()));
        Self { port, variables }
    }

    /// One that leads nowhere, to show what a payload would get.
    pub(crate) fn example() -> Self {
        Self::new(0, &Key::new([0; Key::SIZE]))
    }

    /// Puts the variables in the place of those that have their names: another proxy could not be
    /// reached.
    pub(crate) fn tell(&self, environment: &mut Vec<(OsString, OsString)>) {
        environment.retain(|(name, _)| self.variables.iter().all(|(own, _)| own != name));
        environment.extend(self.variables.iter().cloned());
        environment.sort();
    }
}

impl Proxy {
    /// Opens one for these rules. What it serves runs on the current runtime.
    ///
    /// # Errors
    /// The step that failed; a rule that a proxy has no means for.
    pub(crate) fn open(rules: &[HostRule], options: &Options) -> Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other);
        let runtime = runtime.map_err(SandboxError::io("finding the runtime of the proxy"))?;
        let rules = checked(rules)?;
        let (port, listeners) = listen().map_err(SandboxError::io("listening as a proxy"))?;
        let mut random = [0; Key::SIZE];
        fill(&mut random).map_err(SandboxError::io("making the proxy's key"))?;
        let key = Key::new(random);
        let door = Door::new(port, &key);
        let gateway = with_pipes(Gateway::setup("", rules));
        let gateway = (options.gateway)(gateway).key(key).start();
        for listener in listeners {
            gateway.serve(listener, Mode::Proxy);
        }
        let log = Arc::clone(gateway.log());
        let state = State { gateway, suppliers: JoinSet::new() };
        Ok(Self { door, log, runtime, state: Mutex::new(Some(state)) })
    }

    /// What payloads are told.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Makes sockets for whoever is filtered, from here on; `listener` is the filter's.
    ///
    /// # Errors
    /// The runtime's refusal; the proxy has ended.
    pub(crate) fn supply(&self, listener: OwnedFd) -> Result<()> {
        let failed = || SandboxError::io("answering the filter");
        let _entered = self.runtime.enter();
        let mut state = self.lock();
        let gone = || failed()(ErrorKind::NotConnected.into());
        let suppliers = &mut state.as_mut().ok_or_else(gone)?.suppliers;
        while suppliers.try_join_next().is_some() {}
        let listener = sys::watch(listener).map_err(failed())?;
        suppliers.spawn(supply::serve(listener));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Egress for Proxy {
    fn level(&self) -> Level {
        Level::ProxyAwareOnly
    }

    fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }

    fn set_rules(&self, rules: &[HostRule]) -> Result<()> {
        let rules = checked(rules)?;
        let state = self.lock();
        let gone = || SandboxError::io("changing the rules")(ErrorKind::NotConnected.into());
        state.as_ref().ok_or_else(gone)?.gateway.set_rules(rules);
        Ok(())
    }
}

#[async_trait]
impl WayOut for Proxy {
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

/// The rules, if a proxy can keep them all.
fn checked(rules: &[HostRule]) -> Result<Rules> {
    match rules.iter().find(|rule| rule.protocol() == Protocol::Udp) {
        None => Ok(Rules::new(rules)),
        Some(rule) => Err(SandboxError::Unsupported {
            backend: "linux-landlock".into(),
            operation: format!(
                "host rules for UDP ({rule}), which no proxy carries: use the namespace tier"
            ),
        }),
    }
}

/// Listens at both loopback addresses, as far as this host has them, at a port that is free.
fn listen() -> io::Result<(u16, Vec<TcpListener>)> {
    let listener = |bound: Bound| {
        bound.set_nonblocking(true)?;
        TcpListener::from_std(bound)
    };
    for _ in 0..TRIES {
        let v4 = Bound::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = v4.local_addr()?.port();
        let v4 = listener(v4)?;
        match Bound::bind((Ipv6Addr::LOCALHOST, port)) {
            Ok(v6) => return Ok((port, vec![v4, listener(v6)?])),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            // A host without IPv6.
            Err(_) => return Ok((port, vec![v4])),
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut bytes[filled..], flags)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_in_the_place_of_what_they_were_told_before() {
        let door = Door::new(7, &Key::new([1; Key::SIZE]));
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let mut environment = vec![
            pair("A", "1"),
            pair("HTTP_PROXY", "http://elsewhere:3128"),
            pair("Http_Proxy", "kept"),
            pair("no_proxy", "*"),
        ];
        door.tell(&mut environment);
        let value = |name: &str| {
            let all: Vec<_> = environment.iter().filter(|(known, _)| known == name).collect();
            assert_eq!(all.len(), 1, "{name}");
            all[0].1.to_str().map(str::to_owned).unwrap_or_default()
        };
        let at = format!("sandbox:{}@127.0.0.1:7", "01".repeat(20));
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            assert_eq!(value(name), format!("http://{at}"));
        }
        assert_eq!(value("ALL_PROXY"), format!("socks5h://{at}"));
        assert_eq!(value("all_proxy"), value("ALL_PROXY"));
        assert_eq!((value("NO_PROXY"), value("no_proxy")), (String::new(), String::new()));
        assert_eq!((value("NODE_USE_ENV_PROXY"), value("Http_Proxy")), ("1".into(), "kept".into()));
        assert!(environment.is_sorted());
    }

    #[test]
    fn rules_that_no_proxy_keeps_are_refused() {
        let rules = |text: &str| [text.parse::<HostRule>().unwrap()];
        assert!(checked(&rules("example.org:*")).is_ok());
        let why = checked(&rules("example.org:53/udp")).err().map(|error| error.to_string());
        assert!(why.as_ref().is_some_and(|why| why.contains("example.org:53/udp")), "{why:?}");
    }
}
