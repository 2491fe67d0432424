//! The bytes of the structures that the host and the helper exchange.

use crate::abi::{Call, Failure, Header, Report, Request, Sockets};

/// A structure of plain numbers without padding: any bytes are a value, and a value is its bytes.
///
/// # Safety
/// The implementor is `repr(C)`, made of integers, and without padding.
unsafe trait Plain: Copy {}

// SAFETY: integers in an order that leaves no padding.
unsafe impl Plain for Call {}
// SAFETY: as above.
unsafe impl Plain for Header {}
// SAFETY: as above.
unsafe impl Plain for Failure {}
// SAFETY: as above.
unsafe impl Plain for Report {}
// SAFETY: as above.
unsafe impl Plain for Request {}
// SAFETY: as above.
unsafe impl Plain for Sockets {}

fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: `Plain` has no padding, so every byte is initialised.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}

fn value_of<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() != size_of::<T>() {
        return None;
    }
    // SAFETY: the length was checked, and any bytes are a value of a `Plain` type.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

pub(crate) fn bytes_of_call(call: &Call) -> &[u8] {
    bytes_of(call)
}

pub(crate) fn bytes_of_header(header: &Header) -> &[u8] {
    bytes_of(header)
}

pub(crate) fn bytes_of_request(request: &Request) -> &[u8] {
    bytes_of(request)
}

pub(crate) fn failure_of(bytes: &[u8]) -> Option<Failure> {
    value_of(bytes)
}

pub(crate) fn report_of(bytes: &[u8]) -> Option<Report> {
    value_of(bytes)
}

pub(crate) fn sockets_of(bytes: &[u8]) -> Option<Sockets> {
    value_of(bytes)
}
