use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::*;
use crate::egress::decision::Reason;

type Datagram = (Vec<u8>, SocketAddr, SocketAddr);

/// The payload's side, as two queues: what it sends, and what it gets.
struct Port(tokio::sync::Mutex<mpsc::Receiver<Datagram>>, mpsc::Sender<Datagram>);

#[async_trait]
impl Datagrams for Port {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrived> {
        let next = self.0.lock().await.recv().await;
        let Some((bytes, client, target)) = next else { std::future::pending().await };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(Arrived { length: bytes.len(), client, target })
    }

    async fn send(&self, bytes: &[u8], target: SocketAddr, client: SocketAddr) -> io::Result<()> {
        self.1.send((bytes.to_vec(), client, target)).await.map_err(io::Error::other)
    }
}

/// A gateway for datagrams, and a server that `example.org` leads to.
struct Flows {
    gateway: Gateway,
    names: Arc<Mutex<Names>>,
    server: UdpSocket,
    port: u16,
    sends: mpsc::Sender<Datagram>,
    gets: mpsc::Receiver<Datagram>,
}

fn udp_rules(port: u16) -> Rules {
    let rule = |host: &str| format!("{host}:{port}/udp").parse::<HostRule>().unwrap().private(true);
    Rules::new(&[rule("example.org"), rule("127.0.0.1")])
}

impl Flows {
    async fn new(limits: Limits) -> Self {
        let server = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let names = Arc::new(Mutex::new(Names::new(Range::default())));
        let resolver = StaticResolver::default().with(name("example.org"), [LOOPBACK]);
        let gateway = Gateway::setup("s1", udp_rules(port))
            .names(Arc::clone(&names))
            .limits(limits)
            .dialler(Dialler::default().resolver(resolver))
            .start();
        let ((sends, from), (to, gets)) = (mpsc::channel(64), mpsc::channel(64));
        gateway.serve_datagrams(Arc::new(Port(tokio::sync::Mutex::new(from), to)));
        Self { gateway, names, server, port, sends, gets }
    }

    fn meant(&self, host: &str, port: u16) -> SocketAddr {
        let address = self.names.lock().unwrap().address_of(&name(host)).unwrap();
        (address.v4, port).into()
    }

    async fn send(&self, client: u16, meant: SocketAddr, bytes: &[u8]) {
        let client = SocketAddr::from(([198, 18, 0, 1], client));
        self.sends.send((bytes.to_vec(), client, meant)).await.unwrap();
    }

    /// The next datagram at the server.
    async fn served(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 100];
        let got = timeout(LONG, self.server.recv_from(&mut buffer)).await.unwrap().unwrap();
        (buffer[..got.0].to_vec(), got.1)
    }
}

fn brief() -> Limits {
    Limits { flow_idle: Duration::from_millis(100), ..Limits::default() }
}

#[tokio::test]
async fn answers_come_from_where_the_payload_sent_to() {
    let mut flows = Flows::new(brief()).await;
    let meant = flows.meant("example.org", flows.port);
    for client in [1000, 1001] {
        flows.send(client, meant, b"question").await;
        let (question, from) = flows.served().await;
        assert_eq!(question, b"question");
        flows.server.send_to(b"answer", from).await.unwrap();
        let (answer, to, source) = timeout(LONG, flows.gets.recv()).await.unwrap().unwrap();
        assert_eq!((&*answer, to.port(), source), (&b"answer"[..], client, meant));
    }
    // Nobody else may answer.
    let stranger = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    flows.send(1000, meant, b"again").await;
    let (_, from) = flows.served().await;
    stranger.send_to(b"forged", from).await.unwrap();
    flows.server.send_to(b"good", from).await.unwrap();
    assert_eq!(timeout(LONG, flows.gets.recv()).await.unwrap().unwrap().0, b"good");
    let log = Arc::clone(flows.gateway.log());
    until(|| flows.gateway.open() == 0).await;
    let decisions = log.recent();
    assert!(decisions.iter().all(|one| one.end == Some(End::Idle)));
    let up: u64 = decisions.iter().map(|one| one.bytes_up).sum();
    let down: u64 = decisions.iter().map(|one| one.bytes_down).sum();
    assert_eq!((up, down), (8 + 8 + 5, 6 + 6 + 4));
}

