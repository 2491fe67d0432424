//! What lies outside of a sandbox with a way out: servers on the host's loopback, a resolver that
//! knows them, and a program that asks for them from inside.
#![allow(dead_code, clippy::print_stdout, reason = "shared by tests that each use a part")]

pub(crate) mod proxied;

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs,
    UdpSocket,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::egress::dial::Dialler;
use sandbox_core::egress::resolve::StaticResolver;
use sandbox_core::{Enforcement, ExecRequest, Feature, LocalBackend, Policy, PolicyBuilder};
use sandbox_linux::{LinuxConfinement, TierChoice};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Set for the copy of this program that runs in a sandbox: what it is to try, line by line.
pub(crate) const SCRIPT: &str = "TRY_FROM_INSIDE";

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program in the sandbox. Tries each line, and prints one for it.
pub(crate) fn inside() -> Outcome {
    let Some(script) = std::env::var_os(SCRIPT) else { return Ok(()) };
    for line in script.to_str().ok_or("no text")?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let said = match words[..] {
            ["resolve", name] => resolve(name),
            ["tcp", host, port, text] => tcp(host, port.parse()?, text),
            ["tcp4", host, port, text] => family(host, port.parse()?, text, SocketAddr::is_ipv4),
            ["tcp6", host, port, text] => family(host, port.parse()?, text, SocketAddr::is_ipv6),
            ["udp4", host, port, text] => udp_to(host, port.parse()?, text, SocketAddr::is_ipv4),
            ["udp6", host, port, text] => udp_to(host, port.parse()?, text, SocketAddr::is_ipv6),
            ["hex", host, port, bytes] => hex(host, port.parse()?, bytes),
            ["udp", host, port, text] => udp(host, port.parse()?, text),
            ["listen", port] => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.parse()?)).map(|_| "listens".into())
            }
            ["ask", how, server, name] => ask(how, server.parse()?, name),
            ["many", count, host, port] => many(count.parse()?, host, port.parse()?),
            ["wait"] => wait(),
            ["hold", host, port] => hold(host, port.parse()?),
            _ => proxied::tried(&words).ok_or_else(|| format!("{line:?} is nothing to try"))?,
        };
        println!("|{}", said.unwrap_or_else(|error| named(&error)));
    }
    Ok(())
}

fn named(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EACCES) => "EACCES".into(),
        Some(libc::ECONNREFUSED) => "ECONNREFUSED".into(),
        Some(libc::ECONNRESET | libc::EPIPE) => "ECONNRESET".into(),
        Some(libc::EAGAIN) => "nothing".into(),
        Some(libc::EPERM) => "EPERM".into(),
        Some(libc::ENOSYS) => "ENOSYS".into(),
        Some(libc::EMFILE) => "EMFILE".into(),
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT".into(),
        Some(libc::EPROTONOSUPPORT) => "EPROTONOSUPPORT".into(),
        Some(libc::EOPNOTSUPP) => "EOPNOTSUPP".into(),
        Some(libc::ENOPROTOOPT) => "ENOPROTOOPT".into(),
        _ => error.to_string(),
    }
}

fn resolve(name: &str) -> io::Result<String> {
    let mut found: Vec<IpAddr> = (name, 0).to_socket_addrs()?.map(|it| it.ip()).collect();
    found.dedup();
    Ok(format!("{found:?}"))
}

fn tcp(host: &str, port: u16, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream
        .write_all(text.replace("\\r", "\r").replace("\\n", "\n").replace("\\s", " ").as_bytes())?;
    end_writing(&stream)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn end_writing(stream: &TcpStream) -> io::Result<()> {
    match stream.shutdown(Shutdown::Write) {
        // Reset already, as reading tells.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        shut => shut,
    }
}

fn family(host: &str, port: u16, text: &str, which: fn(&SocketAddr) -> bool) -> io::Result<String> {
    let found = (host, port).to_socket_addrs()?.find(which).ok_or(io::ErrorKind::NotFound)?;
    tcp(&found.ip().to_string(), port, text)
}

fn udp_to(host: &str, port: u16, text: &str, which: fn(&SocketAddr) -> bool) -> io::Result<String> {
    let found = (host, port).to_socket_addrs()?.find(which).ok_or(io::ErrorKind::NotFound)?;
    udp(&found.ip().to_string(), port, text)
}

/// Sends bytes, and counts what comes back.
fn hex(host: &str, port: u16, bytes: &str) -> io::Result<String> {
    let digits: Vec<u32> = bytes.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|two| (two[0] << 4 | two[1]) as u8).collect();
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&bytes)?;
    end_writing(&stream)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(format!("{} bytes", answer.len()))
}

