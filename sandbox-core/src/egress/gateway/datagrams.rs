//! Datagrams, as flows: what one client address sends to one target, and what comes back.
//!
//! A flow is decided about once, by its first datagram, and lasts until nothing has come for a
//! while. Each has a socket of its own that takes datagrams from the address alone that was judged.
//! A denied flow stays known as long, so that it is recorded once and not for each datagram. As
//! everywhere with datagrams, what does not fit is dropped.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::budget::Budget;
use crate::egress::decision::{Ask, End, Entry, Reason};
use crate::egress::dial::DialError;
use crate::policy::network::Protocol;

/// The longest datagram.
const LONGEST: usize = 64 << 10;

/// How many datagrams of a flow wait while it is decided about.
const WAITING: usize = 16;

/// How long taking pauses after an error.
const PAUSE: Duration = Duration::from_millis(50);

/// A datagram of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// How many bytes of the buffer it is.
    pub length: usize,
    /// Who sent it.
    pub client: SocketAddr,
    /// To which address the payload sent it.
    pub target: SocketAddr,
}

/// Where datagrams of the payload come from, and where answers go.
#[async_trait]
pub trait Datagrams: Send + Sync {
    /// The next datagram. Giving up waiting must lose none.
    ///
    /// # Errors
    /// None could be taken now. It is tried again after a pause.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrived>;

    /// Sends an answer to `client` that looks as if `target` had sent it. Must not wait for a client
    /// that is slow.
    ///
    /// # Errors
    /// It was not sent, which counts as lost.
    async fn send(&self, bytes: &[u8], target: SocketAddr, client: SocketAddr) -> io::Result<()>;
}

type Key = (SocketAddr, SocketAddr);

/// Serves the datagrams of a port.
pub(super) async fn serve(shared: Arc<Shared>, port: Arc<dyn Datagrams>) {
    let mut flows: HashMap<Key, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; LONGEST];
    let mut full = false;
    loop {
        let arrived = tokio::select! {
            arrived = port.receive(&mut buffer) => arrived,
            Some(ended) = tasks.join_next() => {
                full = false;
                forget(&mut flows, ended.ok());
                continue;
            }
        };
        let Ok(Arrived { length, client, target }) = arrived else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let key = (client, target);
        forget(&mut flows, Some(key));
        if !flows.contains_key(&key) && flows.len() >= shared.limits.connections {
            if !std::mem::replace(&mut full, true) {
                let (ask, _) = shared.asked(target, Protocol::Udp);
                let limit = shared.limits.connections;
                Entry::new(&shared.log, &shared.session, &ask).deny(Reason::TooMany { limit });
            }
            continue;
        }
        let queue = flows.entry(key).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(WAITING);
            tasks.spawn(flow(Arc::clone(&shared), Arc::clone(&port), key, receiver));
            sender
        });
        // One that does not fit is lost, as it may be anywhere on its way.
        let _ = queue.try_send(buffer[..length.min(LONGEST)].to_vec());
    }
}

/// Forgets a flow, if it has ended.
fn forget(flows: &mut HashMap<Key, mpsc::Sender<Vec<u8>>>, key: Option<Key>) {
    if let Some(key) = key
        && flows.get(&key).is_some_and(mpsc::Sender::is_closed)
    {
        flows.remove(&key);
    }
}

/// One flow, from its first datagram to its record.
async fn flow(
    shared: Arc<Shared>,
    port: Arc<dyn Datagrams>,
    (client, target): Key,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> Key {
    let mut seen = shared.access.seen();
    if carry(&shared, &*port, (client, target), &mut queue).await {
        let silence = async {
            while let Ok(Some(_)) = timeout(shared.limits.flow_idle, queue.recv()).await {}
        };
        // With other rules it is another question.
        tokio::select! {
            _ = seen.changed() => {}
            () = silence => {}
        }
    }
    (client, target)
}

/// Decides and carries; whether nothing more of the flow is wanted.
async fn carry(
    shared: &Shared,
    port: &dyn Datagrams,
    key: Key,
    queue: &mut mpsc::Receiver<Vec<u8>>,
) -> bool {
    let place = shared.meter.enter();
    let (ask, unknown) = shared.asked(key.1, Protocol::Udp);
    let mut entry = Entry::new(&shared.log, &shared.session, &ask);
    if let Some(reason) = shared.full(place.is_some()).or(unknown) {
        entry.deny(reason);
        return true;
    }
    let mut seen = shared.access.seen();
    let opened = match shared.access.addresses(&seen, &ask, &mut entry).await {
        Ok(addresses) => shared.access.dialler.udp(&addresses).await,
        Err(error) => Err(error),
    };
    let socket = match opened {
        Ok(socket) => socket,
        Err(DialError::Denied(reason)) => {
            // What is no judgement of the flow does not hold for its next datagram.
            let is_judged = reason != Reason::NoDescriptors;
            entry.deny(reason);
            return is_judged;
        }
        Err(_) => {
            entry.end(End::Unreachable);
            return true;
        }
    };
    let Ok(address) = socket.peer_addr() else { return true };
    let end = tokio::select! {
        biased;
        () = shared.access.revoked(&mut seen, &ask, address.ip()) => End::Revoked,
        end = exchange(shared, port, key, (&socket, queue), &mut entry) => end,
    };
    entry.end(end);
    end == End::Limit
}

/// Passes datagrams on both ways.
async fn exchange(
    shared: &Shared,
    port: &dyn Datagrams,
    (client, target): Key,
    (socket, queue): (&UdpSocket, &mut mpsc::Receiver<Vec<u8>>),
    entry: &mut Entry,
) -> End {
    let budget = Budget::new(&shared.meter, shared.limits.connection_bytes);
    let mut last = Instant::now();
    loop {
        tokio::select! {
            Some(datagram) = queue.recv() => {
                if !budget.take_all(datagram.len()) {
                    return End::Limit;
                }
                // Refused or lost: the payload learns it by silence.
                if socket.send(&datagram).await.is_ok() {
                    entry.count(datagram.len() as u64, 0);
                }
            }
            answer = receive(socket) => match answer {
                Ok(answer) => {
                    if !budget.take_all(answer.len()) {
                        return End::Limit;
                    }
                    if port.send(&answer, target, client).await.is_ok() {
                        entry.count(0, answer.len() as u64);
                    }
                }
                // Nobody listens there now, the network says.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return End::Reset,
            },
            () = sleep_until(last + shared.limits.flow_idle) => return End::Idle,
        }
        last = Instant::now();
    }
}

/// The next answer, without a buffer while there is none.
async fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    loop {
        socket.readable().await?;
        let received = super::pump::with_scratch(|scratch| {
            socket.try_recv(scratch).map(|count| scratch[..count].to_vec())
        });
        match received {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

impl Shared {
    /// What a payload asks for that sends to this address, and why not if that is sure.
    pub(super) fn asked(&self, address: SocketAddr, protocol: Protocol) -> (Ask, Option<Reason>) {
        let target = address.ip().to_canonical().into();
        let asked = Ask { target, port: address.port(), protocol };
        match self.access.identify(asked.target.clone()) {
            Ok(target) => (Ask { target, ..asked }, None),
            Err(reason) => (asked, Some(reason)),
        }
    }
}
