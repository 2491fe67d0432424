//! Carrying a connection whose requests are read and edited: TLS ends here, on both sides.
//!
//! The client is served by a certificate of the session's authority, and the server has to prove
//! that it is the host of the rule. Both directions are one task, as everywhere else; what is
//! decrypted waits in one buffer for each, which is emptied before more is read.
//!
//! A request that is refused is answered once all before it have been, and ends the connection.

use std::io::{self, Cursor, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use zeroize::{Zeroize as _, Zeroizing};

use super::access::Seen;
use super::budget::Budget;
use super::connection::{LINGER, UNREAD};
use super::pump::{Side, Stop};
use super::{Inspection, Shared};
use crate::egress::decision::{Ask, End, Entry, Reason};
use crate::egress::http::{Requests, target};
use crate::egress::injection::answers::Answers;
use crate::egress::injection::edit::{Exchange, Insert};
use crate::egress::proxy::Trouble;

/// The most that is read at once: a record of TLS.
const CHUNK: usize = 16 << 10;

/// Carries one, and records how it ended.
pub(super) async fn carry(
    shared: &Shared,
    inspection: &Inspection,
    (mut client, mut server): (Side, Side),
    (ask, seen): (&Ask, &mut Seen),
    early: Vec<u8>,
    mut entry: Entry,
) {
    let exchange = Exchange::new(&inspection.injection);
    let at = server.stream.peer_addr();
    let stop = match at {
        Err(_) => Stop::End(End::Reset),
        Ok(at) => {
            let sides = (&mut client, &mut server.stream);
            let work = inspect(shared, inspection, sides, ask, early, (&exchange, &mut entry));
            revocable(shared, seen, ask, at, work).await
        }
    };
    entry.used(exchange.used());
    match stop {
        Stop::Deny(reason) => entry.deny(reason),
        Stop::End(end) => {
            if end == End::Closed {
                client.done();
                server.done();
            }
            entry.end(end);
        }
        // Only a client of the proxy asks for another host.
        Stop::Other(_) => entry.end(End::Reset),
    }
}

async fn revocable(
    shared: &Shared,
    seen: &mut Seen,
    ask: &Ask,
    at: SocketAddr,
    work: impl Future<Output = Stop>,
) -> Stop {
    tokio::select! {
        biased;
        () = shared.access.revoked(seen, ask, at.ip()) => Stop::End(End::Revoked),
        stop = work => stop,
    }
}

/// Shakes hands with both sides, and carries what they say.
async fn inspect(
    shared: &Shared,
    inspection: &Inspection,
    (client, server): (&mut Side, &mut TcpStream),
    ask: &Ask,
    early: Vec<u8>,
    (exchange, entry): (&Arc<Exchange>, &mut Entry),
) -> Stop {
    let patience = shared.limits.opening;
    let (read, write) = client.stream.split();
    let stream = tokio::io::join(Cursor::new(early).chain(read), write);
    let near = match serve(inspection, ask, patience, stream).await {
        Ok(near) => near,
        Err(reason) => return Stop::Deny(reason),
    };
    let far = timeout(patience, inspection.upstream.connect(&ask.target, server)).await;
    let far = match far.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
        Ok(far) => far,
        Err(error) => {
            let reason = Reason::Server { why: error.to_string() };
            let (from, to) = tokio::io::split(near);
            if say(from, to, &reason).await {
                client.done();
            }
            return Stop::Deny(reason);
        }
    };
    let requests =
        Requests::direct(ask.target.clone(), ask.port).edited_by(Some(Box::new(Insert {
            injection: Arc::clone(&inspection.injection),
            target: ask.target.clone(),
            port: ask.port,
            exchange: Arc::clone(exchange),
        })));
    let budget = Budget::new(&shared.meter, shared.limits.connection_bytes);
    let (near, far) = (tokio::io::split(near), tokio::io::split(far));
    let answers = Answers::new(Arc::clone(exchange));
    let (up, down) = (Flow::default(), Flow::default());
    let carried = Carried { near, far, up, down, requests, answers, refused: None, entry, budget };
    let (stop, told) = carried.run(shared.limits.idle).await;
    if told {
        client.done();
    }
    stop
}

/// The handshake with the client, who has to mean this host.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    inspection: &Inspection,
    ask: &Ask,
    patience: Duration,
    stream: S,
) -> Result<TlsStream<S>, Reason> {
    let wrong = |error: io::Error| Reason::Client { why: error.to_string() };
    let begun = timeout(patience, LazyConfigAcceptor::new(Acceptor::default(), stream)).await;
    let begun = begun.map_err(|_| Reason::Unfinished)?.map_err(wrong)?;
    if let Some(named) = begun.client_hello().server_name()
        && target(named).as_ref() != Some(&ask.target)
    {
        return Err(Reason::OtherHost { named: named.to_owned() });
    }
    let leaf = inspection.injection.leaf(&ask.target).map_err(|why| Reason::Client { why })?;
    let done = timeout(patience, begun.into_stream(leaf)).await;
    done.map_err(|_| Reason::Unfinished)?.map_err(wrong)
}

/// One direction.
#[derive(Default)]
struct Flow {
    waiting: Vec<u8>,
    written: usize,
    /// What was written may still be on its way through TLS.
    flush: bool,
    /// The reader's side has ended.
    ended: bool,
    /// The writer's side has been told.
    told: bool,
}

impl Flow {
    fn is_clear(&self) -> bool {
        self.waiting.is_empty() && !self.flush
    }

