//! Pipes that long streams are moved by: pages of a socket go into a pipe, and on into another
//! socket, without a copy in this process (splice(2)).
//!
//! # Security
//! What is read is not what was judged: nothing is judged of it any more. A sender that changes
//! pages after it has sent them changes its own bytes.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use sandbox_core::egress::gateway::{Conduit, Conduits};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How much a pipe is to hold, in bytes. Each of its pages holds one piece of what was received.
const SIZE: usize = 256 << 10;

/// Makes pipes.
#[derive(Debug)]
pub(super) struct Pipes;

impl Pipes {
    /// Pipes, unless this process can be ended by them: writing to a connection that is broken
    /// raises SIGPIPE, which `splice` has no flag against. Programs in Rust ignore it.
    pub(super) fn if_safe() -> Option<Self> {
        crate::sys::ignores_broken_pipes().then_some(Self)
    }
}

impl Conduits for Pipes {
    fn open(&self) -> io::Result<Box<dyn Conduit>> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does as well: a user's pipes have a bound together (pipe(7)).
        let _ = fcntl_setpipe_size(&into, SIZE);
        Ok(Box::new(Pipe { into, out }))
    }
}

/// A pipe.
#[derive(Debug)]
struct Pipe {
    into: OwnedFd,
    out: OwnedFd,
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Conduit for Pipe {
    fn take(&mut self, from: &TcpStream, most: usize) -> usize {
        let take = || Ok(splice(from.as_fd(), None, &self.into, None, most, FLAGS).unwrap_or(0));
        // Not an error in there, or the connection would count as silent: urgent data ends a
        // splice as well.
        from.try_io(Interest::READABLE, take).unwrap_or(0)
    }

    fn give(&mut self, to: &TcpStream, most: usize) -> io::Result<usize> {
        let give = || Ok(splice(&self.out, None, to.as_fd(), None, most, FLAGS)?);
        to.try_io(Interest::WRITABLE, give)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sandbox_core::egress::dial::Dialler;
    use sandbox_core::egress::gateway::{Gateway, Listener, Mode};
    use sandbox_core::egress::{HostRule, Rules};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    async fn pair() -> io::Result<(std::net::TcpStream, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = std::net::TcpStream::connect(listener.local_addr()?)?;
        Ok((client, listener.accept().await?.0))
    }

    #[tokio::test]
    async fn bytes_go_through_a_pipe() -> Outcome {
        let ((mut writer, from), (reader, to)) = (pair().await?, pair().await?);
        let mut pipe = Pipes.open()?;
        assert_eq!(pipe.take(&from, 100), 0, "nothing is there");
        writer.write_all(b"hello")?;
        from.readable().await?;
        assert_eq!(pipe.take(&from, 4), 4);
        to.writable().await?;
        assert_eq!(pipe.give(&to, 4)?, 4);
        let mut bytes = [0; 4];
        std::io::Read::read_exact(&mut &reader, &mut bytes)?;
        assert_eq!(&bytes, b"hell");
        assert_eq!(pipe.take(&from, 100), 1);
        Ok(())
    }

    #[tokio::test]
    async fn who_takes_nothing_more_is_waited_for() -> Outcome {
        let ((mut writer, from), (_reader, to)) = (pair().await?, pair().await?);
        std::thread::spawn(move || while writer.write_all(&[7; 1 << 16]).is_ok() {});
        let mut pipe = Pipes.open()?;
        to.writable().await?;
        let mut held = 0;
        for _ in 0..10_000 {
            if held == 0 {
                from.readable().await?;
                held = pipe.take(&from, SIZE);
            }
            match pipe.give(&to, held) {
                Ok(given) => held -= given,
                Err(error) if held > 0 => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    return Ok(());
                }
                Err(_) => {}
            }
        }
        Err("somebody takes everything".into())
    }

    /// Its connections were all meant for one address.
    struct Meant(TcpListener, std::net::SocketAddr);

    #[async_trait::async_trait]
    impl Listener for Meant {
        async fn accept(&self) -> io::Result<(TcpStream, std::net::SocketAddr)> {
            Ok((self.0.accept().await?.0, self.1))
        }
    }

    #[tokio::test]
    async fn a_gateway_moves_streams_and_finds_their_ends() -> Outcome {
        const LENGTH: usize = 8 << 20;
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let meant = server.local_addr()?;
        let rule: HostRule = meant.to_string().parse()?;
        let dialler = Dialler::default().own(Vec::new());
        let setup = Gateway::setup("", Rules::new(&[rule.private(true)])).dialler(dialler);
        let gateway = setup.conduits(Pipes).start();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        gateway.serve(Meant(listener, meant), Mode::Transparent);
        let mut client = TcpStream::connect(address).await?;
        let (mut server, _) = server.accept().await?;
        let sent: Vec<u8> = (0..LENGTH).map(|at| (at / 251) as u8).collect();
        let copy = sent.clone();
        let sending = tokio::spawn(async move { server.write_all(&copy).await });
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await?;
        assert!(bytes == sent, "the bytes differ");
        sending.await??;
        Ok(())
    }
}
