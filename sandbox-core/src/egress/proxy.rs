//! For programs that are told of a proxy: HTTP and SOCKS5 on one listener, told apart by the first
//! byte.
//!
//! Offered are CONNECT of HTTP, absolute targets of HTTP, and CONNECT of SOCKS5. Where there is a
//! [`Key`], clients have to show it, by HTTP's Basic scheme or as a password of SOCKS5. SOCKS4 and the other commands of SOCKS5 are refused in their own words: BIND and
//! UDP ASSOCIATE would open a way in. What a client wants is a [`Greeting`]; whether it may, is for
//! the caller to decide, who then answers by [`Voice`].

mod key;
pub mod socks;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::decision::Reason;
use super::flight::{MOST, Malformed, leading};
use super::http::{Form, Framing, Head, head_end};
use super::rules::Target;

pub use key::Key;

/// One read of a greeting.
const PIECE: usize = 2 << 10;

/// How long a client is waited for that does not take its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client wants of the proxy.
#[derive(Debug)]
pub enum Greeting {
    /// A connection to this host and port, which is still to be confirmed.
    Tunnel {
        /// The host.
        target: Target,
        /// The port.
        port: u16,
        /// What the client has sent behind the greeting already.
        early: Vec<u8>,
        /// The protocol in which it is answered.
        voice: Voice,
    },
    /// To have requests passed on; these bytes begin with the first.
    Requests(Vec<u8>),
}

/// Why a client did not get as far as asking for a host.
#[derive(Debug)]
pub enum Ungreeted {
    /// It went away, or sent nothing.
    Gone,
    /// It is answered so.
    Refused(Voice, Reason),
    /// It has shown no key, and is asked for it: clients of HTTP come again with it.
    Challenged,
}

/// The protocol in which a client of the proxy is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Not at all: the client does not know of a proxy.
    Silent,
    /// HTTP/1.1.
    Http,
    /// SOCKS5.
    Socks,
    /// SOCKS4, to refuse it.
    OldSocks,
    /// Not any more: it has been answered.
    Answered,
}

/// Why a tunnel cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble<'a> {
    /// It is denied.
    Denied(&'a Reason),
    /// The key is to be shown.
    Keyless,
    /// The name does not resolve.
    Unresolved,
    /// Nobody answers.
    Unreachable,
    /// Whoever answers is not who was meant.
    Distrusted(&'a Reason),
}

impl Voice {
    /// Confirms a tunnel.
    ///
    /// # Errors
    /// The client is gone or takes nothing.
    pub async fn confirm(self, stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        match self {
            Self::Silent | Self::OldSocks | Self::Answered => Ok(()),
            Self::Http => send(stream, b"HTTP/1.1 200 Connection established\r\n\r\n").await,
            Self::Socks => send(stream, &socks::reply(socks::GRANTED)).await,
        }
    }

    /// Says why not.
    pub async fn refuse(self, stream: &mut (impl AsyncWrite + Unpin), trouble: Trouble<'_>) {
        let bytes = match self {
            Self::Silent => return,
            Self::Http => trouble.page().into_bytes(),
            Self::Socks => socks::reply(trouble.code()).to_vec(),
            Self::OldSocks => socks::OLD_REFUSAL.to_vec(),
            Self::Answered => Vec::new(),
        };
        // Who does not take it does not learn it.
        if send(stream, &bytes).await.is_ok() {
            let _ = stream.shutdown().await;
        }
    }
}

impl Trouble<'_> {
    /// The answer of HTTP that says so.
    pub(crate) fn page(self) -> String {
        let (status, text) = match self {
            Self::Denied(reason @ (Reason::Malformed(_) | Reason::Unsupported)) => {
                ("400 Bad Request", reason.to_string())
            }
            Self::Denied(Reason::Unfinished) => {
                ("408 Request Timeout", Reason::Unfinished.to_string())
            }
            Self::Denied(Reason::Unauthenticated) | Self::Keyless => {
                ("407 Proxy Authentication Required", Reason::Unauthenticated.to_string())
            }
            Self::Denied(Reason::NoDescriptors) => {
                ("503 Service Unavailable", Reason::NoDescriptors.to_string())
            }
            Self::Denied(reason) => ("403 Forbidden", reason.to_string()),
            Self::Distrusted(reason) => ("502 Bad Gateway", reason.to_string()),
            Self::Unresolved => ("502 Bad Gateway", "the host's name does not resolve".into()),
            Self::Unreachable => ("504 Gateway Timeout", "the host does not answer".into()),
        };
        let length = text.len() + 1;
        let scheme = match status.starts_with("407") {
            true => "Proxy-Authenticate: Basic realm=\"sandbox\"\r\n",
            false => "",
        };
        format!(
            "HTTP/1.1 {status}\r\n{scheme}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{text}\n"
        )
    }

    fn code(self) -> u8 {
        match self {
            Self::Denied(Reason::Unsupported) => socks::COMMAND_UNKNOWN,
            Self::Denied(Reason::Malformed(_) | Reason::Unfinished | Reason::NoDescriptors) => {
                socks::FAILURE
            }
            Self::Denied(_) | Self::Keyless => socks::NOT_ALLOWED,
            Self::Unresolved => socks::HOST_UNREACHABLE,
            Self::Unreachable | Self::Distrusted(_) => socks::REFUSED,
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    timeout(PATIENCE, stream.write_all(bytes)).await?
}

/// Reads what a client wants, and the key where there is one. Bounded in bytes; the caller bounds the
/// time by `deadline`.
///
/// # Errors
/// The client is gone, or is to be refused.
pub async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    deadline: Duration,
    key: Option<&Key>,
) -> Result<Greeting, Ungreeted> {
    let mut come = Vec::new();
    match timeout(deadline, talk(stream, &mut come, key)).await {
        Ok(outcome) => outcome,
        Err(_) if come.is_empty() => Err(Ungreeted::Gone),
        Err(_) => Err(Ungreeted::Refused(voice(&come), Reason::Unfinished)),
    }
}

async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    come: &mut Vec<u8>,
    key: Option<&Key>,
) -> Result<Greeting, Ungreeted> {
    more(stream, come).await?;
    match voice(come) {
        Voice::Socks => socks5(stream, come, key).await,
        Voice::OldSocks => Err(Ungreeted::Refused(Voice::OldSocks, Reason::Unsupported)),
        _ => http(stream, come, key).await,
    }
}

