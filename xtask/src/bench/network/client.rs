//! The client: what is measured, and what is held open while memory is.

use std::io::{BufRead as _, Read as _, Write as _, stdin};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::report::{AT_ONCE, EACH, HELD, IN_TURN, ROUND_TRIPS, STREAM};
use super::stage;

const CHUNK: usize = 256 << 10;

/// The answer to a short request.
const SHORT: usize = 64;

/// What each connection carries either way while all are open.
const TRAFFIC: usize = 256 << 10;

pub(super) fn run(proxy: Option<SocketAddr>) -> Result<()> {
    let mut held = Vec::new();
    println!("ready");
    for request in stdin().lock().lines() {
        let start = Instant::now();
        match request.context("read a request")?.as_str() {
            "down" => down(proxy)?,
            "up" => up(proxy)?,
            "in-turn" => converse(proxy, IN_TURN)?,
            "at-once" => at_once(proxy)?,
            "round-trips" => round_trips(proxy)?,
            "hold" => held = hold(proxy)?,
            "traffic" => traffic(&mut held)?,
            other => bail!("no such request: {other}"),
        }
        println!("{}", start.elapsed().as_nanos());
    }
    Ok(())
}

fn connect(proxy: Option<SocketAddr>) -> Result<TcpStream> {
    let server = stage::server();
    let mut stream = TcpStream::connect(proxy.unwrap_or(server)).context("connect")?;
    stream.set_nodelay(true).context("set TCP_NODELAY")?;
    if proxy.is_some() {
        write!(&stream, "CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n")?;
        let mut answer = [0; b"HTTP/1.1 200 OK\r\n\r\n".len()];
        stream.read_exact(&mut answer).context("hear from the proxy")?;
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "the proxy refused");
    }
    Ok(stream)
}

/// One line, as one segment.
fn ask(stream: &mut TcpStream, word: &str, number: usize) -> Result<()> {
    stream.write_all(format!("{word} {number}\n").as_bytes()).context("write a request")
}

/// Reads so many bytes.
fn take(stream: &mut TcpStream, count: usize, buffer: &mut [u8]) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let most = left.min(buffer.len());
        let read = stream.read(&mut buffer[..most]).context("read an answer")?;
        ensure!(read > 0, "the answer ended early");
        left -= read;
    }
    Ok(())
}

fn send(stream: &mut TcpStream, count: usize, zeros: &[u8]) -> Result<()> {
    let mut left = count;
    while left > 0 {
        left -= stream.write(&zeros[..left.min(zeros.len())]).context("write a stream")?;
    }
    Ok(())
}

fn down(proxy: Option<SocketAddr>) -> Result<()> {
    let mut stream = connect(proxy)?;
    ask(&mut stream, "send", STREAM)?;
    take(&mut stream, STREAM, &mut vec![0; CHUNK])
}

fn up(proxy: Option<SocketAddr>) -> Result<()> {
    let mut stream = connect(proxy)?;
    ask(&mut stream, "take", STREAM)?;
    send(&mut stream, STREAM, &vec![0; CHUNK])?;
    take(&mut stream, 1, &mut [0])
}

/// So many connections, one after another.
fn converse(proxy: Option<SocketAddr>, count: usize) -> Result<()> {
    for _ in 0..count {
        let mut stream = connect(proxy)?;
        ask(&mut stream, "last", SHORT)?;
        let mut answer = Vec::with_capacity(2 * SHORT);
        stream.read_to_end(&mut answer).context("read an answer")?;
        ensure!(answer.len() == SHORT, "the answer has {} bytes", answer.len());
    }
    Ok(())
}

fn at_once(proxy: Option<SocketAddr>) -> Result<()> {
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..AT_ONCE).map(|_| scope.spawn(move || converse(proxy, EACH))).collect();
        clients.into_iter().try_for_each(|client| {
            client.join().unwrap_or_else(|_| Err(anyhow!("a client panicked")))
        })
    })
}

fn round_trips(proxy: Option<SocketAddr>) -> Result<()> {
    let mut stream = connect(proxy)?;
    ask(&mut stream, "echo", ROUND_TRIPS)?;
    for _ in 0..ROUND_TRIPS {
        stream.write_all(b"x").context("write a byte")?;
        take(&mut stream, 1, &mut [0])?;
    }
    Ok(())
}

/// Connections that have said something, and stay.
fn hold(proxy: Option<SocketAddr>) -> Result<Vec<TcpStream>> {
    let one = |_| {
        let mut stream = connect(proxy)?;
        ask(&mut stream, "send", 1)?;
        take(&mut stream, 1, &mut [0])?;
        Ok(stream)
    };
    (0..HELD).map(one).collect()
}

/// Carries something on all of them: down on all at once, which nobody reads at first, and up.
fn traffic(held: &mut [TcpStream]) -> Result<()> {
    let mut buffer = vec![0; TRAFFIC];
    held.iter_mut().try_for_each(|stream| ask(stream, "send", TRAFFIC))?;
    held.iter_mut().try_for_each(|stream| take(stream, TRAFFIC, &mut buffer))?;
    for stream in held.iter_mut() {
        ask(stream, "take", TRAFFIC)?;
        send(stream, TRAFFIC, &buffer)?;
    }
    held.iter_mut().try_for_each(|stream| take(stream, 1, &mut [0]))
}
