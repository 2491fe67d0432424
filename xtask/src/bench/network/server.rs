//! The server. A client's requests are lines, each a word and a number:
//!
//! | request | answer |
//! |---|---|
//! | `send N` | so many bytes |
//! | `last N` | the same, and the end |
//! | `take N` | a byte, once so many have come |
//! | `echo N` | each of so many bytes, as they come |

use std::io::stdin;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::LocalSet;

use super::stage;

/// What is sent or taken at once, at most.
const CHUNK: usize = 256 << 10;

/// Connections that wait to be taken.
const BACKLOG: u32 = 1024;

pub(super) fn run() -> Result<()> {
    println!("ready");
    request()?;
    stage::bring_up_far()?;
    local(async {
        let socket = TcpSocket::new_v4().context("make a socket")?;
        socket.set_reuseaddr(true)?;
        socket.bind(stage::server()).context("bind the server's socket")?;
        let listener = socket.listen(BACKLOG).context("listen")?;
        println!("serving");
        serve(listener).await
    })
}

/// Waits for the one request that there is: who measures is done with the networks.
pub(super) fn request() -> Result<()> {
    stdin().read_line(&mut String::new()).map(drop).context("hear from who measures")
}

/// Runs something on this thread until the standard input ends, which ends the process.
pub(super) fn local(work: impl Future<Output = Result<()>>) -> Result<()> {
    std::thread::spawn(|| {
        // Errors are an end, too.
        let _ = std::io::copy(&mut stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(work))
}

async fn serve(listener: TcpListener) -> Result<()> {
    let zeros: Rc<[u8]> = vec![0; CHUNK].into();
    loop {
        let (client, _) = listener.accept().await.context("accept")?;
        // Who goes away in between is no trouble of the server's.
        let zeros = Rc::clone(&zeros);
        tokio::task::spawn_local(async move { converse(client, &zeros).await.ok() });
    }
}

async fn converse(client: TcpStream, zeros: &[u8]) -> Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::with_capacity(4 << 10, client);
    let mut line = String::new();
    while client.read_line(&mut line).await? > 0 {
        let (word, number) = line.trim_end().split_once(' ').context("a word and a number")?;
        let count: usize = number.parse()?;
        match word {
            "send" => send(client.get_mut(), count, zeros).await?,
            "last" => return send(client.get_mut(), count, zeros).await,
            "take" => take(&mut client, count).await?,
            "echo" => echo(&mut client, count).await?,
            _ => bail!("no such request: {word}"),
        }
        line.clear();
    }
    Ok(())
}

async fn send(client: &mut TcpStream, count: usize, zeros: &[u8]) -> Result<()> {
    let mut left = count;
    while left > 0 {
        left -= client.write(&zeros[..left.min(zeros.len())]).await?;
    }
    Ok(())
}

async fn take(client: &mut BufReader<TcpStream>, count: usize) -> Result<()> {
    let mut buffer = vec![0; CHUNK.min(count)];
    let mut left = count;
    while left > 0 {
        let most = left.min(buffer.len());
        let read = client.read(&mut buffer[..most]).await?;
        if read == 0 {
            bail!("the client ended");
        }
        left -= read;
    }
    Ok(client.get_mut().write_all(b".").await?)
}

async fn echo(client: &mut BufReader<TcpStream>, count: usize) -> Result<()> {
    for _ in 0..count {
        let byte = client.read_u8().await?;
        client.get_mut().write_all(&[byte]).await?;
    }
    Ok(())
}