fn udp(host: &str, port: u16, text: &str) -> io::Result<String> {
    let target = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected: an answer from any other address would not come.
    socket.connect(target)?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.send(text.as_bytes())?;
    let mut buffer = [0; 100];
    let read = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
}

/// Asks a DNS server for an A record, without any library: the answer's code, and its last bytes.
fn ask(how: &str, server: IpAddr, name: &str) -> io::Result<String> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.extend([label.len() as u8]);
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let mut answer = vec![0; 512];
    let read = if how == "tcp" {
        let mut stream = TcpStream::connect((server, 53))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = (question.len() as u16).to_be_bytes();
        // In pieces, as a network may have it.
        stream.write_all(&length)?;
        stream.write_all(&question)?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let length = usize::from(u16::from_be_bytes(length));
        stream.read_exact(&mut answer[..length])?;
        length
    } else {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((server, 53))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(&question)?;
        socket.recv(&mut answer)?
    };
    Ok(format!("{} {:?}", answer[3] & 15, &answer[read - 4..read]))
}

/// Has so many connections open at once, and each carry something; how many did.
fn many(count: usize, host: &str, port: u16) -> io::Result<String> {
    let open = (0..count).map(|_| TcpStream::connect((host, port)));
    let mut open = open.collect::<io::Result<Vec<_>>>()?;
    let mut done = 0;
    for (number, stream) in open.iter_mut().enumerate() {
        stream.set_read_timeout(Some(PATIENCE))?;
        let bytes = number.to_be_bytes();
        stream.write_all(&bytes)?;
        let mut back = bytes.map(|byte| !byte);
        stream.read_exact(&mut back)?;
        done += usize::from(back == bytes);
    }
    Ok(done.to_string())
}

/// Waits for a line from outside.
fn wait() -> io::Result<String> {
    println!("|waits");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok("goes on".into())
}

/// Has a connection carry something, and waits for its end.
fn hold(host: &str, port: u16) -> io::Result<String> {
    held(TcpStream::connect((host, port))?)
}

fn held(mut stream: TcpStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"hello")?;
    let mut buffer = [0; 100];
    let read = stream.read(&mut buffer)?;
    println!("|{}", String::from_utf8_lossy(&buffer[..read]));
    match stream.read(&mut buffer)? {
        0 => Ok("end".into()),
        more => Ok(format!("{more} bytes")),
    }
}

/// An echo server of each protocol on one port of the host's loopback.
pub(crate) struct Server {
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(at: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((at, 0))?;
        let port = listener.local_addr()?.port();
        let datagrams = UdpSocket::bind((at, port))?;
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(read @ 1..) = stream.read(&mut buffer) {
                        // To a request the answer is what was asked.
                        if buffer.starts_with(b"GET ") {
                            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
                            stream.write_all(&buffer[..read])?;
                            break;
                        }
                        stream.write_all(&buffer[..read])?;
                    }
                    stream.shutdown(Shutdown::Write)
                });
            }
        });
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((read, client)) = datagrams.recv_from(&mut buffer) {
                let _ = datagrams.send_to(&buffer[..read], client);
            }
        });
        Ok(Self { port })
    }
}

pub(crate) fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// How connections are taken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Diverted,
    ByPort,
    /// On the Landlock tier, where programs have to know of a proxy.
    Proxied,
}

/// A place to run the program in.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) confinement: Arc<LinuxConfinement>,
    pub(crate) server: Server,
    /// The port of a server at `::1`, where the host has IPv6.
    pub(crate) server_v6: Option<u16>,
}

