//! What leaves a sandbox whose policy lists hosts, for programs that never heard of a proxy.
//!
//! Theory of operation. The payload has a network of its own with no way out. In it a program does
//! what it always does, and each step is answered from here:
//!
//! 1. **Rules.** [`Rules`] are the policy's host rules, compiled once, asked often.
//! 2. **Synthetic DNS.** The program asks for a name. [`dns::answer`] answers only names that a rule
//!    knows, each with an address of its own out of a [`Range`] that no real host has, which
//!    [`Names`] remembers; any other name does not exist. Nothing has left the sandbox so far, so a
//!    question cannot carry anything out.
//! 3. **[Gateway](gateway).** The program connects to that address. The whole range leads to
//!    listeners that the sandbox handed out, so the connection ends outside, and its destination
//!    tells the name: [`Names::name_of`].
//! 4. **Decision.** [`Rules::decide`] says whether a rule allows this name, or this address, with
//!    this port and protocol. What the client says itself must agree: the name in its first
//!    [`flight`], and the host of every request of HTTP.
//! 5. **Dial.** The name is resolved outside, and each address that comes of it is judged by
//!    [`Rules::admits`]: a name that is allowed must not lead into a private network, to the host
//!    itself or to a cloud's metadata. What was judged is dialled, exactly that address, so no
//!    second resolution can answer otherwise.
//!
//! Whatever is not allowed is refused, with a [`Refusal`] or a [`Reason`](decision::Reason) that
//! says why, and each decision is recorded once ([`decision`]).
//!
//! The modules come in two kinds. Rules, names, DNS, first flights, HTTP and SOCKS are functions of
//! bytes: they open no socket, read no clock and ask no resolver. [`gateway`], [`dial`],
//! [`resolve`] and [`proxy`] move bytes, on tokio. Neither knows an operating system: listeners are
//! handed in, each with a way to learn where a connection was meant to go.

pub mod address;
pub mod decision;
pub mod dial;
pub mod dns;
pub mod flight;
pub mod gateway;
pub mod http;
#[cfg(feature = "mitm")]
pub mod injection;
#[cfg(not(feature = "mitm"))]
#[path = "egress/no_injection.rs"]
pub mod injection;
mod level;
pub mod names;
pub mod own;
pub mod proxy;
pub mod resolve;
pub mod rules;
mod shortage;

pub use crate::policy::network::{Host, HostName, HostNameError, HostRule, Ports, Protocol};
pub use address::{Kind, special};
pub use level::{Level, check_level};
pub use names::{Full, Names, Range, RangeError, Synthetic};
pub use rules::{Refusal, Rules, Target};
