//! What a program tries that may reach nothing but a proxy: by the proxy, and by other ways.

use std::env;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::{PATIENCE, held};

/// Tries what these words say, if they say something.
pub(super) fn tried(words: &[&str]) -> Option<io::Result<String>> {
    let number = |text: &str| text.parse::<i32>().ok();
    Some(match words {
        ["connect", place, text] => tunnel(place).and_then(|stream| carried(stream, text)),
        ["socks", place, text] => socks(place).and_then(|stream| carried(stream, text)),
        ["absolute", place] => absolute(place),
        ["hold-by-proxy", place] => socks(place).and_then(held),
        ["proxy"] => Ok(url("http_proxy")),
        ["variables"] => Ok(variables()),
        ["at", address] => at(address),
        ["socket", family, kind, protocol] => {
            socket(number(family)?, number(kind)?, number(protocol)?)
        }
        ["option", level, option] => option_of(number(level)?, number(option)?),
        ["bind"] => with_socket(libc::SYS_bind, |socket| [socket, local(), 16, 0, 0, 0]),
        ["listen"] => with_socket(libc::SYS_listen, |socket| [socket, 1, 0, 0, 0, 0]),
        ["fast-open"] => with_socket(libc::SYS_sendto, |socket| {
            [socket, local(), 1, libc::MSG_FASTOPEN as u64, local(), 16]
        }),
        ["ring"] => call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]).map(allowed),
        ["notify"] => call(libc::SYS_seccomp, [1, 8, 0, 0, 0, 0]).map(allowed),
        ["exhaust"] => exhaust(),
        _ => return None,
    })
}

/// `struct sockaddr_in` of a port of the loopback.
static LOCAL: [u8; 16] = [2, 0, 0x30, 0x39, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

fn local() -> u64 {
    LOCAL.as_ptr() as u64
}

fn call(number: i64, arguments: [u64; 6]) -> io::Result<u64> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the calls here read what is constant or lives as long as they do, and write nothing.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result as u64),
    }
}

fn allowed(_: u64) -> String {
    "allowed".into()
}

fn tcp_socket() -> io::Result<u64> {
    call(libc::SYS_socket, [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0])
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<String> {
    let [family, kind, protocol] = [family, kind, protocol].map(|word| word as u64);
    call(libc::SYS_socket, [family, kind, protocol, 0, 0, 0]).map(allowed)
}

/// Makes a call about a socket of its own.
fn with_socket(number: i64, arguments: impl FnOnce(u64) -> [u64; 6]) -> io::Result<String> {
    call(number, arguments(tcp_socket()?)).map(allowed)
}

fn option_of(level: i32, option: i32) -> io::Result<String> {
    let one = 1i32;
    with_socket(libc::SYS_setsockopt, |socket| {
        [socket, level as u64, option as u64, &raw const one as u64, 4, 0]
    })
}

/// Takes all the sockets that there may be, gives them back, and takes one more.
fn exhaust() -> io::Result<String> {
    let mut all = Vec::new();
    let full = loop {
        match tcp_socket() {
            Ok(socket) => all.push(socket),
            Err(error) => break error,
        }
    };
    for socket in all {
        call(libc::SYS_close, [socket, 0, 0, 0, 0, 0])?;
    }
    let one = tcp_socket().map(allowed)?;
    Ok(format!("{} then {one}", super::named(&full)))
}

fn url(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// The variables of proxies, with their names.
fn variables() -> String {
    let mut all: Vec<String> = env::vars()
        .filter(|(name, _)| name.to_lowercase().contains("proxy"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    all.sort();
    all.join(" ")
}

/// The parts of a proxy's URL: name and password, and where it is.
pub(crate) fn parts(url: &str) -> Option<(&str, SocketAddr)> {
    let (pair, place) = url.split_once("://")?.1.split_once('@')?;
    Some((pair, place.parse().ok()?))
}

fn to_proxy() -> io::Result<(String, TcpStream)> {
    let url = url("ALL_PROXY");
    let (pair, place) = parts(&url).ok_or(io::ErrorKind::InvalidInput)?;
    let stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok((pair.to_owned(), stream))
}

/// What a field of HTTP says that shows a name and a password.
pub(crate) fn field(pair: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert!(pair.len().is_multiple_of(3), "no padding here");
    let word = |three: &[u8]| three.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte));
    let digits = |three: &[u8]| {
        let word = word(three);
        [18, 12, 6, 0].map(|by| DIGITS[(word >> by & 63) as usize] as char)
    };
    let text: String = pair.as_bytes().chunks(3).flat_map(digits).collect();
    format!("Proxy-Authorization: Basic {text}\r\n")
}

fn tunnel(place: &str) -> io::Result<TcpStream> {
    let (pair, mut stream) = to_proxy()?;
    let host = place.split(':').next().unwrap_or_default();
    let head = format!("CONNECT {place} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", field(&pair));
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(stream),
        false => Err(io::Error::other(String::from_utf8_lossy(&answer[..12]).into_owned())),
    }
}

fn socks(place: &str) -> io::Result<TcpStream> {
    let (pair, stream) = to_proxy()?;
    let (name, password) = pair.split_once(':').unwrap_or_default();
    spoken(stream, name, password, place)
}

/// Asks a SOCKS5 proxy for a place.
pub(crate) fn spoken(
    mut stream: TcpStream,
    name: &str,
    password: &str,
    place: &str,
) -> io::Result<TcpStream> {
    let (host, port) = place.rsplit_once(':').unwrap_or_default();
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let counted = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let shown = [&[1][..], &counted(name), &counted(password)].concat();
    let request = [&[5, 1, 0, 3][..], &counted(host), &port.to_be_bytes()].concat();
    for (said, expected) in [(vec![5, 1, 2], [5, 2]), (shown, [1, 0]), (request, [5, 0])] {
        stream.write_all(&said)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer)?;
        if answer != expected {
            return Err(io::Error::other(format!("SOCKS {answer:?}")));
        }
    }
    stream.read_exact(&mut [0; 8])?;
    Ok(stream)
}

fn carried(mut stream: TcpStream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first line of what the proxy answers, and whether the server saw the key.
fn absolute(place: &str) -> io::Result<String> {
    let (pair, mut stream) = to_proxy()?;
    let head = format!(
        "GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n{}\r\n",
        field(&pair)
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let line = answer.lines().next().unwrap_or_default();
    let leaked = if answer.contains("Authorization") { ", key leaked" } else { "" };
    Ok(format!("{line}{leaked}"))
}

/// Connects to another address, at the proxy's port; after a connection to the proxy that was given
/// up, too.
fn at(address: &str) -> io::Result<String> {
    let url = url("ALL_PROXY");
    let (_, proxy) = parts(&url).ok_or(io::ErrorKind::InvalidInput)?;
    let address: IpAddr = address.parse().map_err(io::Error::other)?;
    let patience = Duration::from_millis(500);
    TcpStream::connect_timeout(&(address, proxy.port()).into(), patience)?;
    Ok("reached".into())
}
