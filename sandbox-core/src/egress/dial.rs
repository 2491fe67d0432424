//! From a target that a rule allows to a connection: resolve, judge each address, dial those.
//!
//! What was judged is what is dialled: addresses are passed on, never the name, so that a second
//! resolution cannot answer otherwise. A name that has public and other addresses has its public
//! ones alone; a name that has only others is refused.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::{Kind, special};
use super::decision::{Ask, Reason};
use super::own::{Own, SystemAddresses};
use super::resolve::{Resolver, SystemResolver};
use super::rules::{Refusal, Rules, Target};
use crate::policy::network::HostRule;

/// How many addresses of a name are tried.
const TRIED: usize = 8;

/// How long one address is waited for before the next is tried as well (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Resolves, judges and dials.
#[derive(Clone, Debug)]
pub struct Dialler {
    resolver: Arc<dyn Resolver>,
    own: Arc<dyn Own>,
    deadline: Duration,
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The addresses are ones that must not be dialled.
    Denied(Reason),
    /// The name did not resolve.
    Unresolved(io::Error),
    /// No address answered; the last error.
    Unreachable(io::Error),
}

impl Default for Dialler {
    /// The system's resolver and addresses, ten seconds.
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            own: Arc::new(SystemAddresses),
            deadline: Duration::from_secs(10),
        }
    }
}

impl Dialler {
    /// Resolves by this resolver.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Takes the host's own addresses from here.
    #[must_use]
    pub fn own(mut self, own: impl Own + 'static) -> Self {
        self.own = Arc::new(own);
        self
    }

    /// How long resolving may take, and dialling once more.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The addresses that may be dialled for what `rule` allows.
    ///
    /// # Errors
    /// The target does not resolve, or to nothing that may be dialled.
    pub async fn addresses(
        &self,
        rules: &Rules,
        rule: &HostRule,
        ask: &Ask,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let all = match &ask.target {
            Target::Address(address) => vec![*address],
            Target::Name(name) => {
                let late = |_| Err(io::ErrorKind::TimedOut.into());
                let found = timeout(self.deadline, self.resolver.lookup(name)).await;
                found.unwrap_or_else(late).map_err(DialError::Unresolved)?
            }
        };
        let mut refused = None;
        let mut good = Vec::new();
        for address in all {
            match self.admits(rules, rule, ask, address) {
                Ok(()) => good.push(SocketAddr::new(address, ask.port)),
                Err(refusal) => refused = Some(refusal),
            }
        }
        good.truncate(TRIED);
        match refused {
            Some(refusal) if good.is_empty() => Err(DialError::Denied(refusal.into())),
            _ if good.is_empty() => Err(DialError::Unresolved(io::ErrorKind::NotFound.into())),
            _ => Ok(good),
        }
    }

    /// Whether one address may be dialled for what `rule` allows.
    ///
    /// # Errors
    /// It is a special address, or one of the host's own, and no rule opens it.
    pub fn admits(
        &self,
        rules: &Rules,
        rule: &HostRule,
        ask: &Ask,
        address: IpAddr,
    ) -> Result<(), Refusal> {
        // The judge also looks at the IPv4 address inside of an IPv6 one.
        let inner = match special(address) {
            Some(Kind::Translated(_, inner)) => Some(inner.into()),
            _ => None,
        };
        let forms = [Some(address), inner].into_iter().flatten();
        let own: Vec<_> = forms.filter(|form| self.own.is_own(*form)).collect();
        rules.admits(rule, address, ask.port, ask.protocol, &own)
    }

    /// Connects to the first of these addresses that answers: in their order, each a moment after
    /// the one before if that has not answered yet.
    ///
    /// # Errors
    /// [`DialError::Unreachable`]: none did in time.
    pub async fn tcp(&self, addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
        self.tcp_by(addresses, None).await
    }

    /// The same, by a socket that is there already if it fits; otherwise that is given up first.
    pub(super) async fn tcp_by(
        &self,
        addresses: &[SocketAddr],
        spare: Option<TcpSocket>,
    ) -> Result<TcpStream, DialError> {
        let stream = match addresses {
            // The usual case, without a task of its own.
            [one] => timeout(self.deadline, connect(*one, spare)).await,
            many => {
                drop(spare);
                timeout(self.deadline, race(many)).await
            }
        };
        let stream = stream
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(DialError::Unreachable)?;
        // An error means a connection that is gone already, as its first use will tell.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// A socket for datagrams to and from the first of these addresses, and nobody else.
    ///
    /// # Errors
    /// [`DialError::Unreachable`]: there is no way to any of them.
    pub async fn udp(&self, addresses: &[SocketAddr]) -> Result<UdpSocket, DialError> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in addresses {
            let any: SocketAddr = match address {
                SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let connected = async {
                let socket = UdpSocket::bind(any).await?;
                socket.connect(*address).await.map(|()| socket)
            };
            match connected.await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(DialError::Unreachable(last))
    }
}

async fn connect(address: SocketAddr, spare: Option<TcpSocket>) -> io::Result<TcpStream> {
    let fits = |socket: &TcpSocket| {
        socket.local_addr().is_ok_and(|own| own.is_ipv4() == address.is_ipv4())
    };
    match spare.filter(fits) {
        Some(socket) => socket.connect(address).await,
        None => TcpStream::connect(address).await,
    }
}

async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut tries = JoinSet::new();
    let mut left = addresses.iter().copied();
    let mut last: io::Error = io::ErrorKind::NotFound.into();
    loop {
        if let Some(address) = left.next() {
            tries.spawn(TcpStream::connect(address));
        }
        let joined = match left.len() {
            0 => tries.join_next().await,
            _ => match timeout(STAGGER, tries.join_next()).await {
                Ok(joined) => joined,
                Err(_) => continue,
            },
        };
        match joined {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = error.into(),
            None => return Err(last),
        }
    }
}

#[cfg(test)]
mod tests;
