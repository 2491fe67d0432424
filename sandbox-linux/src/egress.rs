//! The way out of a sandbox whose policy lists hosts.
//!
//! Theory of operation. The sandbox's network has a loopback and nothing else. The helper makes
//! sockets in it and hands them over; everything else is done from here, on those descriptors: a
//! socket acts in the network that it was made in, and whoever made the sandbox has the rights that
//! it takes over that network. So there is no process in between, and nothing that could outlive
//! this one: when its descriptors close, connections end, new ones are refused, and names do not
//! resolve.
//!
//! Names resolve to addresses that this file has made local ([`routes`]), answered by [`dns`].
//! Connections to those, and to addresses that rules list, are diverted to one listener of each
//! family ([`nftables`]), or where the kernel has no means for that, taken by one listener for each
//! port that rules list. Datagrams come to one socket for each listed port ([`datagrams`]). The
//! core's gateway decides about all of them, resolves and dials in the host's network.
//!
//! Where there are no namespaces, nothing can be diverted: there the way out is a [`proxy`] on the
//! host's loopback, for programs that are told of it.
//!
//! # Security
//! Nothing here decides. What an address, a route or a filter lets through by mistake ends at the
//! gateway, or nowhere.

mod conduits;
mod datagrams;
mod dns;
mod listen;
mod netlink;
mod nftables;
mod proxy;
pub(crate) mod resolver;
mod routes;
mod sockets;
mod supply;
mod trust;
mod way;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::confine::Egress;
use sandbox_core::egress::gateway::Setup;

pub(crate) use proxy::{Door, Proxy};
pub(crate) use sockets::{Counts, Sockets, listener};
pub(crate) use trust::Trust;
pub(crate) use way::Way;

/// A way out, whichever it is, as who made it holds it.
#[async_trait]
pub(crate) trait WayOut: Egress + fmt::Debug {
    /// Resets every connection and gives everything up.
    fn close(&self);

    /// The same, and returns when every decision has been recorded.
    async fn stop(&self);
}

/// How ways out are made.
#[derive(Clone)]
pub(crate) struct Options {
    /// Changes what a gateway is made of, before it starts.
    pub(crate) gateway: Arc<dyn Fn(Setup) -> Setup + Send + Sync>,
    /// Whether filters may divert connections.
    pub(crate) may_divert: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { gateway: Arc::new(|setup| setup), may_divert: true }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("may_divert", &self.may_divert).finish_non_exhaustive()
    }
}
