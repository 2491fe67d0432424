//! The way out: connections come from listeners, and go to where the rules allow.
//!
//! Theory of operation. A [`Listener`] hands over connections of the payload, each with the address
//! that it was meant for. That address stands for a name ([`Names`]), or is one that a rule lists;
//! a client of the proxy says the name itself. The rules decide about name, port and protocol;
//! where none does, an [`Approver`] may be asked. The name is resolved, each address is judged, and
//! exactly those are dialled. Bytes of the server flow at once. Those of the client are held until
//! they have said whom they mean, and every later request of HTTP is held against the name, too.
//!
//! Nothing is carried that has no decision, and each decision is recorded once, whatever ends it.
//! A connection that is cut is reset on both sides, so that nobody takes the cut for the end. What
//! a payload can have much of is bounded: connections, bytes, the time that greetings and silence
//! take, what is remembered. When descriptors run out, new connections wait in the kernel. One that
//! was taken already waits for them as long as for anything else, and is denied then; that it could
//! not be judged is never taken for a judgement.
//!
//! HTTP/2 without TLS hides its hosts. On the web's ports of a name, where many hosts share a server,
//! it is refused; at other ports, which a rule lists for a service of its own, it passes.
//!
//! Connections to a host that gets a credential are inspected, see [`injection`](super::injection).
//! All others stay between their two ends; a request of HTTP on one that mentions a placeholder is
//! refused.
//!
//! [`Gateway::set_rules`] is seen by every connection at once: the ones that no rule allows any more
//! are reset.

mod accept;
mod access;
mod approval;
mod budget;
mod conduit;
mod connection;
mod datagrams;
#[cfg(feature = "mitm")]
mod inspected;
#[cfg(not(feature = "mitm"))]
#[path = "gateway/uninspected.rs"]
mod inspected;
mod lane;
mod limits;
mod pump;
mod upward;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::decision::{Ask, Entry, Log};
use super::dial::Dialler;
use super::http::Editor;
use super::injection::{Injection, Upstream, guard};
use super::names::{Names, Range};
use super::proxy::Key;
use super::rules::{Refusal, Rules};
use crate::policy::network::{HostName, Protocol};

pub use approval::Approver;
pub use conduit::{Conduit, Conduits};
pub use datagrams::{Arrived, Datagrams};
pub use limits::Limits;

use access::Access;
use budget::Meter;
use conduit::Pool;

/// Where connections of the payload come from.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The next connection and the address that the payload connected to. Giving up waiting must
    /// lose no connection.
    ///
    /// # Errors
    /// None could be taken now. It is tried again, after a pause that grows.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)>;
}

/// The address that the payload connected to is the connection's own: so it is where connections
/// are diverted with their destination kept (TPROXY, local routes), and for a proxy nobody asks.
#[async_trait]
impl Listener for TcpListener {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, _) = TcpListener::accept(self).await?;
        let target = stream.local_addr()?;
        Ok((stream, target))
    }
}

/// How clients of a listener say where they want to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By connecting there.
    Transparent,
    /// By HTTP or SOCKS5.
    Proxy,
}

/// What a gateway is made of.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sandbox_core::egress::gateway::{Gateway, Mode};
/// use sandbox_core::egress::Rules;
/// let gateway = Gateway::setup("s1", Rules::new(&["example.org".parse()?])).start();
/// let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
/// gateway.serve(listener, Mode::Proxy);
/// gateway.set_rules(Rules::default());
/// gateway.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Setup {
    session: Arc<str>,
    rules: Rules,
    names: Arc<Mutex<Names>>,
    log: Arc<Log>,
    limits: Limits,
    dialler: Dialler,
    approver: Option<Arc<dyn Approver>>,
    conduits: Option<Arc<dyn Conduits>>,
    key: Option<Key>,
    injection: Option<Arc<Injection>>,
    roots: Option<Vec<Vec<u8>>>,
}

impl Setup {
    /// The names that synthetic addresses stand for, shared with who hands them out.
    #[must_use]
    pub fn names(mut self, names: Arc<Mutex<Names>>) -> Self {
        self.names = names;
        self
    }

