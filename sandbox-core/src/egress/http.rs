//! HTTP/1 requests (RFC 9112), read more strictly than any server reads them.
//!
//! A client that wants to reach another host than the one it was allowed has to make this side and
//! the server read the same bytes differently. So whatever is read differently anywhere is refused:
//! two hosts, two lengths, a length beside chunks, line feeds alone, folded lines, blanks before a
//! colon, chunk extensions. What is left has one reading.

mod authority;
mod body;
mod head;
mod requests;
mod rewrite;

pub use authority::Authority;
pub use head::{Form, Head};
pub use requests::{Fault, Misuse, Requests, Step};

pub(crate) use authority::target;
#[cfg(feature = "mitm")]
pub(crate) use body::Body;
pub(crate) use body::Framing;
pub(crate) use head::{end as head_end, is_token};
#[cfg(feature = "mitm")]
pub(crate) use head::{field, lines};
pub(crate) use requests::Editor;

use super::flight::Malformed;
