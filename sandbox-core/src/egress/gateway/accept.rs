//! Taking connections, for as long as there is a listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Listener, Mode, Shared, connection};

/// How long taking pauses after an error, at first and at most. What comes meanwhile waits in the
/// kernel: mostly, connections that end bring back the descriptors that were missing.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(500);

/// Serves the connections of a listener.
pub(super) async fn serve(shared: Arc<Shared>, listener: impl Listener, mode: Mode) {
    let mut connections = JoinSet::new();
    let mut pause = PAUSE;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, target)) => {
                pause = PAUSE;
                connections.spawn(carry(Arc::clone(&shared), stream, target, mode));
            }
            Err(_) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

async fn carry(shared: Arc<Shared>, stream: TcpStream, target: SocketAddr, mode: Mode) {
    match mode {
        Mode::Transparent => connection::transparent(&shared, stream, target).await,
        Mode::Proxy => connection::proxied(&shared, stream).await,
    }
}