    /// Where decisions are recorded. The default is a log that is only remembered.
    #[must_use]
    pub fn log(mut self, log: Arc<Log>) -> Self {
        self.log = log;
        self
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another resolver, other addresses of the host, another deadline than the default ones.
    #[must_use]
    pub fn dialler(mut self, dialler: Dialler) -> Self {
        self.dialler = dialler;
        self
    }

    /// Who is asked where no rule allows a connection. By default nobody: it is denied.
    #[must_use]
    pub fn approver(mut self, approver: impl Approver + 'static) -> Self {
        self.approver = Some(Arc::new(approver));
        self
    }

    /// What long streams are moved by. By default nothing: they are copied like everything else.
    #[must_use]
    pub fn conduits(mut self, conduits: impl Conduits + 'static) -> Self {
        self.conduits = Some(Arc::new(conduits));
        self
    }

    /// What clients of the proxy have to show. By default nothing: whoever reaches the listener is one.
    ///
    /// # Security
    /// On a listener that others than the payload can connect to, as on a loopback that is shared,
    /// each of them may do what the rules allow, in the payload's name.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// The credentials that requests get, with the authority that clients inside trust.
    #[must_use]
    pub fn injection(mut self, injection: Option<Arc<Injection>>) -> Self {
        self.injection = injection;
        self
    }

    /// Who is trusted to name the servers of hosts that get a credential: root certificates in DER.
    /// The default is what the platform trusts, and `SSL_CERT_FILE` where it is set.
    #[must_use]
    pub fn roots(mut self, roots: Vec<Vec<u8>>) -> Self {
        self.roots = Some(roots);
        self
    }

    /// The gateway, which serves nobody yet. It works on the tokio runtime that it is used on.
    #[must_use]
    pub fn start(self) -> Gateway {
        let access = Access::new(self.rules, self.names, self.dialler, self.approver, &self.limits);
        let meter = Meter::new(self.limits.connections, self.limits.bytes);
        let pool = Pool::new(self.conduits);
        let upstream = Upstream::new(self.roots);
        let inspection = self.injection.map(|injection| Inspection { injection, upstream });
        let (session, log, limits, key) = (self.session, self.log, self.limits, self.key);
        let shared = Shared { session, log, limits, access, meter, pool, key, inspection };
        Gateway { shared: Arc::new(shared), tasks: Mutex::new(JoinSet::new()) }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    session: Arc<str>,
    log: Arc<Log>,
    limits: Limits,
    access: Access,
    meter: Meter,
    pool: Pool,
    key: Option<Key>,
    inspection: Option<Inspection>,
}

/// What inspected connections take.
#[derive(Debug)]
struct Inspection {
    injection: Arc<Injection>,
    #[cfg_attr(not(feature = "mitm"), expect(dead_code, reason = "nothing is inspected"))]
    upstream: Upstream,
}

impl Shared {
    /// What inspects the connections to a host, if they are.
    fn inspection(&self, ask: &Ask) -> Option<&Inspection> {
        self.inspection.as_ref().filter(|it| it.injection.covers(&ask.target, ask.port))
    }

    /// Who sees the requests of all other connections.
    fn guard(&self) -> Option<Box<dyn Editor>> {
        self.inspection.as_ref().map(|inspection| guard(&inspection.injection))
    }
}

/// The way out of one sandbox. Dropped, it resets every connection and takes no more.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

impl Gateway {
    /// A gateway for this session with these rules; see [`Setup`].
    #[must_use]
    pub fn setup(session: &str, rules: Rules) -> Setup {
        Setup {
            session: session.into(),
            rules,
            names: Arc::new(Mutex::new(Names::new(Range::default()))),
            log: Arc::default(),
            limits: Limits::default(),
            dialler: Dialler::default(),
            approver: None,
            conduits: None,
            key: None,
            injection: None,
            roots: None,
        }
    }

    /// Serves the connections of a listener, on the runtime that this is called on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn serve(&self, listener: impl Listener + 'static, mode: Mode) {
        let work = accept::serve(Arc::clone(&self.shared), listener, mode);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(work);
    }

    /// Serves datagrams, on the runtime that this is called on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn serve_datagrams(&self, port: Arc<dyn Datagrams>) {
        let work = datagrams::serve(Arc::clone(&self.shared), port);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(work);
    }

    /// Replaces the rules, and resets every connection that none of the new ones allows. What was
    /// approved or refused by hand is forgotten.
    pub fn set_rules(&self, rules: Rules) {
        self.shared.access.set_rules(rules);
    }

    /// The rules in force, for who answers questions about names.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.shared.access.rules()
    }

    /// Whether somebody is asked where no rule allows a connection. Then DNS has to answer for names
    /// that no rule knows, too, or nothing is ever asked about them.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.shared.access.asks()
    }

    /// Records that DNS refused a name, which is where most denials happen: a program that learns no
    /// address does not connect. A name is one decision, with port 0; asked for again it is counted.
    pub fn name_refused(&self, name: &HostName) {
        if self.log().refused_again(name) {
            return;
        }
        let ask = Ask { target: name.clone().into(), port: 0, protocol: Protocol::Tcp };
        let entry = Entry::new(&self.shared.log, &self.shared.session, &ask);
        entry.deny(Refusal::UnlistedName { name: name.clone() }.into());
    }

    /// The decisions.
    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.shared.log
    }

    /// How many connections and flows are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.meter.open()
    }

    /// Resets every connection, and returns when all have been recorded.
    pub async fn stop(&self) {
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        self.shared.meter.empty().await;
    }
}

#[cfg(test)]
mod tests;
