//! The messages of SOCKS5 (RFC 1928, RFC 1929) that a server reads.

use std::net::IpAddr;

use crate::egress::flight::Malformed;
use crate::egress::http::target;
use crate::egress::rules::Target;

pub(super) const VERSION: u8 = 5;
pub(super) const OLD_VERSION: u8 = 4;
/// The method without authentication.
pub const NO_AUTHENTICATION: u8 = 0;
/// The method of a name and a password.
pub const PASSWORD: u8 = 2;
pub(super) const NO_METHOD: u8 = 0xff;

/// The command that is offered.
pub const CONNECT: u8 = 1;

pub(super) const GRANTED: u8 = 0;
pub(super) const FAILURE: u8 = 1;
pub(super) const NOT_ALLOWED: u8 = 2;
pub(super) const HOST_UNREACHABLE: u8 = 4;
pub(super) const REFUSED: u8 = 5;
pub(super) const COMMAND_UNKNOWN: u8 = 7;

/// What SOCKS4 calls "request rejected or failed".
pub(super) const OLD_REFUSAL: &[u8] = &[0, 91, 0, 0, 0, 0, 0, 0];

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do; [`CONNECT`] is offered.
    pub command: u8,
    /// With whom.
    pub target: Target,
    /// At which port.
    pub port: u16,
}

/// Reads the methods of authentication that a client offers: how long the message is, and whether
/// the wanted one is among them. `None` while it is not whole.
///
/// # Errors
/// [`Malformed::Socks`].
pub fn methods(bytes: &[u8], wanted: u8) -> Result<Option<(usize, bool)>, Malformed> {
    match bytes {
        [version, ..] if *version != VERSION => Err(Malformed::Socks),
        [_, 0, ..] => Err(Malformed::Socks),
        [_, count, rest @ ..] => {
            let methods = rest.get(..usize::from(*count));
            Ok(methods.map(|all| (2 + all.len(), all.contains(&wanted))))
        }
        _ => Ok(None),
    }
}

/// The version of the messages about a password.
const PASSWORD_VERSION: u8 = 1;

/// What a client is told of its password.
pub(super) fn judged(is_right: bool) -> [u8; 2] {
    [PASSWORD_VERSION, u8::from(!is_right)]
}

/// Reads a name and a password: how long the message is, and the two with a colon between them.
/// `None` while it is not whole.
///
/// # Errors
/// [`Malformed::Socks`] for another version.
pub fn password(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Malformed> {
    let [version, rest @ ..] = bytes else { return Ok(None) };
    if *version != PASSWORD_VERSION {
        return Err(Malformed::Socks);
    }
    let read = || {
        let (name, rest) = counted(rest)?;
        let (password, rest) = counted(rest)?;
        Some((bytes.len() - rest.len(), [name, b":", password].concat()))
    };
    Ok(read())
}

/// Bytes behind their number, and what stands behind them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked((*length).into())
}

/// Reads a request and how long it is; `None` while it is not whole.
///
/// # Errors
/// [`Malformed::Socks`] for another version, an unknown kind of address, a name that is none, or
/// port 0.
pub fn request(bytes: &[u8]) -> Result<Option<(usize, Request)>, Malformed> {
    match bytes {
        [version, ..] if *version != VERSION => return Err(Malformed::Socks),
        [_, _, reserved, ..] if *reserved != 0 => return Err(Malformed::Socks),
        _ => {}
    }
    let [_, command, _, kind, rest @ ..] = bytes else { return Ok(None) };
    let Some((host, port)) = address(*kind, rest)? else { return Ok(None) };
    let [high, low, ..] = *port else { return Ok(None) };
    let length = bytes.len() - port.len() + 2;
    match u16::from_be_bytes([high, low]) {
        0 => Err(Malformed::Socks),
        port => Ok(Some((length, Request { command: *command, target: host, port }))),
    }
}

