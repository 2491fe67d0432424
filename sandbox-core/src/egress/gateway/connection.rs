//! One connection, from its arrival to its record.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::access::Seen;
use super::budget::Budget;
use super::pump::{Pump, Side, Stop};
use super::upward::{Other, Upward};
use super::{Shared, inspected};
use crate::egress::decision::{Ask, End, Entry, Reason};
use crate::egress::dial::DialError;
use crate::egress::http::Requests;
use crate::egress::proxy::{Greeting, Trouble, Ungreeted, Voice, greet};
use crate::policy::network::Protocol;

/// How long, and how much, a client that was refused may go on sending. Closing on unread bytes
/// would take away the refusal before it is read.
pub(super) const LINGER: Duration = Duration::from_secs(1);
pub(super) const UNREAD: u64 = 256 << 10;

/// Serves a client that connected to `address`.
pub(super) async fn transparent(shared: &Shared, client: Side, address: SocketAddr) {
    let place = shared.meter.enter();
    let (ask, unknown) = shared.asked(address, Protocol::Tcp);
    let entry = Entry::new(&shared.log, &shared.session, &ask);
    if let Some(reason) = shared.full(place.is_some()).or(unknown) {
        return entry.deny(reason);
    }
    tunnel(shared, client, &ask, entry, Vec::new(), Voice::Silent).await;
}

/// Serves a client of the proxy.
pub(super) async fn proxied(shared: &Shared, mut client: Side) {
    let place = shared.meter.enter();
    if let Some(reason) = shared.full(place.is_some()) {
        return Entry::nameless(&shared.log, &shared.session).deny(reason);
    }
    match greet(&mut client.stream, shared.limits.greeting, shared.key.as_ref()).await {
        Ok(Greeting::Tunnel { target, port, early, voice }) => {
            let found = shared.access.identify(target.clone());
            let unknown = found.as_ref().err().cloned();
            let ask = Ask { target: found.unwrap_or(target), port, protocol: Protocol::Tcp };
            let entry = Entry::new(&shared.log, &shared.session, &ask);
            match unknown {
                Some(reason) => refuse(client, entry, voice, DialError::Denied(reason)).await,
                None => tunnel(shared, client, &ask, entry, early, voice).await,
            }
        }
        Ok(Greeting::Requests(bytes)) => requests(shared, client, bytes).await,
        Err(Ungreeted::Gone) => client.done(),
        // No decision: it comes again, with the key.
        Err(Ungreeted::Challenged) => tell(client, Voice::Http, Trouble::Keyless).await,
        Err(Ungreeted::Refused(voice, reason)) => {
            let entry = Entry::nameless(&shared.log, &shared.session);
            refuse(client, entry, voice, DialError::Denied(reason)).await;
        }
    }
}

impl Shared {
    /// Why nobody can be served any more, if so.
    pub(super) fn full(&self, has_place: bool) -> Option<Reason> {
        let spent = || self.limits.bytes.filter(|_| self.meter.is_spent());
        match has_place {
            false => Some(Reason::TooMany { limit: self.limits.connections }),
            true => spent().map(|limit| Reason::Spent { limit }),
        }
    }

    /// Connects to what is asked for, with the descriptors that were set aside.
    async fn open(
        &self,
        seen: &Seen,
        ask: &Ask,
        entry: &mut Entry,
        mut spare: Vec<TcpSocket>,
    ) -> Result<Side, DialError> {
        drop(spare.pop());
        let addresses = self.access.addresses(seen, ask, entry).await?;
        let stream = self.access.dialler.tcp_by(&addresses, spare.pop()).await?;
        Ok(Side::new(stream, Vec::new()))
    }
}

/// Carries a connection whose client believes to talk to the server.
async fn tunnel(
    shared: &Shared,
    mut client: Side,
    ask: &Ask,
    mut entry: Entry,
    early: Vec<u8>,
    voice: Voice,
) {
    let mut seen = shared.access.seen();
    let spare = std::mem::take(&mut client.spare);
    let server = match shared.open(&seen, ask, &mut entry, spare).await {
        Ok(server) => server,
        Err(error) => return refuse(client, entry, voice, error).await,
    };
    if voice.confirm(&mut client.stream).await.is_err() {
        return entry.end(End::Reset);
    }
    if let Some(inspection) = shared.inspection(ask) {
        let told = (ask, &mut seen);
        return inspected::carry(shared, inspection, (client, server), told, early, entry).await;
    }
    let mut upward = Upward::opening(ask, &shared.limits, shared.guard());
    let stop =
        carry(shared, (&mut client, server), ask, &mut seen, (&mut upward, &early), &mut entry);
    match stop.await {
        Stop::End(end) => {
            if end == End::Closed {
                client.done();
            }
            entry.end(end);
        }
        Stop::Deny(reason) => entry.deny(reason),
        // Only a client of the proxy asks for another host.
        Stop::Other(_) => entry.end(End::Reset),
    }
}

