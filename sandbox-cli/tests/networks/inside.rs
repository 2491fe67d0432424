//! This program's copy in a sandbox: one order, one line.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::process::ExitCode;
use std::time::Duration;

use super::sys;

/// The first argument of the copy. Each further one is an order.
pub(crate) const MARK: &str = "inside";

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn is_meant() -> bool {
    std::env::args().nth(1).as_deref() == Some(MARK)
}

#[expect(clippy::print_stdout, reason = "the test that started this one reads it")]
pub(crate) fn main() -> ExitCode {
    for order in std::env::args().skip(2) {
        println!("{}", carry_out(&order).unwrap_or_else(|error| named(&error)));
    }
    ExitCode::SUCCESS
}

fn carry_out(order: &str) -> io::Result<String> {
    let words: Vec<&str> = order.split(' ').collect();
    let number = |word: &str| word.parse::<i32>().map_err(io::Error::other);
    match words[..] {
        ["socket", family, kind, protocol] => {
            sys::socket(number(family)?, number(kind)?, number(protocol)?).map(|()| "made".into())
        }
        ["io_uring"] => sys::io_uring().map(|()| "made".into()),
        ["unix", path] => UnixStream::connect(path).map(|_| "reached".into()),
        ["abstract", name] => {
            let address = UnixAddress::from_abstract_name(name)?;
            UnixStream::connect_addr(&address).map(|_| "reached".into())
        }
        ["udp", host, port, text] => udp(host, port, text),
        ["get", host] => get(host, |_| true),
        ["get4", host] => get(host, SocketAddr::is_ipv4),
        ["get6", host] => get(host, SocketAddr::is_ipv6),
        // The last word tells this process from others.
        ["beat", host, _] => loop {
            // Whatever comes of one, the next one is tried.
            let _ = get(host, |_| true);
        },
        ["say", host, pace, text] => say(host, pace, text),
        ["many", host, number] => many(host, number),
        ["count", host, up, down, then] => count(host, up, down, then),
        _ => Err(io::Error::other(format!("{order:?} is no order"))),
    }
}

/// What happened, in the words that the clients in other languages have too.
pub(crate) fn named(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EACCES) => "access".into(),
        Some(libc::EPERM) => "permission".into(),
        Some(libc::ECONNREFUSED) => "refused".into(),
        Some(libc::ECONNRESET | libc::EPIPE) => "reset".into(),
        Some(libc::EAFNOSUPPORT) => "no family".into(),
        Some(libc::EPROTONOSUPPORT) => "no protocol".into(),
        Some(libc::ENOSYS) => "no call".into(),
        Some(libc::ENOENT) => "no file".into(),
        Some(libc::EAGAIN | libc::ETIMEDOUT) => "timeout".into(),
        _ => match error.to_string() {
            text if text.contains("Name or service not known") => "name".into(),
            text => format!("other: {text}"),
        },
    }
}

/// The first address of a name that will do.
fn find(host: &str, port: u16, good: fn(&SocketAddr) -> bool) -> io::Result<SocketAddr> {
    (host, port).to_socket_addrs()?.find(good).ok_or_else(|| ErrorKind::NotFound.into())
}

fn udp(host: &str, port: &str, text: &str) -> io::Result<String> {
    let target = find(host, port.parse().map_err(io::Error::other)?, |_| true)?;
    let socket = match target {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(text.as_bytes())?;
    let mut buffer = [0; 4096];
    let read = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
}

/// A page of a web server.
fn get(host: &str, good: fn(&SocketAddr) -> bool) -> io::Result<String> {
    let mut stream = TcpStream::connect(find(host, 80, good)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let name = if host.contains(':') { format!("[{host}]") } else { host.into() };
    // In one piece: a reset may come at any moment.
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| io::Error::other(format!("{answer:?} is no answer")))
}

/// Says something to a web server, whole or byte by byte, and returns what comes back, in one line.
fn say(host: &str, pace: &str, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(find(host, 80, |_| true)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut text = text.to_owned();
    for (written, meant) in [("_", " "), ("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\0", "\0")]
    {
        text = text.replace(written, meant);
    }
    let size = if pace == "slowly" { 1 } else { text.len() };
    for part in text.as_bytes().chunks(size) {
        stream.write_all(part)?;
        // So that they are seen one by one.
        std::thread::sleep(Duration::from_millis(if size == 1 { 1 } else { 0 }));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().last().unwrap_or("closed").into())
}

/// Has so many connections at once, and each carry something; how many did.
fn many(host: &str, number: &str) -> io::Result<String> {
    let number = number.parse::<usize>().map_err(io::Error::other)?;
    let target = find(host, 80, |_| true)?;
    let open = (0..number).map(|_| TcpStream::connect(target)).collect::<io::Result<Vec<_>>>()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut good = 0;
    for mut stream in open {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        good += usize::from(answer.starts_with("HTTP/1.1 200"));
    }
    Ok(good.to_string())
}

/// Exchanges known amounts with the server that counts, and says so; then waits for the end.
#[expect(clippy::print_stdout, reason = "the test that started this one reads it")]
fn count(host: &str, up: &str, down: &str, then: &str) -> io::Result<String> {
    let number = |word: &str| word.parse::<usize>().map_err(io::Error::other);
    let mut stream = TcpStream::connect((host, super::servers::COUNTING))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let order = format!("{up} {down} {then}\n");
    stream.write_all(&[order.as_bytes(), &vec![b'y'; number(up)?]].concat())?;
    let mut back = vec![0; number(down)?];
    stream.read_exact(&mut back)?;
    println!("exchanged");
    match stream.read(&mut [0])? {
        0 => Ok("end".into()),
        _ => Ok("more".into()),
    }
}
