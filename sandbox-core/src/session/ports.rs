//! Ports of a session that the host can reach.

use serde::{Deserialize, Serialize};

/// A port of a session, reachable on the host's loopback alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The TCP port on the session's own 127.0.0.1.
    pub inside: u16,
    /// The TCP port on the host's 127.0.0.1.
    pub host: u16,
}
