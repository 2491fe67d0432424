//! Taking connections, for as long as there is a listener.
//!
//! A connection that is taken needs further descriptors: to resolve and to dial. They are set aside
//! before it is taken, or a burst of clients would take them all and none could be served. While
//! there are none, connections wait in the kernel; also while one that was taken lacks what was set
//! aside for it, which something else in this process may have got: then what is set aside for the
//! next ones is given up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::pump::Side;
use super::{Listener, Mode, Shared, connection};

/// How long taking pauses after an error, at first and at most. What comes meanwhile waits in the
/// kernel: mostly, connections that end bring back the descriptors that were missing.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(500);

/// How many descriptors are set aside: one to resolve, one to dial.
const SPARE: usize = 2;

/// Serves the connections of a listener.
pub(super) async fn serve(shared: Arc<Shared>, listener: impl Listener, mode: Mode) {
    let mut connections = JoinSet::new();
    let mut pause = PAUSE;
    let mut spare = Vec::new();
    loop {
        let accepted = tokio::select! {
            accepted = take(&shared, &listener, &mut spare) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((client, target)) => {
                pause = PAUSE;
                connections.spawn(carry(Arc::clone(&shared), client, target, mode));
            }
            Err(_) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

/// Takes a connection once there is what it will need.
async fn take(
    shared: &Shared,
    listener: &impl Listener,
    spare: &mut Vec<TcpSocket>,
) -> io::Result<(Side, SocketAddr)> {
    let dialler = &shared.access.dialler;
    loop {
        dialler.has_descriptors().await;
        fill(spare)?;
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, target) = accepted?;
                return Ok((Side::new(stream, std::mem::take(spare)), target));
            }
            () = dialler.lacks_descriptors() => spare.clear(),
        }
    }
}

/// Sets descriptors aside, all or none.
fn fill(spare: &mut Vec<TcpSocket>) -> io::Result<()> {
    while spare.len() < SPARE {
        match TcpSocket::new_v4().or_else(|_| TcpSocket::new_v6()) {
            Ok(socket) => spare.push(socket),
            Err(error) => {
                // Who is served already may need what there is.
                spare.clear();
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn carry(shared: Arc<Shared>, client: Side, target: SocketAddr, mode: Mode) {
    match mode {
        Mode::Transparent => connection::transparent(&shared, client, target).await,
        Mode::Proxy => connection::proxied(&shared, client).await,
    }
}
