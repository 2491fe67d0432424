//! Published ports: a listener on the host's loopback, and for each connection one of the sandbox's
//! own.
//!
//! The sandbox's side is dialled on its loopback by the confinement, so that it works for a sandbox
//! that reaches nothing itself. Bytes are carried until both sides have closed; a side that closes
//! only its writing keeps reading, as programs expect.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::live::Live;
use crate::error::{Result, SandboxError};
use crate::session::ports::PublishedPort;

/// How long accepting pauses when the system is out of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// A port that is published. Dropping it cuts its connections.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) port: PublishedPort,
    forwarder: AbortHandle,
}

impl Publication {
    /// Listens, and forwards to the session.
    ///
    /// # Errors
    /// [`SandboxError::InvalidRequest`] for port 0; no port is free.
    pub(super) async fn open(live: &Arc<Live>, inside: u16, host: Option<u16>) -> Result<Self> {
        if inside == 0 || host == Some(0) {
            let why = "port 0 is no port: write 1 to 65535";
            return Err(SandboxError::InvalidRequest(why.into()));
        }
        let failed = || SandboxError::io("listening on 127.0.0.1");
        let listener = listen(host.unwrap_or(0)).await.map_err(failed())?;
        let host = listener.local_addr().map_err(failed())?.port();
        let work = forward(listener, Arc::downgrade(live), inside);
        let forwarder = tokio::spawn(work).abort_handle();
        Ok(Self { port: PublishedPort { inside, host }, forwarder })
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

/// A listener on this port of the host's loopback, or on any other when it is taken.
async fn listen(port: u16) -> io::Result<TcpListener> {
    let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    match TcpListener::bind(at(port)).await {
        Err(error)
            if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) =>
        {
            TcpListener::bind(at(0)).await
        }
        bound => bound,
    }
}

/// Serves connections for as long as the session lives.
async fn forward(listener: TcpListener, session: Weak<Live>, inside: u16) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        let Some(live) = session.upgrade() else { return };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((outer, _)) => drop(connections.spawn(carry(outer, live, inside))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Carries one connection. A session in which nobody listens closes it, as a host would.
async fn carry(mut outer: TcpStream, live: Arc<Live>, inside: u16) {
    // Away from this thread: a session that is busy may take a moment to answer.
    let dialled = tokio::task::spawn_blocking(move || live.enclosure().dial(inside)).await;
    let Ok(Ok(inner)) = dialled else { return };
    let ready = inner.set_nonblocking(true).and_then(|()| TcpStream::from_std(inner));
    if let Ok(mut inner) = ready {
        // Whichever side failed, the other one learns it by the end of its connection.
        let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
    }
}