impl World {
    /// One, unless nothing can be confined here; the reason was printed.
    pub(crate) fn new(means: Means) -> Result<Option<Self>, Box<dyn Error>> {
        let world = Self::unchecked(means)?;
        let capabilities = LocalBackend::new(Arc::clone(&world.confinement)).capabilities();
        match capabilities.features.get(&Feature::NetworkAllowList) {
            None => skip(&"namespaces are refused here: run `sandbox doctor`"),
            Some(Enforcement::Absent { why }) => skip(why),
            Some(_) => return Ok(Some(world)),
        }
        Ok(None)
    }

    fn unchecked(means: Means) -> Result<Self, Box<dyn Error>> {
        let server = Server::start(v4(1))?;
        let server_v6 = Server::start(Ipv6Addr::LOCALHOST.into()).ok().map(|it| it.port);
        let mut resolver = StaticResolver::default();
        for name in ["allowed.test", "other.test", "www.below.test", "web.test"] {
            resolver = resolver.with(name.parse()?, [v4(1)]);
        }
        resolver = resolver.with("rebound.test".parse()?, [v4(2)]);
        resolver = resolver.with("sixth.test".parse()?, [Ipv6Addr::LOCALHOST.into()]);
        let dialler = Dialler::default().resolver(resolver);
        let tier = match means {
            Means::Proxied => TierChoice::Landlock,
            Means::Diverted | Means::ByPort => TierChoice::Namespaces,
        };
        let confinement =
            LinuxConfinement::new(tier)?.gateway(move |setup| setup.dialler(dialler.clone()));
        let confinement = Arc::new(match means {
            Means::Diverted | Means::Proxied => confinement,
            Means::ByPort => confinement.without_filters(),
        });
        let folder = tempfile::tempdir_in("/var/tmp")?;
        fs::copy(std::env::current_exe()?, folder.path().join("program"))?;
        Ok(Self { folder, confinement, server, server_v6 })
    }

    pub(crate) fn program(&self) -> Result<PathBuf, Box<dyn Error>> {
        Ok(fs::canonicalize(self.folder.path())?.join("program"))
    }

    /// A policy with these rules, beside one that opens the server's own address.
    pub(crate) fn policy(&self, rules: &[&str]) -> Result<Policy, Box<dyn Error>> {
        Ok(self.builder(rules)?.build()?)
    }

    pub(crate) fn builder(&self, rules: &[&str]) -> Result<PolicyBuilder, Box<dyn Error>> {
        let port = self.server.port;
        let rules = rules.iter().map(|rule| rule.replace("PORT", &port.to_string()));
        let own = format!(r#"{{"host":"127.0.0.1:{port}","private":true}}"#);
        let folder = fs::canonicalize(self.folder.path())?;
        Ok(Policy::read_only().read(folder)?.allow_hosts(rules)?.allow_hosts([own])?)
    }

    pub(crate) fn request(&self, script: &str) -> Result<ExecRequest, Box<dyn Error>> {
        let script = script.replace("PORT", &self.server.port.to_string());
        let request = ExecRequest::new(self.program()?);
        Ok(request.args(["--exact", "inside", "--nocapture"]).env(SCRIPT, script))
    }

    /// What the program says to each line, in a sandbox of its own.
    pub(crate) async fn say(
        &self,
        rules: &[&str],
        script: &str,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let backend = LocalBackend::new(Arc::clone(&self.confinement));
        let result = backend.run(&self.policy(rules)?, &self.request(script)?).await?;
        Ok(said(&result.stdout.text()))
    }
}

/// Says why something is not tested; with `SANDBOX_REQUIRE_ALL=1` that is a failure.
///
/// The stream itself is written to: the harness hides what a test that passes prints by macro. At
/// once, or other tests would write in between.
pub(crate) fn skip(reason: &dyn std::fmt::Display) {
    let forbidden = std::env::var_os("SANDBOX_REQUIRE_ALL").is_some_and(|it| it == "1");
    assert!(!forbidden, "skipped, which is forbidden: {reason}");
    io::stderr().write_all(format!("skipped: {reason}\n").as_bytes()).expect("standard error");
}

/// The lines that the program printed.
pub(crate) fn said(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| Some(line.split_once('|')?.1.to_owned())).collect()
}
