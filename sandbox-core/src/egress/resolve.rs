//! From names to addresses, outside of the sandbox and only for names that are allowed.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;

use async_trait::async_trait;
use tokio::net::TcpSocket;

use super::shortage::is_shortage;
use crate::policy::network::HostName;

/// Who resolves names.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of a name, best first.
    ///
    /// # Errors
    /// The name has none, or nobody could be asked. What fails for want of descriptors, with the
    /// system's own code for that, is tried again.
    ///
    /// # Security
    /// The answer need not be trusted: each address is judged before it is dialled.
    async fn lookup(&self, name: &HostName) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver, with everything that it takes into account: its hosts file, its search
/// domains, its servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn lookup(&self, name: &HostName) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await;
        let found = found.map_err(|error| no_descriptors().unwrap_or(error))?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// What the system says if there are no descriptors now. A resolver that could not open its files
/// and sockets may only say that there is no such name.
fn no_descriptors() -> Option<io::Error> {
    TcpSocket::new_v4().err().filter(is_shortage)
}

/// Fixed answers.
#[derive(Clone, Debug, Default)]
pub struct StaticResolver(HashMap<HostName, Vec<IpAddr>>);

impl StaticResolver {
    /// The answer for a name.
    #[must_use]
    pub fn with(mut self, name: HostName, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.0.insert(name, addresses.into_iter().collect());
        self
    }
}

#[async_trait]
impl Resolver for StaticResolver {
    async fn lookup(&self, name: &HostName) -> io::Result<Vec<IpAddr>> {
        self.0.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
