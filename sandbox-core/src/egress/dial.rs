//! From a target that a rule allows to a connection: resolve, judge each address, dial those.
//!
//! What was judged is what is dialled: addresses are passed on, never the name, so that a second
//! resolution cannot answer otherwise. A name that has public and other addresses has its public
//! ones alone; a name that has only others is refused. Nothing is judged without an answer: what
//! fails for want of descriptors is tried again (`shortage`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::{Kind, special};
use super::decision::{Ask, Reason};
use super::own::{Own, SystemAddresses};
use super::resolve::{Resolver, SystemResolver};
use super::rules::{Rules, Target};
use super::shortage::{Patience, Shortage, is_shortage};
use crate::policy::network::{HostName, HostRule};

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
    shortage: Arc<Shortage>,
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The addresses are ones that must not be dialled, or there were no descriptors to tell or to
    /// dial with.
    Denied(Reason),
    /// The name did not resolve.
    Unresolved(io::Error),
    /// No address answered; the last error.
    Unreachable(io::Error),
}

impl DialError {
    /// Why something failed: for want of descriptors, or as `other` says.
    fn of(error: io::Error, other: fn(io::Error) -> Self) -> Self {
        match is_shortage(&error) {
            true => Self::Denied(Reason::NoDescriptors),
            false => other(error),
        }
    }
}

impl Default for Dialler {
    /// The system's resolver and addresses, ten seconds.
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            own: Arc::new(SystemAddresses::default()),
            deadline: Duration::from_secs(10),
            shortage: Arc::default(),
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

    /// How long resolving may take, and dialling once more. Before each, descriptors are waited
    /// for as long at most.
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
        let mut patience = self.shortage.patience(self.deadline);
        let all = match &ask.target {
            Target::Address(address) => vec![*address],
            Target::Name(name) => self.lookup(name, &mut patience).await?,
        };
        let mut refused = None;
        let mut good = Vec::new();
        for address in all {
            let own = self.own_forms(address, &mut patience).await?;
            match rules.admits(rule, address, ask.port, ask.protocol, &own) {
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

    async fn lookup(
        &self,
        name: &HostName,
        patience: &mut Patience<'_>,
    ) -> Result<Vec<IpAddr>, DialError> {
        loop {
            let found = timeout(self.deadline, self.resolver.lookup(name)).await;
            match found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(found) => return Ok(found),
                Err(error) if patience.allows_again(&error).await => {}
                Err(error) => return Err(DialError::of(error, DialError::Unresolved)),
            }
        }
    }

    /// Whether one address may be dialled for what `rule` allows.
    ///
    /// # Errors
    /// [`DialError::Denied`]: it is a special address, or one of the host's own, and no rule opens
    /// it; or there were no descriptors to find that out. [`DialError::Unreachable`]: it could not
    /// be found out.
    pub async fn admits(
        &self,
        rules: &Rules,
        rule: &HostRule,
        ask: &Ask,
        address: IpAddr,
    ) -> Result<(), DialError> {
        let own = self.own_forms(address, &mut self.shortage.patience(self.deadline)).await?;
        let admitted = rules.admits(rule, address, ask.port, ask.protocol, &own);
        admitted.map_err(|refusal| DialError::Denied(refusal.into()))
    }

    /// Which forms of this address are the host's own: itself, and the IPv4 address inside of an
    /// IPv6 one, which the judge looks at as well.
    async fn own_forms(
        &self,
        address: IpAddr,
        patience: &mut Patience<'_>,
    ) -> Result<Vec<IpAddr>, DialError> {
        let inner = match special(address) {
            Some(Kind::Translated(_, inner)) => Some(inner.into()),
            _ => None,
        };
        let mut own = Vec::new();
        for form in [Some(address), inner].into_iter().flatten() {
            let is_own = loop {
                match self.own.is_own(form) {
                    Ok(is_own) => break is_own,
                    Err(error) if patience.allows_again(&error).await => {}
                    Err(error) => return Err(DialError::of(error, DialError::Unreachable)),
                }
            };
            if is_own {
                own.push(form);
            }
        }
        Ok(own)
    }

    /// Waits while a connection waits for descriptors: who takes new ones then takes them away.
    pub(super) async fn has_descriptors(&self) {
        self.shortage.over().await;
    }

    /// Waits until a connection waits for descriptors.
    pub(super) async fn lacks_descriptors(&self) {
        self.shortage.begun().await;
    }

    /// Connects to the first of these addresses that answers: in their order, each a moment after
    /// the one before if that has not answered yet.
    ///
    /// # Errors
    /// [`DialError::Unreachable`]: none did in time. [`DialError::Denied`]: there were no
    /// descriptors.
    pub async fn tcp(&self, addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
        self.tcp_by(addresses, None).await
    }

    /// The same, by a socket that is there already if it fits.
    pub(super) async fn tcp_by(
        &self,
        addresses: &[SocketAddr],
        mut spare: Option<TcpSocket>,
    ) -> Result<TcpStream, DialError> {
        let mut patience = self.shortage.patience(self.deadline);
        loop {
            let spare = spare.take();
            let stream = match addresses {
                // The usual case, without a task of its own.
                [one] => timeout(self.deadline, connect(*one, spare)).await,
                many => timeout(self.deadline, race(many, spare)).await,
            };
            match stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    // An error means a connection that is gone already, as its first use will tell.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) if patience.allows_again(&error).await => {}
                Err(error) => return Err(DialError::of(error, DialError::Unreachable)),
            }
        }
    }

    /// A socket for datagrams to and from the first of these addresses, and nobody else.
    ///
    /// # Errors
    /// [`DialError::Unreachable`]: there is no way to any of them. [`DialError::Denied`]: there were
    /// no descriptors.
    pub async fn udp(&self, addresses: &[SocketAddr]) -> Result<UdpSocket, DialError> {
        let mut patience = self.shortage.patience(self.deadline);
        let mut last = io::ErrorKind::NotFound.into();
        for address in addresses {
            last = loop {
                match datagrams(*address).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) if patience.allows_again(&error).await => {}
                    Err(error) => break error,
                }
            };
        }
        Err(DialError::of(last, DialError::Unreachable))
    }
}

async fn datagrams(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket)
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

async fn race(addresses: &[SocketAddr], mut spare: Option<TcpSocket>) -> io::Result<TcpStream> {
    let mut tries = JoinSet::new();
    let mut left = addresses.iter().copied();
    let mut last: io::Error = io::ErrorKind::NotFound.into();
    loop {
        if let Some(address) = left.next() {
            tries.spawn(connect(address, spare.take()));
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
            // An address that could not be tried may be the one that answers.
            Some(Ok(Err(_))) if is_shortage(&last) => {}
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = error.into(),
            None => return Err(last),
        }
    }
}

#[cfg(test)]
mod tests;
