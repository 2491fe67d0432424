//! Long streams, which conduits move.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Conduits that are plain memory, and count what they move.
#[derive(Clone, Debug, Default)]
struct Buffers(Arc<AtomicUsize>);

#[derive(Debug)]
struct Buffer {
    held: Vec<u8>,
    moved: Arc<AtomicUsize>,
}

impl Conduits for Buffers {
    fn open(&self) -> io::Result<Box<dyn Conduit>> {
        Ok(Box::new(Buffer { held: Vec::new(), moved: Arc::clone(&self.0) }))
    }
}

impl Conduit for Buffer {
    fn take(&mut self, from: &TcpStream, most: usize) -> usize {
        assert!(self.held.is_empty(), "bytes of another connection");
        let mut bytes = vec![0; most];
        let taken = from.try_read(&mut bytes).unwrap_or(0);
        self.held.extend_from_slice(&bytes[..taken]);
        self.moved.fetch_add(taken, Ordering::Relaxed);
        taken
    }

    fn give(&mut self, to: &TcpStream, most: usize) -> io::Result<usize> {
        assert_eq!(most, self.held.len());
        let given = to.try_write(&self.held)?;
        self.held.drain(..given);
        Ok(given)
    }
}

const LENGTH: usize = 8 << 20;

/// Bytes of which no two stretches are alike.
fn long() -> Vec<u8> {
    (0..LENGTH / 8).flat_map(|number| (number as u64 ^ 0xb5).to_be_bytes()).collect()
}

/// Sends while the other end, after a pause that fills everything in between, reads.
async fn across(mut from: TcpStream, to: &mut TcpStream) {
    let sending = tokio::spawn(async move {
        from.write_all(&long()).await.unwrap();
        from
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut bytes = vec![0; LENGTH];
    timeout(LONG, to.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert!(bytes == long(), "the bytes differ");
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn long_streams_are_moved_whole_and_counted() {
    for is_up in [true, false] {
        let buffers = Buffers::default();
        let world = World::with(|setup| setup.conduits(buffers.clone())).await;
        let mut client = world.client("example.org").await;
        let mut server = world.accepted().await;
        client.write_all(b"*1\r\n").await.unwrap();
        exactly(&mut server, b"*1\r\n").await;
        if is_up {
            across(client, &mut server).await;
            assert_eq!(rest(&mut server).await, (vec![], Ok(())));
            drop(server);
        } else {
            across(server, &mut client).await;
            assert_eq!(rest(&mut client).await, (vec![], Ok(())));
            drop(client);
        }
        let decision = world.decisions(1).await.remove(0);
        let (up, down) = if is_up { (LENGTH + 4, 0) } else { (4, LENGTH) };
        assert_eq!((decision.bytes_up, decision.bytes_down), (up as u64, down as u64));
        assert_eq!(decision.end, Some(End::Closed));
        let moved = buffers.0.load(Ordering::Relaxed);
        assert!(moved > LENGTH / 2, "{moved}");
    }
}

#[tokio::test]
async fn what_has_to_be_judged_is_never_moved() {
    let buffers = Buffers::default();
    let world = World::with(|setup| setup.conduits(buffers.clone())).await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: example.org:{}\r\nContent-Length: {LENGTH}\r\n\r\n",
        world.port
    );
    client.write_all(head.as_bytes()).await.unwrap();
    exactly(&mut server, head.as_bytes()).await;
    across(client, &mut server).await;
    assert_eq!(buffers.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_bound_holds_for_what_is_moved() {
    const MOST: usize = 3 << 20;
    let limits = Limits { connection_bytes: Some(MOST as u64), ..Limits::default() };
    let buffers = Buffers::default();
    let world = World::with(|setup| setup.limits(limits).conduits(buffers.clone())).await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    let sending = tokio::spawn(async move { server.write_all(&long()).await });
    let (bytes, end) = rest(&mut client).await;
    assert!(bytes.len() <= MOST && end == RESET, "{} {end:?}", bytes.len());
    assert!(sending.await.unwrap().is_err());
    let decision = world.decisions(1).await.remove(0);
    assert_eq!((decision.bytes_down, decision.end), (MOST as u64, Some(End::Limit)));
    assert!(buffers.0.load(Ordering::Relaxed) > MOST / 2);
}

#[tokio::test]
async fn what_a_conduit_holds_ends_with_its_connection() {
    let buffers = Buffers::default();
    let world = World::with(|setup| setup.conduits(buffers.clone())).await;
    let mut client = world.client("example.org").await;
    let mut server = world.accepted().await;
    let sending = tokio::spawn(async move { server.write_all(&long()).await });
    until(|| buffers.0.load(Ordering::Relaxed) > 0).await;
    world.gateway.set_rules(Rules::default());
    assert!(sending.await.unwrap().is_err());
    assert_eq!(world.decisions(1).await[0].end, Some(End::Revoked));
    assert_eq!(rest(&mut client).await.1, RESET);
    // The next connection gets none of it.
    world.gateway.set_rules(rules(&["example.org"], world.port));
    let mut client = world.client("example.org").await;
    let server = world.accepted().await;
    across(server, &mut client).await;
}
