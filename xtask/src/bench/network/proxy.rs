//! The usual other way: a proxy for HTTP's CONNECT that copies in user space, which clients have to
//! know of. It asks nobody whether a connection is allowed.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::server::{local, request};

pub(super) fn run() -> Result<()> {
    println!("ready");
    request()?;
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        println!("{}", listener.local_addr()?);
        loop {
            let (client, _) = listener.accept().await.context("accept")?;
            tokio::task::spawn_local(async move { forward(client).await.ok() });
        }
    })
}

async fn forward(mut client: TcpStream) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // An end here is not told, and the next loop's error is.
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let server: SocketAddr = head.split(' ').nth(1).context("a request has a target")?.parse()?;
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
