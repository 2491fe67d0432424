//! The internet's name server: what names lead to, and who was asked for.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where the server is.
pub(crate) const SERVER: IpAddr = v4([9, 9, 9, 9]);
/// The launcher's own addresses.
pub(crate) const OWN: IpAddr = v4([45, 0, 0, 2]);
pub(crate) const OWN_V6: IpAddr = v6([0x2a00, 1, 0, 0, 0, 0, 0, 2]);
/// Who answers datagrams.
pub(crate) const WEB: IpAddr = v4([93, 184, 215, 14]);
pub(crate) const ECHO: IpAddr = v4([93, 184, 215, 77]);
pub(crate) const ECHO_V6: IpAddr = v6([0x2a00, 2, 0, 0, 0, 0, 0, 0x77]);
/// A private address that a rule opens.
pub(crate) const INNER: IpAddr = v4([172, 16, 0, 9]);
/// What nobody may reach by any name.
pub(crate) const PRIVATE: IpAddr = v4([10, 0, 0, 5]);
pub(crate) const METADATA: IpAddr = v4([169, 254, 169, 254]);

const fn v4([a, b, c, d]: [u8; 4]) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8]) -> IpAddr {
    IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h))
}

/// Names of `rebind.test` whose addresses nobody may reach.
#[rustfmt::skip]
pub(crate) const REBINDING: &[(&str, IpAddr)] = &[
    ("private", PRIVATE),
    ("loopback", v4([127, 0, 0, 1])),
    ("metadata", METADATA),
    ("carrier", v4([100, 64, 0, 5])),
    ("own", OWN),
    ("own6", OWN_V6),
    ("loopback6", v6([0, 0, 0, 0, 0, 0, 0, 1])),
    ("mapped", v6([0, 0, 0, 0, 0, 0xffff, 0x0a00, 5])),
    ("nat64", v6([0x64, 0xff9b, 0, 0, 0, 0, 0x0a00, 5])),
    ("6to4", v6([0x2002, 0x0a00, 5, 0, 0, 0, 0, 1])),
    ("unique", v6([0xfd00, 0, 0, 0, 0, 0, 0, 5])),
];

/// Of each name, how often the server was asked.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<BTreeMap<String, usize>>>);

impl Asked {
    /// Serves both transports in the calling thread's network.
    pub(crate) fn serve() -> io::Result<Self> {
        let asked = Self::default();
        let socket = UdpSocket::bind((SERVER, 53))?;
        let listener = TcpListener::bind((SERVER, 53))?;
        let (by_datagram, by_stream) = (asked.clone(), asked.clone());
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((read, client)) = socket.recv_from(&mut buffer) {
                by_datagram.answer_datagram(&socket, &buffer[..read], client);
            }
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who goes away early has lost interest.
                let _ = by_stream.answer_stream(stream);
            }
        });
        Ok(asked)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().expect("the names").keys().cloned().collect()
    }

    fn answer_datagram(&self, socket: &UdpSocket, question: &[u8], client: SocketAddr) {
        let answer = self.answer(question, true);
        let _ = answer.map(|answer| socket.send_to(&answer, client));
    }

    fn answer_stream(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question)?;
            let answer = self.answer(&question, false).unwrap_or_default();
            stream.write_all(&(answer.len() as u16).to_be_bytes())?;
            stream.write_all(&answer)?;
        }
        Ok(())
    }

    /// RFC 1035, section 4.1.
    fn answer(&self, question: &[u8], is_datagram: bool) -> Option<Vec<u8>> {
        let (name, after) = read_name(question)?;
        let kind = u16::from_be_bytes([*question.get(after)?, *question.get(after + 1)?]);
        let number = {
            let mut asked = self.0.lock().expect("the names");
            let number = asked.entry(name.clone()).or_default();
            // Both families are asked for at once: one of them counts.
            *number += usize::from(kind == 1);
            *number
        };
        let (alias, found) = lookup(&name, number);
        let is_cut = is_datagram && name == "tcp.wild.test";
        let found = found.into_iter().filter(|it| is_of(*it, kind) && !is_cut);
        let records: Vec<_> = alias
            .map(|to| record(5, &written_name(to)))
            .into_iter()
            .chain(found.map(record_of))
            .collect();
        let flags = [if is_cut { 0x87 } else { 0x85 }, 0x80];
        let counts = [0, 1, 0, records.len() as u8, 0, 0, 0, 0];
        let question = question.get(..after + 4)?;
        Some([&question[..2], &flags, &counts, &question[12..], &records.concat()].concat())
    }
}

/// The name of a question, and where it ends.
fn read_name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(at)?);
        let label = question.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
    }
}

fn written_name(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[label.len() as u8], label.as_bytes()].concat();
    name.split('.').flat_map(label).chain([0]).collect()
}

/// A record about the name that was asked for. With an alias it is about that one, and no client
/// minds.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    const TIME_TO_LIVE: [u8; 4] = [0; 4];
    let length = (data.len() as u16).to_be_bytes();
    [&[0xc0, 12], &kind.to_be_bytes()[..], &[0, 1], &TIME_TO_LIVE, &length, data].concat()
}

fn record_of(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => record(1, &v4.octets()),
        IpAddr::V6(v6) => record(28, &v6.octets()),
    }
}

fn is_of(address: IpAddr, kind: u16) -> bool {
    kind == if address.is_ipv4() { 1 } else { 28 }
}

/// What a name leads to. Every name leads somewhere: what is refused is not refused for want of an
/// answer.
fn lookup(name: &str, number: usize) -> (Option<&'static str>, Vec<IpAddr>) {
    let found = match name {
        "web.test" => vec![WEB, v6([0x2a00, 2, 0, 0, 0, 0, 0, 0x14])],
        "inner.test" => vec![INNER],
        "six.test" => vec![v6([0x2a00, 2, 0, 0, 0, 0, 0, 6])],
        "echo.test" => vec![ECHO],
        "echo6.test" => vec![ECHO_V6],
        "alias.rebind.test" => return (Some("private.rebind.test"), Vec::new()),
        "mixed.rebind.test" => vec![PRIVATE, WEB],
        "flip.rebind.test" => vec![if number % 2 == 1 { WEB } else { PRIVATE }],
        _ => {
            let name = name.strip_suffix(".rebind.test").unwrap_or_default();
            let rebound = REBINDING.iter().find(|(label, _)| *label == name);
            vec![rebound.map_or(v4([93, 184, 215, 40]), |(_, address)| *address)]
        }
    };
    (None, found)
}
