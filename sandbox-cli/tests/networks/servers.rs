//! The internet's servers. They take connections to every address in the world.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::zone::{ECHO, ECHO_V6, WEB};

/// Longer than any test needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The port of the server that counts.
pub(crate) const COUNTING: u16 = 9000;

/// One connection to the server that counts: bytes that came, and bytes that were sent.
pub(crate) type Counted = (u64, u64);

/// What servers have seen.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Connections to port 80.
    pub(crate) web: Arc<AtomicUsize>,
    /// Datagrams to port 443.
    pub(crate) quic: Arc<AtomicUsize>,
    /// Of each connection to [`COUNTING`], once it has ended.
    pub(crate) counted: Arc<Mutex<Vec<Counted>>>,
}

/// Serves in the calling thread's network: files of `folder` by `git.test`.
pub(crate) fn serve(folder: &Path, tls: ServerConfig, has_v6: bool) -> io::Result<Seen> {
    let seen = Seen::default();
    let tls = Arc::new(tls);
    let folder: Arc<PathBuf> = Arc::new(folder.to_path_buf());
    for port in [80, 81, 8080] {
        let folder = Arc::clone(&folder);
        let taken = if port == 80 { Arc::clone(&seen.web) } else { Arc::default() };
        listen(has_v6, port, &taken, move |stream| answer(stream, &folder))?;
    }
    for port in [443, 8443] {
        let (folder, tls) = (Arc::clone(&folder), Arc::clone(&tls));
        listen(has_v6, port, &Arc::default(), move |stream| {
            let session = ServerConnection::new(Arc::clone(&tls)).map_err(io::Error::other)?;
            answer(StreamOwned::new(session, stream), &folder)
        })?;
    }
    listen(has_v6, 22, &Arc::default(), |stream| {
        (&stream).write_all(b"SSH-2.0-Internet_1.0\r\n")?;
        BufReader::new(stream).read_line(&mut String::new()).map(drop)
    })?;
    let counted = Arc::clone(&seen.counted);
    listen(has_v6, COUNTING, &Arc::default(), move |stream| {
        let numbers = count(&stream);
        counted.lock().expect("the numbers").push(numbers);
        Ok(())
    })?;
    let echo = Arc::default();
    answer_datagrams(ECHO, 7, &echo)?;
    answer_datagrams(WEB, 443, &seen.quic)?;
    if has_v6 {
        answer_datagrams(ECHO_V6, 7, &echo)?;
    }
    Ok(seen)
}

/// Takes connections to any address, counts them in their order, and has a thread for each.
pub(crate) fn listen(
    has_v6: bool,
    port: u16,
    taken: &Arc<AtomicUsize>,
    serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    let any: IpAddr =
        if has_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let listener = TcpListener::bind((any, port))?;
    let (serve, taken) = (Arc::new(serve), Arc::clone(taken));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            taken.fetch_add(1, Ordering::SeqCst);
            let serve = Arc::clone(&serve);
            thread::spawn(move || {
                stream.set_read_timeout(Some(PATIENCE))?;
                serve(stream)
            });
        }
    });
    Ok(())
}

fn answer_datagrams(at: IpAddr, port: u16, seen: &Arc<AtomicUsize>) -> io::Result<()> {
    let (socket, seen) = (UdpSocket::bind((at, port))?, Arc::clone(seen));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((read, client)) = socket.recv_from(&mut buffer) {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = socket.send_to(&buffer[..read], client);
        }
    });
    Ok(())
}

/// One request of HTTP/1, whose answer says what was asked; a file for those who clone.
fn answer(stream: impl Read + Write, folder: &Path) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut host) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => break,
            ["GET", asked, _] => path = asked.split('?').next().unwrap_or_default().into(),
            [name, value] if name.eq_ignore_ascii_case("host:") => host = value.to_lowercase(),
            _ => {}
        }
    }
    let file = host.starts_with("git.test").then(|| folder.join(path.trim_start_matches('/')));
    let (status, body) = match file.map(std::fs::read) {
        None => ("200 OK", format!("{host} {path}").into_bytes()),
        Some(Ok(body)) => ("200 OK", body),
        Some(Err(_)) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let stream = stream.get_mut();
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    stream.flush()
}

/// `UP DOWN hold`: takes so many bytes and sends so many, and then either waits for the end or ends.
/// Returns how many there really were.
fn count(mut stream: &TcpStream) -> Counted {
    let mut reader = BufReader::new(stream);
    let mut order = String::new();
    let read = reader.read_line(&mut order).unwrap_or_default();
    let mut up = read as u64;
    let words: Vec<&str> = order.split_whitespace().collect();
    let [wanted, sent, then] = words[..] else { return (up, 0) };
    let number = |word: &str| word.parse::<u64>().unwrap_or_default();
    up += io::copy(&mut (&mut reader).take(number(wanted)), &mut io::sink()).unwrap_or_default();
    let down = number(sent);
    let sent = stream.write_all(&vec![b'x'; down as usize]).map_or(0, |()| down);
    if then == "end" {
        let _ = stream.shutdown(Shutdown::Write);
    }
    // Whatever else comes counts as well.
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        up += read as u64;
    }
    (up, sent)
}

/// A certificate for every name here, and the authority that signed it, as programs read it.
pub(crate) fn certificates() -> Result<(ServerConfig, String), Box<dyn std::error::Error>> {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "internet of the tests");
    let signed = authority.self_signed(&authority_key)?;
    let pem = signed.pem();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let names = [
        "web.test",
        "six.test",
        "git.test",
        "other.test",
        "unlisted.test",
        "*.unlisted.test",
        "*.web.test",
        "*.wild.test",
        "*.b.wild.test",
    ];
    let own = CertificateParams::new(names.map(String::from))?.signed_by(&key, &issuer)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der())?,
        )?;
    Ok((config, pem))
}
