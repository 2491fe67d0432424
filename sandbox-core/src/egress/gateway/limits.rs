//! What a payload may have of the gateway.

use std::time::Duration;

/// Bounds on connections, bytes and time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many connections and flows of datagrams may be open at once; 1000 by default. Each takes
    /// two descriptors, and three while it is decided about. Long streams are moved by a few more,
    /// if there are any. With fewer descriptors, new connections wait; one that was taken and lacks
    /// some is denied (`no_descriptors`) when the dialler's deadline is over. So raise the process's
    /// limit before it is reached.
    pub connections: usize,
    /// How many bytes one may carry, both ways together. Without a bound by default.
    pub connection_bytes: Option<u64>,
    /// How many bytes all may carry together. Without a bound by default.
    pub bytes: Option<u64>,
    /// How long a client of the proxy may take to say what it wants; 10 seconds by default.
    pub greeting: Duration,
    /// How long a client may take to end a TLS handshake's or a request's beginning; 10 seconds by
    /// default.
    pub opening: Duration,
    /// How long a word without a line end is held that could become a request; 300 ms by default.
    pub patience: Duration,
    /// How long a connection may carry nothing; an hour by default.
    pub idle: Duration,
    /// How long a flow of datagrams may carry nothing; a minute by default.
    pub flow_idle: Duration,
    /// How long an approval is waited for; a minute by default.
    pub approval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connection_bytes: None,
            bytes: None,
            greeting: Duration::from_secs(10),
            opening: Duration::from_secs(10),
            patience: Duration::from_millis(300),
            idle: Duration::from_secs(3600),
            flow_idle: Duration::from_secs(60),
            approval: Duration::from_secs(60),
        }
    }
}