#[tokio::test]
async fn a_denied_flow_is_recorded_once() {
    let flows = Flows::new(Limits::default()).await;
    let wrong = flows.meant("example.org", 1);
    for _ in 0..5 {
        flows.send(1000, wrong, b"question").await;
    }
    let unknown: SocketAddr = "198.18.9.9:53".parse().unwrap();
    flows.send(1000, unknown, b"question").await;
    let log = Arc::clone(flows.gateway.log());
    until(|| log.total() == 2).await;
    flows.send(1000, flows.meant("example.org", flows.port), b"good").await;
    assert_eq!(flows.served().await.0, b"good");
    let codes: Vec<_> = log.recent().iter().map(|one| one.reason.clone().unwrap()).collect();
    assert!(codes.contains(&Reason::UnknownAddress), "{codes:?}");
    assert!(codes.iter().any(|code| code.code() == "wrong_port"), "{codes:?}");
    assert_eq!(log.total(), 2);
    // With other rules it is asked again.
    flows.gateway.set_rules(udp_rules(flows.port));
    until(|| {
        flows.sends.try_send((b"x".to_vec(), "198.18.0.1:1000".parse().unwrap(), wrong)).unwrap();
        log.recent().iter().filter(|one| one.port == 1).count() == 2
    })
    .await;
}

#[tokio::test]
async fn a_rule_for_tcp_is_none_for_datagrams() {
    let flows = Flows::new(Limits::default()).await;
    flows.gateway.set_rules(rules(&["example.org"], flows.port));
    flows.send(1000, flows.meant("example.org", flows.port), b"question").await;
    let log = Arc::clone(flows.gateway.log());
    until(|| log.total() == 1).await;
    assert_eq!(log.recent()[0].reason.as_ref().unwrap().code(), "wrong_protocol");
    assert_eq!(log.suggestions(), [format!("example.org:{}/udp", flows.port)]);
}

#[tokio::test]
async fn a_flow_ends_with_its_rule_and_with_its_bytes() {
    let flows = Flows::new(Limits { connection_bytes: Some(10), ..Limits::default() }).await;
    let meant = flows.meant("example.org", flows.port);
    let log = Arc::clone(flows.gateway.log());
    flows.send(1000, meant, b"1234567890").await;
    flows.send(1000, meant, b"1").await;
    assert_eq!(flows.served().await.0, b"1234567890");
    until(|| log.total() == 1).await;
    assert_eq!((log.recent()[0].end, log.recent()[0].bytes_up), (Some(End::Limit), 10));
    // It is not begun anew.
    flows.send(1000, meant, b"2").await;
    flows.send(1001, meant, b"x").await;
    assert_eq!(flows.served().await.0, b"x");
    flows.gateway.set_rules(Rules::default());
    until(|| log.total() == 2).await;
    assert_eq!(log.recent()[1].end, Some(End::Revoked));
}

#[tokio::test]
async fn flows_are_bounded() {
    let flows = Flows::new(Limits { connections: 2, ..Limits::default() }).await;
    let meant = flows.meant("example.org", flows.port);
    for client in 0..5 {
        flows.send(1000 + client, meant, b"question").await;
    }
    let log = Arc::clone(flows.gateway.log());
    until(|| log.total() == 1).await;
    assert_eq!(log.recent()[0].reason, Some(Reason::TooMany { limit: 2 }));
    for _ in 0..2 {
        flows.served().await;
    }
    assert_eq!(flows.gateway.open(), 2);
}
