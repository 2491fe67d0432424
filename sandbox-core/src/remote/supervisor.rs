//! The process that owns a session which outlasts its maker.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::fault::Fault;
use super::message::Reply;
use super::server;
use crate::error::{Result, SandboxError};
use crate::session::{SandboxBackend, SandboxSession, SandboxSpec};

/// Makes the session that `order` describes, as [`RemoteSessions`](super::RemoteSessions) wrote it,
/// and serves it until it is over, with all that is forked from it. `sessions` has its folders below
/// `root`. `say` is given the answer for the process that ordered it, once: the session can be
/// reached then, or there is none. `rest` is called when nobody has asked for anything for a second:
/// the moment to give back what only work needs.
///
/// Whoever calls this is the process that a [`Launcher`](super::Launcher) starts: with a session of
/// its own (`setsid`), no descriptor of its caller's but the two for order and answer, and nothing
/// else to do.
///
/// # Errors
/// The order cannot be read, the session cannot be made, or the answer cannot be given; the answer
/// says so too.
pub async fn supervise(
    sessions: Arc<dyn SandboxBackend>,
    root: PathBuf,
    order: &[u8],
    say: impl FnOnce(&[u8]) -> io::Result<()>,
    rest: fn(),
) -> Result<()> {
    let failed = || SandboxError::io("serving a session");
    let made = match serde_json::from_slice::<SandboxSpec>(order) {
        Ok(spec) => sessions.provision(spec).await,
        Err(error) => Err(SandboxError::io("reading the order for a session")(error.into())),
    };
    let session = match made {
        Ok(session) => session,
        Err(error) => {
            say(&answer(&Reply::Failed(Fault::from(&error)))?).map_err(failed())?;
            return Err(error);
        }
    };
    let told = answer(&Reply::Done(&session))?;
    let served = server::serve(Arc::clone(&sessions), root, session, move || say(&told), rest);
    served.await.map_err(failed())
}

fn answer(reply: &Reply<&SandboxSession>) -> Result<Vec<u8>> {
    serde_json::to_vec(reply).map_err(|error| SandboxError::io("answering")(error.into()))
}