fn voice(come: &[u8]) -> Voice {
    match come.first() {
        Some(&socks::VERSION) => Voice::Socks,
        Some(&socks::OLD_VERSION) => Voice::OldSocks,
        _ => Voice::Http,
    }
}

/// Reads more; the end of the client is the end of its greeting.
async fn more(stream: &mut (impl AsyncRead + Unpin), come: &mut Vec<u8>) -> Result<(), Ungreeted> {
    let room = PIECE.min(MOST.saturating_sub(come.len()));
    if room == 0 {
        let reason = Malformed::TooLong.into();
        return Err(Ungreeted::Refused(voice(come), reason));
    }
    come.reserve(room);
    match (&mut *stream).take(room as u64).read_buf(come).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Ungreeted::Gone),
    }
}

async fn socks5(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    come: &mut Vec<u8>,
    key: Option<&Key>,
) -> Result<Greeting, Ungreeted> {
    let refused = |malformed: Malformed| Ungreeted::Refused(Voice::Socks, malformed.into());
    let (method, otherwise) = match key {
        None => (socks::NO_AUTHENTICATION, Reason::Unsupported),
        Some(_) => (socks::PASSWORD, Reason::Unauthenticated),
    };
    let (used, offered) = loop {
        match socks::methods(come, method).map_err(refused)? {
            Some(methods) => break methods,
            None => more(stream, come).await?,
        }
    };
    if !offered {
        let _ = send(stream, &[socks::VERSION, socks::NO_METHOD]).await;
        return Err(Ungreeted::Refused(Voice::Answered, otherwise));
    }
    send(stream, &[socks::VERSION, method]).await.map_err(|_| Ungreeted::Gone)?;
    come.drain(..used);
    if let Some(key) = key {
        password(stream, come, key).await?;
    }
    let (used, request) = loop {
        match socks::request(come).map_err(refused)? {
            Some(request) => break request,
            None => more(stream, come).await?,
        }
    };
    if request.command != socks::CONNECT {
        return Err(Ungreeted::Refused(Voice::Socks, Reason::Unsupported));
    }
    let (target, port, early) = (request.target, request.port, come.split_off(used));
    Ok(Greeting::Tunnel { target, port, early, voice: Voice::Socks })
}

/// Reads the password of a SOCKS client, and goes on with one that is right.
async fn password(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    come: &mut Vec<u8>,
    key: &Key,
) -> Result<(), Ungreeted> {
    let refused = Ungreeted::Refused;
    let (used, shown) = loop {
        match socks::password(come).map_err(|bad| refused(Voice::Silent, bad.into()))? {
            Some(shown) => break shown,
            None => more(stream, come).await?,
        }
    };
    let is_right = key.is_pair(&shown);
    let told = send(stream, &socks::judged(is_right)).await;
    if !is_right {
        return Err(refused(Voice::Answered, Reason::Unauthenticated));
    }
    come.drain(..used);
    told.map_err(|_| Ungreeted::Gone)
}

async fn http(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    come: &mut Vec<u8>,
    key: Option<&Key>,
) -> Result<Greeting, Ungreeted> {
    let refused = |reason: Reason| Ungreeted::Refused(Voice::Http, reason);
    let mut seen = 0;
    let end = loop {
        let skipped = leading(come);
        come.drain(..skipped);
        if let Some(end) = head_end(come, seen).map_err(|bad| refused(bad.into()))? {
            break end;
        }
        seen = come.len();
        more(stream, come).await?;
    };
    let head = Head::parse(&come[..end]).map_err(|bad| refused(bad.into()))?;
    match (key, &head.credentials) {
        (Some(_), None) => return Err(Ungreeted::Challenged),
        (Some(key), Some(shown)) if !key.is_field(shown) => {
            return Err(refused(Reason::Unauthenticated));
        }
        _ => {}
    }
    greeting(&head, come, end).map_err(refused)
}

/// What the head asks for that ends at `end`.
fn greeting(head: &Head, come: &mut Vec<u8>, end: usize) -> Result<Greeting, Reason> {
    match &head.form {
        Form::Tunnel(authority) => {
            let port = authority.port.ok_or(Malformed::Target)?;
            // Some clients leave the port of 443 out, or write the name alone.
            if let Some(stranger) = head.stranger(&authority.target, port) {
                return Err(Reason::OtherHost { named: stranger.to_string() });
            }
            if head.framing != Framing::Length(0) {
                return Err(Malformed::Framing.into());
            }
            let (target, early) = (authority.target.clone(), come.split_off(end));
            Ok(Greeting::Tunnel { target, port, early, voice: Voice::Http })
        }
        Form::Absolute(_) => Ok(Greeting::Requests(std::mem::take(come))),
        Form::Origin | Form::Asterisk => Err(Reason::Unsupported),
    }
}

#[cfg(test)]
mod tests;
