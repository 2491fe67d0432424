//! The DNS servers of the sandbox: carrying messages to [`dns::answer`] and back.
//!
//! A datagram costs a task's turn and no memory. A connection costs a task, so there are only so many
//! at once, and each has only so much time: a resolver asks by TCP what did not fit into a datagram.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use sandbox_core::egress::dns::{self, Transport, Verdict};
use sandbox_core::egress::gateway::Gateway;
use sandbox_core::egress::{Names, Rules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many connections are served at once.
const CONNECTIONS: usize = 32;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server pauses after an error that is not the client's.
const PAUSE: Duration = Duration::from_millis(50);

/// What names are answered by.
#[derive(Debug)]
pub(super) struct Zone {
    rules: RwLock<Arc<Rules>>,
    names: Arc<Mutex<Names>>,
    /// Who records what is refused, for as long as there is one.
    gateway: Weak<Gateway>,
}

impl Zone {
    pub(super) fn new(rules: Rules, names: Arc<Mutex<Names>>, gateway: &Arc<Gateway>) -> Self {
        Self { rules: RwLock::new(Arc::new(rules)), names, gateway: Arc::downgrade(gateway) }
    }

    pub(super) fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn answer(&self, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let rules = Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner));
        let answer = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            dns::answer(message, transport, &rules, &mut names)
        };
        let refused = answer.asked.filter(|_| answer.verdict == Verdict::Denied);
        // What is no host name is nothing that a rule could allow.
        let name = refused.and_then(|asked| asked.name.parse().ok());
        if let (Some(name), Some(gateway)) = (name, self.gateway.upgrade()) {
            gateway.name_refused(&name);
        }
        answer.message
    }
}

/// Answers datagrams.
pub(super) async fn serve_datagrams(zone: Arc<Zone>, socket: UdpSocket) {
    // One byte more, so that what is too long is not taken for what is just as long.
    let mut buffer = vec![0; dns::LONGEST + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, client)) => {
                if let Some(answer) = zone.answer(&buffer[..length], Transport::Udp) {
                    // One that is lost is asked for again.
                    let _ = socket.try_send_to(&answer, client);
                }
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Answers connections.
pub(super) async fn serve(zone: Arc<Zone>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((client, _)) => {
                let zone = Arc::clone(&zone);
                connections.spawn(async move { timeout(PATIENCE, converse(&zone, client)).await });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the messages of one connection, each of which has its length before it.
async fn converse(zone: &Zone, mut client: TcpStream) -> io::Result<()> {
    let mut message = Vec::new();
    loop {
        let length = usize::from(client.read_u16().await?);
        message.resize(length.min(dns::LONGEST + 1), 0);
        client.read_exact(&mut message).await?;
        let Some(answer) = zone.answer(&message, Transport::Tcp) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        client.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
        // What is longer than any question was not read to its end.
        if message.len() > dns::LONGEST {
            return Ok(());
        }
    }
}
