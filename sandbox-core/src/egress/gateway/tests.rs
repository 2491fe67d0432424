mod approvals;
mod flows;
#[cfg(feature = "mitm")]
mod injected;
mod proxied;
mod streams;
mod transparent;
mod trouble;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;
use crate::egress::decision::{Decision, End, Verdict};
use crate::egress::resolve::StaticResolver;
use crate::policy::network::HostRule;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LONG: Duration = Duration::from_secs(20);

/// A listener whose connections were all meant for one address.
struct Meant(TcpListener, SocketAddr);

#[async_trait]
impl Listener for Meant {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Ok((TcpListener::accept(&self.0).await?.0, self.1))
    }
}

/// A gateway, and a server that `example.org` leads to.
struct World {
    gateway: Gateway,
    names: Arc<Mutex<Names>>,
    server: TcpListener,
    port: u16,
}

async fn listen() -> TcpListener {
    TcpListener::bind((LOOPBACK, 0)).await.unwrap()
}

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

/// Rules that allow these hosts at the port, on loopback, too.
fn rules(hosts: &[&str], port: u16) -> Rules {
    let rule = |host: &&str| {
        let rule: HostRule = format!("{host}:{port}").parse().unwrap();
        rule.private(true)
    };
    Rules::new(&hosts.iter().chain([&"127.0.0.1"]).map(rule).collect::<Vec<_>>())
}

impl World {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::over(listen().await, change)
    }

    fn over(server: TcpListener, change: impl FnOnce(Setup) -> Setup) -> Self {
        let port = server.local_addr().unwrap().port();
        let names = Arc::new(Mutex::new(Names::new(Range::default())));
        let resolver = StaticResolver::default()
            .with(name("example.org"), [LOOPBACK])
            .with(name("other.example"), [LOOPBACK]);
        let setup = Gateway::setup("s1", rules(&["example.org"], port))
            .names(Arc::clone(&names))
            .dialler(Dialler::default().resolver(resolver));
        Self { gateway: change(setup).start(), names, server, port }
    }

    /// A client that has connected to this name as DNS gave it.
    async fn client(&self, host: &str) -> TcpStream {
        let address = self.names.lock().unwrap().address_of(&name(host)).unwrap();
        self.client_of((address.v4, self.port).into()).await
    }

    /// A client that has connected to this address.
    async fn client_of(&self, meant: SocketAddr) -> TcpStream {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        self.gateway.serve(Meant(listener, meant), Mode::Transparent);
        TcpStream::connect(address).await.unwrap()
    }

    /// A client of the proxy.
    async fn proxied(&self) -> TcpStream {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        self.gateway.serve(listener, Mode::Proxy);
        TcpStream::connect(address).await.unwrap()
    }

    /// The server's side of the next connection.
    async fn accepted(&self) -> TcpStream {
        timeout(LONG, self.server.accept()).await.unwrap().unwrap().0
    }

    /// The decisions, once there are so many and nothing is open.
    async fn decisions(&self, count: usize) -> Vec<Decision> {
        until(|| self.gateway.log().recent().len() >= count && self.gateway.open() == 0).await;
        let decisions = self.gateway.log().recent();
        assert_eq!(decisions.len(), count, "{decisions:?}");
        decisions
    }

    /// The one decision, which must be this denial.
    async fn denial(&self, code: &str) -> Decision {
        let decision = self.decisions(1).await.remove(0);
        assert_eq!(decision.verdict, Verdict::Deny);
        assert_eq!(decision.reason.as_ref().unwrap().code(), code);
        decision
    }
}

async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not come to this");
}

/// Everything up to the end of the stream, and how it ends.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Result<(), io::ErrorKind>) {
    let mut bytes = Vec::new();
    let end = timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap();
    (bytes, end.map(drop).map_err(|error| error.kind()))
}

async fn exactly(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    timeout(LONG, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes, expected);
}

const RESET: Result<(), io::ErrorKind> = Err(io::ErrorKind::ConnectionReset);