/// Carries the requests of a client that has them passed on, to one server after the other.
async fn requests(shared: &Shared, mut client: Side, bytes: Vec<u8>) {
    let mut upward = Upward::Requests(Box::new(Requests::proxied().edited_by(shared.guard())));
    let mut next = match upward.push(&bytes, &mut Vec::new()) {
        Ok(Some(other)) => other,
        // The first request was whole, so it was judged: it asks for a host or is malformed.
        Ok(None) => return,
        Err(reason) => {
            let entry = Entry::nameless(&shared.log, &shared.session);
            return refuse(client, entry, Voice::Http, DialError::Denied(reason)).await;
        }
    };
    loop {
        match request(shared, client, &mut upward, next).await {
            Some((same, other)) => (client, next) = (same, other),
            None => return,
        }
    }
}

/// Carries the requests for one server; gives back the client with its first one for another.
async fn request(
    shared: &Shared,
    mut client: Side,
    upward: &mut Upward,
    (authority, rest): Other,
) -> Option<(Side, Other)> {
    let port = authority.port.unwrap_or(80);
    let found = shared.access.identify(authority.target.clone());
    let target = found.as_ref().map_or(&authority.target, |target| target).clone();
    let ask = Ask { target, port, protocol: Protocol::Tcp };
    let mut entry = Entry::new(&shared.log, &shared.session, &ask);
    let mut seen = shared.access.seen();
    let spare = std::mem::take(&mut client.spare);
    let opened = match found {
        Ok(_) => shared.open(&seen, &ask, &mut entry, spare).await,
        Err(reason) => Err(DialError::Denied(reason)),
    };
    let server = match opened {
        Ok(server) => server,
        Err(error) => {
            refuse(client, entry, Voice::Http, error).await;
            return None;
        }
    };
    if let Upward::Requests(requests) = upward {
        requests.aim(authority.target, port);
    }
    let sides = (&mut client, server);
    match carry(shared, sides, &ask, &mut seen, (upward, &rest), &mut entry).await {
        Stop::Other(other) => {
            entry.end(End::Closed);
            return Some((client, other));
        }
        Stop::Deny(reason) => entry.deny(reason),
        Stop::End(end) => {
            if end == End::Closed {
                client.done();
            }
            entry.end(end);
        }
    }
    None
}

/// Carries bytes until there is a reason to stop, or the rules change.
async fn carry(
    shared: &Shared,
    (client, mut server): (&mut Side, Side),
    ask: &Ask,
    seen: &mut Seen,
    (upward, early): (&mut Upward, &[u8]),
    entry: &mut Entry,
) -> Stop {
    let Ok(address) = server.stream.peer_addr() else { return Stop::End(End::Reset) };
    let budget = Budget::new(&shared.meter, shared.limits.connection_bytes);
    let pump =
        Pump::new(&mut client.stream, &mut server.stream, upward, entry, (&budget, &shared.pool));
    let stop = tokio::select! {
        biased;
        () = shared.access.revoked(seen, ask, address.ip()) => Stop::End(End::Revoked),
        stop = pump.run(early, shared.limits.idle) => stop,
    };
    if matches!(stop, Stop::End(End::Closed) | Stop::Other(_)) {
        server.done();
    }
    stop
}

/// Records why there is no connection, and tells the client in its own words.
async fn refuse(client: Side, entry: Entry, voice: Voice, error: DialError) {
    // Recorded first: whoever gives up waiting for the client must not lose it.
    match &error {
        DialError::Denied(reason) => entry.deny(reason.clone()),
        DialError::Unresolved(_) | DialError::Unreachable(_) => entry.end(End::Unreachable),
    }
    if voice == Voice::Silent {
        return;
    }
    let trouble = match &error {
        DialError::Denied(reason) => Trouble::Denied(reason),
        DialError::Unresolved(_) => Trouble::Unresolved,
        DialError::Unreachable(_) => Trouble::Unreachable,
    };
    tell(client, voice, trouble).await;
}

/// Tells a client why not, and lets it read that.
async fn tell(mut client: Side, voice: Voice, trouble: Trouble<'_>) {
    voice.refuse(&mut client.stream, trouble).await;
    let mut unread = (&mut client.stream).take(UNREAD);
    // Whatever comes of it, the client has had its time.
    let _ = timeout(LINGER, tokio::io::copy(&mut unread, &mut tokio::io::sink())).await;
    client.done();
}
