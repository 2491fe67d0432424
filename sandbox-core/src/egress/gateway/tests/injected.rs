mod carrying;
mod refusals;

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;
use crate::NetworkPolicy;

const SECRET: &str = "ghp_TheSecretThatStaysOutsideAllTheTime0";
const KEY: &str = "another-key-of-31-characters-xx";

/// Two hosts with a credential each, `example.org` and `other.example`, and one without,
/// `third.example`; one server, which proves to be any of them.
struct Scene {
    world: World,
    injection: Arc<Injection>,
    acceptor: TlsAcceptor,
    root: CertificateDer<'static>,
}

type Near = client::TlsStream<TcpStream>;
type Far = server::TlsStream<TcpStream>;

/// A root of the world outside, and a server that it vouches for.
fn outside() -> (CertificateDer<'static>, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let names = ["example.org", "other.example", "third.example", "127.0.0.1"];
    let params = CertificateParams::new(names.map(str::to_owned)).unwrap();
    let leaf = params.signed_by(&own, &issuer).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], PrivatePkcs8KeyDer::from(own.serialize_der()).into());
    (root, TlsAcceptor::from(Arc::new(config.unwrap())))
}

fn armed(port: u16) -> Arc<Injection> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        serde_json::json!({ "file": path })
    };
    let text = serde_json::json!({
        "mode": "limited",
        "credentials": [
            { "env": "A_TOKEN", "from": file("a", &format!("{SECRET}\n")),
              "hosts": [format!("example.org:{port}"), format!("127.0.0.1:{port}")] },
            { "env": "B_KEY", "from": file("b", KEY), "hosts": [format!("other.example:{port}")],
              "header": "X-Api-Key", "methods": ["GET", "TRACE"], "paths": ["/v1/*", "/me"] },
        ],
    });
    let network: NetworkPolicy = serde_json::from_value(text).unwrap();
    Injection::prepare(&network).unwrap().unwrap()
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let server = listen().await;
        let port = server.local_addr().unwrap().port();
        let injection = armed(port);
        let (root, acceptor) = outside();
        let names = ["example.org", "other.example", "third.example"];
        let resolver = names.iter().fold(StaticResolver::default(), |resolver, host| {
            resolver.with(name(host), [LOOPBACK])
        });
        let world = World::over(server, |setup| {
            let setup = setup.dialler(Dialler::default().resolver(resolver));
            change(setup.injection(Some(Arc::clone(&injection))).roots(vec![root.to_vec()]))
        });
        world.gateway.set_rules(rules(&names, port));
        Self { world, injection, acceptor, root }
    }

    fn placeholder(&self, env: &str) -> &str {
        self.injection.variables().find(|(name, _)| *name == env).unwrap().1
    }

    /// A client of a host that trusts the session's authority, and offers these protocols.
    async fn connect(&self, host: &str, alpn: &[&str]) -> io::Result<Near> {
        let session = self.injection.certificate().as_bytes();
        let trusted = CertificateDer::from_pem_slice(session).unwrap();
        let stream = self.world.client(host).await;
        shake(stream, host, trusted, alpn).await
    }

    async fn client(&self, host: &str) -> Near {
        self.connect(host, &["h2", "http/1.1"]).await.unwrap()
    }

    /// The server's side of the next connection.
    async fn served(&self) -> Far {
        let stream = self.world.accepted().await;
        timeout(LONG, self.acceptor.accept(stream)).await.unwrap().unwrap()
    }

    /// Both sides of a connection to a host.
    async fn pair(&self, host: &str) -> (Near, Far) {
        tokio::join!(self.client(host), self.served())
    }
}

async fn shake(
    stream: TcpStream,
    host: &str,
    trusted: CertificateDer<'static>,
    alpn: &[&str],
) -> io::Result<Near> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let host = ServerName::try_from(host.to_owned()).unwrap();
    timeout(LONG, TlsConnector::from(Arc::new(config)).connect(host, stream)).await.unwrap()
}

async fn send(stream: &mut (impl tokio::io::AsyncWrite + Unpin), text: impl AsRef<[u8]>) {
    timeout(LONG, stream.write_all(text.as_ref())).await.unwrap().unwrap();
    stream.flush().await.unwrap();
}

/// What comes up to the end of a text.
async fn until_text(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let byte = timeout(LONG, stream.read_u8()).await.unwrap();
        let so_far = String::from_utf8_lossy(&bytes).into_owned();
        bytes.push(byte.unwrap_or_else(|error| panic!("{error} after {so_far:?}")));
    }
    String::from_utf8(bytes).unwrap()
}

/// The next so many bytes.
async fn so_much(stream: &mut (impl tokio::io::AsyncRead + Unpin), length: usize) -> String {
    let mut bytes = vec![0; length];
    timeout(LONG, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Everything that comes; a connection that is cut ends, too.
async fn everything(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.org\r\n{fields}\r\n")
}