/// The address, and what stands behind it.
fn address(kind: u8, bytes: &[u8]) -> Result<Option<(Target, &[u8])>, Malformed> {
    match (kind, bytes) {
        (1, _) => Ok(bytes
            .split_first_chunk::<4>()
            .map(|(octets, rest)| (Target::Address(IpAddr::from(*octets)), rest))),
        (4, _) => Ok(bytes
            .split_first_chunk::<16>()
            .map(|(octets, rest)| (Target::Address(IpAddr::from(*octets)), rest))),
        (3, []) => Ok(None),
        (3, [length, rest @ ..]) => {
            let Some((name, rest)) = rest.split_at_checked((*length).into()) else {
                return Ok(None);
            };
            let name = std::str::from_utf8(name).map_err(|_| Malformed::Socks)?;
            // Clients write addresses as names, too.
            let written = name.parse::<IpAddr>().ok().map(Target::Address);
            let found = written.or_else(|| target(name)).ok_or(Malformed::Socks)?;
            Ok(Some((found, rest)))
        }
        _ => Err(Malformed::Socks),
    }
}

/// The answer to a request. The address in it, which clients do not look at, is nobody's.
pub(super) fn reply(code: u8) -> [u8; 10] {
    [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(name: &str, port: u16) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        [&[5, 1, 0, 3, length], name.as_bytes(), &port.to_be_bytes()].concat()
    }

    #[test]
    fn methods_are_read() {
        assert_eq!(methods(&[5, 2, 1, 0, 9], 0), Ok(Some((4, true))));
        assert_eq!(methods(&[5, 1, 2], 0), Ok(Some((3, false))));
        assert_eq!(methods(&[5, 2, 0, 2], PASSWORD), Ok(Some((4, true))));
        assert_eq!(methods(&[5, 2, 0], 0), Ok(None));
        assert_eq!(methods(&[5], 0), Ok(None));
        assert_eq!(methods(&[5, 0], 0), Err(Malformed::Socks));
        assert_eq!(methods(&[4, 1, 0], 0), Err(Malformed::Socks));
    }

    #[test]
    fn a_password_is_read_once_it_is_whole() {
        let whole = [&[1, 4][..], b"name", &[6], b"secret"].concat();
        for cut in 0..whole.len() {
            assert_eq!(password(&whole[..cut]), Ok(None), "{cut}");
        }
        let longer = [&whole[..], b"more"].concat();
        assert_eq!(password(&longer), Ok(Some((whole.len(), b"name:secret".to_vec()))));
        assert_eq!(password(&[1, 0, 0]), Ok(Some((3, b":".to_vec()))));
        assert_eq!(password(&[5, 1, 0]), Err(Malformed::Socks));
    }

    #[test]
    fn requests_are_read_once_they_are_whole() {
        let v4 = [5, 1, 0, 1, 192, 0, 2, 1, 0, 80].to_vec();
        let v6 = [&[5, 1, 0, 4, 0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 1, 0xbb]].concat();
        for (bytes, host, port) in [
            (v4, "192.0.2.1", 80),
            (v6, "2001:db8::1", 443),
            (named("Example.ORG.", 443), "example.org", 443),
            (named("192.0.2.1", 80), "192.0.2.1", 80),
            (named("2001:db8::1", 80), "2001:db8::1", 80),
        ] {
            for cut in 0..bytes.len() {
                assert_eq!(request(&bytes[..cut]), Ok(None), "{host} {cut}");
            }
            let longer = [&bytes[..], b"early"].concat();
            let (length, found) = request(&longer).unwrap().unwrap();
            assert_eq!((length, found.command, found.port), (bytes.len(), CONNECT, port));
            assert_eq!(found.target.to_string(), host);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            named("", 80),
            named("a b", 80),
            named("example.org\0.evil.example", 80),
            named("0x7f.1", 80),
            named("example.org", 0),
            vec![5, 1, 0, 2, 0, 0, 0, 0, 0, 80],
            vec![5, 1, 1, 1, 192, 0, 2, 1, 0, 80],
            vec![4, 1, 0, 80, 192, 0, 2, 1, 0],
        ] {
            assert_eq!(request(&bad), Err(Malformed::Socks), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [&[5, 1, 0, 3][..], &bytes].concat();
            if let Ok(Some((length, _))) = request(&bytes) {
                prop_assert!(length <= bytes.len());
                prop_assert_eq!(request(&bytes[..length - 1]), Ok(None));
            }
            let _ = methods(&bytes, 0);
            let _ = password(&bytes);
        }
    }
}
