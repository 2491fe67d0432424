//! Commands on sockets. Each waits at most a short while, so a dropped packet is a refusal.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::exit;
use std::thread;
use std::time::Duration;

use super::{Command, Got, Words, done};

pub(super) const COMMANDS: &[Command] = &[
    ("tcp", |w| tcp(w)),
    ("reach", |w| reach(w)),
    ("reach-hold", |w| hold(w)),
    ("udp", |w| udp(w)),
    ("unix", |w| greeting(UnixStream::connect(w.path(0))?)),
    ("unix-datagram", |w| done(datagram(w))),
    ("abstract", |w| abstract_socket(w)),
    ("abstract-bind", |w| done(bind_abstract(w))),
    ("unix-bind", |w| done(UnixListener::bind(w.path(0)).map(drop))),
    ("unix-pair", |_| own_pair()),
    ("own-server", |_| own_server()),
    ("serve", |w| done(serve(w))),
    ("own-unix-server", |w| own_unix_server(w)),
];

const PATIENCE: Duration = Duration::from_secs(2);
/// Longer than a case takes to do something about a connection that is held.
const LONG: Duration = Duration::from_secs(10);

fn address(words: &Words<'_>) -> io::Result<SocketAddr> {
    words.text(0).parse().map_err(io::Error::other)
}

fn tcp(words: &Words<'_>) -> Got {
    let mut stream = TcpStream::connect_timeout(&address(words)?, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    read_line(&mut stream)
}

/// As a program that heeds the variables which name a proxy, where there are any.
fn reach(words: &Words<'_>) -> Got {
    read_line(&mut dial(address(words)?)?)
}

/// Connects by the proxy of the variables, if they name one.
fn dial(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = match std::env::var("ALL_PROXY") {
        Err(_) => TcpStream::connect_timeout(&to, PATIENCE)?,
        Ok(url) => through(&url, to)?,
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Connects by a SOCKS5 proxy that wants a password (RFC 1928, RFC 1929).
fn through(url: &str, to: SocketAddr) -> io::Result<TcpStream> {
    let odd = || io::Error::other("the proxy's variable is odd");
    let rest = url.strip_prefix("socks5h://").ok_or_else(odd)?;
    let (pair, proxy) = rest.split_once('@').ok_or_else(odd)?;
    let (name, password) = pair.split_once(':').ok_or_else(odd)?;
    let proxy = proxy.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&proxy, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let host = to.ip().to_string();
    let counted = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let port = to.port().to_be_bytes();
    let request = [&[5, 1, 0, 3][..], &counted(&host), &port].concat();
    let shown = [&[1][..], &counted(name), &counted(password)].concat();
    for (said, expected) in
        [(vec![5, 1, 2], vec![5, 2]), (shown, vec![1, 0]), (request, vec![5, 0])]
    {
        stream.write_all(&said)?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer)?;
        if answer != expected {
            return Err(io::Error::other(format!("the proxy refused: {answer:?}")));
        }
    }
    // Of the last answer an address and a port are left.
    stream.read_exact(&mut [0; 8])?;
    Ok(stream)
}

/// Says that it was greeted, and waits for the end of the connection: a reset is an error.
fn hold(words: &Words<'_>) -> Got {
    let mut stream = dial(address(words)?)?;
    stream.set_read_timeout(Some(LONG))?;
    read_line(&mut stream)?;
    super::say("ready")?;
    read_line(&mut stream)
}

fn greeting(mut stream: UnixStream) -> Got {
    stream.set_read_timeout(Some(PATIENCE))?;
    read_line(&mut stream)
}

fn read_line(stream: &mut impl Read) -> Got {
    let mut got = [0; 64];
    let read = stream.read(&mut got)?;
    Ok(got[..read].to_vec())
}

/// The case looks outside whether the datagram came; an answer is not waited for.
fn udp(words: &Words<'_>) -> Got {
    let to = address(words)?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let sent = UdpSocket::bind(from)?.send_to(b"x", to)?;
    Ok(sent.to_string().into_bytes())
}

fn datagram(words: &Words<'_>) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to(b"x", words.path(0)).map(drop)
}

fn abstract_socket(words: &Words<'_>) -> Got {
    greeting(UnixStream::connect_addr(&UnixAddr::from_abstract_name(words.text(0))?)?)
}

fn bind_abstract(words: &Words<'_>) -> io::Result<()> {
    UnixListener::bind_addr(&UnixAddr::from_abstract_name(words.text(0))?).map(drop)
}

/// What every event loop makes for itself.
fn own_pair() -> Got {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"pair")?;
    read_line(&mut other)
}

/// A server and its client in the same sandbox.
fn own_server() -> Got {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    listener.accept()?.0.write_all(b"own")?;
    client.set_read_timeout(Some(PATIENCE))?;
    read_line(&mut client)
}

/// Greets whoever comes to a port. Its end is the case's to bring about, within a minute: where the
/// case fails at that, nobody else would end it.
fn serve(words: &Words<'_>) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", words.number::<u16>(0)?))?;
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(60));
        exit(1);
    });
    super::say("ready")?;
    loop {
        listener.accept()?.0.write_all(b"served")?;
    }
}

fn own_unix_server(words: &Words<'_>) -> Got {
    let listener = UnixListener::bind(words.path(0))?;
    let client = UnixStream::connect(words.path(0))?;
    listener.accept()?.0.write_all(b"own")?;
    greeting(client)
}
