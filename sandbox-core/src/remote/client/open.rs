//! A connection to a session's owner, and what it means when it is cut off.
//!
//! An owner answers every call for as long as it lives, so a connection that ends without an answer
//! is most often the end of the session. But an owner can fail at one call and live on, and callers
//! forget a session that they are told is gone. So nobody is told before it was looked at again.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use crate::error::{Result, SandboxError};
use crate::ids::SessionId;
use crate::remote::link::Link;
use crate::remote::message::{Call, Hello, Reply, VERSION};
use crate::remote::place::{Place, check_peer};
use crate::session::SandboxSession;

/// How often it is looked whether an owner that cut a connection off is gone.
const LOOK: Duration = Duration::from_millis(10);

/// A connection on which a call was made.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) link: Link,
    place: Place,
    id: SessionId,
}

impl Open {
    pub(super) async fn begin(root: &Path, id: &SessionId, call: Call) -> Result<Self> {
        let place = Place::of(root, id);
        match dial(&place, &call).await {
            Ok(link) => Ok(Self { link, place, id: id.clone() }),
            Err(error) => Err(cut_off(&place, id, error).await),
        }
    }

    /// The answer, where nothing else comes with it.
    pub(super) async fn answer<T: DeserializeOwned>(&self) -> Result<T> {
        self.hear::<Reply<T>>().await?.into_result()
    }

    /// An answer that brings descriptors along.
    pub(super) async fn answer_with<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>)> {
        let (reply, rights) = self.there(self.link.hear_with::<Reply<T>>().await).await?;
        Ok((reply.into_result()?, rights))
    }

    /// The next message, which there must be.
    pub(super) async fn hear<T: DeserializeOwned>(&self) -> Result<T> {
        self.there(self.link.hear().await).await
    }

    /// The next bytes, which there must be.
    pub(super) async fn bytes(&self) -> Result<Vec<u8>> {
        self.there(self.link.receive().await).await
    }

    /// What became of a call on the connection, in words of the session.
    pub(super) async fn done<T>(&self, result: io::Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(cut_off(&self.place, &self.id, error).await),
        }
    }

    async fn there<T>(&self, heard: io::Result<Option<T>>) -> Result<T> {
        let ended = || io::Error::new(ErrorKind::UnexpectedEof, "it ended the call without answer");
        self.done(heard.and_then(|heard| heard.ok_or_else(ended))).await
    }
}

pub(super) fn hello<'a>(key: &'a str, call: &'a Call) -> Hello<'a> {
    Hello { version: VERSION, key, call }
}

/// Connects and makes a call.
async fn dial(place: &Place, call: &Call) -> io::Result<Link> {
    let (stream, key) = place.connect()?;
    let stream = UnixStream::from_std(stream)?;
    check_peer(&stream)?;
    let link = Link::to_owner(stream);
    link.say(&hello(&key, call)).await?;
    Ok(link)
}

/// The error of a connection.
async fn cut_off(place: &Place, id: &SessionId, error: io::Error) -> SandboxError {
    use ErrorKind as E;
    let gone = match error.kind() {
        E::NotFound | E::ConnectionRefused => true,
        E::ConnectionReset | E::BrokenPipe | E::UnexpectedEof => is_gone(place).await,
        _ => false,
    };
    if gone {
        return SandboxError::SessionNotFound { id: id.clone() };
    }
    if error.kind() == E::FileTooLarge {
        let why = format!(
            "the session {id} cannot be asked: {error}; give large content in a file or on \
             standard input"
        );
        return SandboxError::InvalidRequest(why);
    }
    SandboxError::io(format!("asking the owner of the session {id}"))(error)
}

/// Whether a session is over, and not only a connection. One whose owner stands still is not.
async fn is_gone(place: &Place) -> bool {
    let look = async {
        loop {
            let asked = async {
                let link = dial(place, &Call::Get).await?;
                let heard = link.hear::<Reply<SandboxSession>>().await?;
                heard.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))
            };
            match asked.await {
                Ok(Reply::Done(_)) => return false,
                Ok(Reply::Failed(fault)) => {
                    return matches!(fault.into(), SandboxError::SessionNotFound { .. });
                }
                Err(error) => match error.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => return true,
                    // A process that ends closes one descriptor after the other.
                    _ => sleep(LOOK).await,
                },
            }
        }
    };
    timeout(PATIENCE, look).await.unwrap_or(false)
}

#[cfg(test)]
mod tests;
