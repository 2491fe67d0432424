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
//! 3. **Gateway.** The program connects to that address. The whole range leads to listeners that
//!    the sandbox handed out, so the connection ends outside, and its destination tells the name:
//!    [`Names::name_of`].
//! 4. **Decision.** [`Rules::decide`] says whether a rule allows this name, or this address, with
//!    this port and protocol. What the client says itself in its first bytes must agree.
//! 5. **Dial.** The name is resolved outside, and each address that comes of it is judged by
//!    [`Rules::admits`]: a name that is allowed must not lead into a private network, to the host
//!    itself or to a cloud's metadata. What was judged is dialled, exactly that address, so no
//!    second resolution can answer otherwise.
//!
//! Whatever is not allowed is refused, with a [`Refusal`] that says why. This module decides and
//! does not do: it opens no socket, reads no clock and asks no resolver.

pub mod address;
pub mod decision;
pub mod dial;
pub mod dns;
pub mod flight;
pub mod gateway;
pub mod http;
pub mod names;
pub mod own;
pub mod proxy;
pub mod resolve;
pub mod rules;

pub use crate::policy::network::{Host, HostName, HostNameError, HostRule, Ports, Protocol};
pub use address::{Kind, special};
pub use names::{Full, Names, Range, RangeError, Synthetic};
pub use rules::{Refusal, Rules, Target};