    /// Writes some, or flushes; how many bytes went. Giving up waiting loses nothing.
    async fn send(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<usize> {
        if self.waiting.is_empty() {
            to.flush().await?;
            self.flush = false;
            return Ok(0);
        }
        let count = to.write(&self.waiting[self.written..]).await?;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        self.written += count;
        self.flush = true;
        if self.written == self.waiting.len() {
            // It may have had a secret in it.
            self.waiting.zeroize();
            self.written = 0;
        }
        Ok(count)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.waiting.zeroize();
    }
}

type Halves<S> = (ReadHalf<S>, WriteHalf<S>);

/// A connection that is being carried.
struct Carried<'a, N, F> {
    near: Halves<N>,
    far: Halves<F>,
    up: Flow,
    down: Flow,
    requests: Requests,
    answers: Answers,
    /// Why the client's last request goes nowhere.
    refused: Option<Reason>,
    entry: &'a mut Entry,
    budget: Budget<'a>,
}

impl<N: AsyncRead + AsyncWrite, F: AsyncRead + AsyncWrite> Carried<'_, N, F> {
    /// Carries until there is a reason to stop, and whether the client knows it.
    async fn run(mut self, idle: Duration) -> (Stop, bool) {
        match self.carry(idle).await {
            Ok(Stop::Deny(reason)) => {
                let (from, to) = self.near;
                let told = say(from, to, &reason).await;
                (Stop::Deny(reason), told)
            }
            Ok(stop) | Err(stop) => (stop, false),
        }
    }

    /// `Ok` where everything that was let through has been delivered.
    async fn carry(&mut self, idle: Duration) -> Result<Stop, Stop> {
        let [mut above, mut below] = [(); 2].map(|()| Zeroizing::new(vec![0; CHUNK]));
        let mut last = Instant::now();
        loop {
            if let Some(stop) = self.settle().await? {
                return Ok(stop);
            }
            let Self { near, far, up, down, .. } = self;
            tokio::select! {
                sent = up.send(&mut far.1), if !up.is_clear() => {
                    self.entry.count(sent? as u64, 0);
                }
                sent = down.send(&mut near.1), if !down.is_clear() => {
                    self.entry.count(0, sent? as u64);
                }
                read = near.0.read(&mut above), if up.is_clear() && !up.ended => {
                    self.asked(&above[..ended(read, true)?])?;
                }
                read = far.0.read(&mut below), if down.is_clear() && !down.ended => {
                    let done = self.answers.are_done();
                    self.answered(&below[..ended(read, done)?])?;
                }
                () = sleep_until(last + idle) => return Err(Stop::End(End::Idle)),
            }
            last = Instant::now();
        }
    }

    /// Tells ends on, once everything before them has gone.
    async fn settle(&mut self) -> Result<Option<Stop>, Stop> {
        let (up, down) = (&mut self.up, &mut self.down);
        if self.refused.is_some() && up.is_clear() && down.is_clear() {
            let over = down.ended || self.answers.are_done();
            return Ok(self.refused.take_if(|_| over).map(Stop::Deny));
        }
        if up.ended && up.is_clear() && !up.told && self.refused.is_none() {
            up.told = true;
            self.far.1.shutdown().await?;
        }
        if down.ended && down.is_clear() && !down.told {
            down.told = true;
            self.near.1.shutdown().await?;
        }
        Ok((up.told && down.told).then_some(Stop::End(End::Closed)))
    }

    /// Takes bytes of the client; none is its end.
    fn asked(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.pay(bytes)?;
        self.up.ended = bytes.is_empty();
        if let Err(fault) = self.requests.push(bytes, &mut self.up.waiting) {
            self.up.ended = true;
            self.refused = Some(fault.into());
        }
        Ok(())
    }

    /// Takes bytes of the server; none is its end.
    fn answered(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.pay(bytes)?;
        self.requests.answered(bytes, &mut self.up.waiting).map_err(Reason::from)?;
        self.down.ended = bytes.is_empty();
        let followed = match bytes {
            [] => self.answers.ended(&mut self.down.waiting),
            bytes => self.answers.push(bytes, &mut self.down.waiting),
        };
        followed.map_err(|_| Stop::End(End::Reset))
    }

    fn pay(&self, bytes: &[u8]) -> Result<(), Stop> {
        match self.budget.take_all(bytes.len()) {
            true => Ok(()),
            false => Err(Stop::End(End::Limit)),
        }
    }
}

/// How much was read. Many close a connection of TLS without saying so; between two messages that
/// is an end like any other.
fn ended(read: io::Result<usize>, between: bool) -> io::Result<usize> {
    match read {
        Err(error) if between && error.kind() == ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

/// Answers a request with why it goes nowhere; whether the client took it.
async fn say<S: AsyncRead + AsyncWrite>(
    from: ReadHalf<S>,
    mut to: WriteHalf<S>,
    reason: &Reason,
) -> bool {
    let page = match reason {
        Reason::Server { .. } => Trouble::Distrusted(reason).page(),
        reason => Trouble::Denied(reason).page(),
    };
    let told = timeout(LINGER, async {
        to.write_all(page.as_bytes()).await?;
        to.shutdown().await
    });
    let told = matches!(told.await, Ok(Ok(())));
    // Closing on unread bytes would take the answer away before it is read.
    let _ = timeout(LINGER, tokio::io::copy(&mut from.take(UNREAD), &mut tokio::io::sink())).await;
    told
}
