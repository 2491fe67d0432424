//! Ports of a session that is without any network, published on the host's loopback.

mod stage;

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use sandbox_core::run::Running;
use sandbox_core::session::{SandboxBackend, SandboxSpec};
use sandbox_core::{
    ExecRequest, FilesystemAccess, FilesystemMount, NetworkPolicy, Policy, SandboxError, SessionId,
};
use sandbox_linux::TierChoice;
use stage::{Outcome, Stage};
use tokio::sync::{Mutex, MutexGuard};

/// Set for the copy of this program that serves in a sandbox: the port.
const PORT: &str = "SERVE_ON_PORT";
const INSIDE: u16 = 8080;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server in the sandbox; no test of its own. Answers each connection with what it was sent.
#[test]
fn serve() -> Outcome {
    let Some(port) = std::env::var_os(PORT) else { return Ok(()) };
    let port = port.to_str().ok_or("no number")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    fs::write("/mnt/memory/ready", "")?;
    loop {
        let (mut connection, _) = listener.accept()?;
        std::thread::spawn(move || {
            let mut request = Vec::new();
            let read = connection.read_to_end(&mut request);
            read.and_then(|_| connection.write_all(&[b"200 ", &request[..]].concat()))
        });
    }
}

/// The tests take turns: one counts what the whole process has.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

struct Served {
    _turn: MutexGuard<'static, ()>,
    stage: Stage,
    id: SessionId,
    _server: Running,
}

impl Served {
    async fn start(policy: Policy, port: u16) -> Result<Self, Box<dyn Error>> {
        let turn = turn().await;
        let stage = Stage::new()?;
        let probe = stage.all.path().join("probe");
        fs::create_dir(&probe)?;
        fs::copy(std::env::current_exe()?, probe.join("server"))?;
        let probe = fs::canonicalize(probe)?;
        let mount = FilesystemMount::bind(probe, "/probe", FilesystemAccess::ReadOnly)?;
        let id = stage.open(SandboxSpec::new(policy).mount(mount)).await?;
        let server = ExecRequest::new("/probe/server").args(["--exact", "serve", "--nocapture"]);
        let server = stage.sessions.spawn(&id, server.env(PORT, port.to_string())).await?;
        while !stage.memory(&id).join("ready").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { _turn: turn, stage, id, _server: server })
    }

    async fn quiet() -> Result<Self, Box<dyn Error>> {
        Self::start(Policy::read_only().build()?, INSIDE).await
    }

    async fn publish(&self, host: Option<u16>) -> Result<u16, SandboxError> {
        Ok(self.stage.sessions.publish(&self.id, INSIDE, host).await?.host)
    }
}

/// What a server behind a port of the host answers; nothing where a connection is closed at once.
fn ask(port: u16, text: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(text.as_bytes())?;
    connection.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The same, while the runtime goes on.
async fn asked(port: u16, text: &'static str) -> Result<String, Box<dyn Error>> {
    Ok(tokio::task::spawn_blocking(move || ask(port, text)).await??)
}

#[tokio::test]
async fn a_server_without_network_answers() -> Outcome {
    let served = Served::quiet().await?;
    let port = served.publish(None).await?;
    assert_eq!(asked(port, "hello").await?, "200 hello");
    assert_eq!(asked(port, "again").await?, "200 again");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let number = taken.local_addr()?.port();
    served.stage.sessions.unpublish(&served.id, INSIDE).await?;
    let other = served.publish(Some(number)).await?;
    assert_ne!(other, number, "somebody has it");
    assert_eq!(asked(other, "other").await?, "200 other");
    Ok(())
}

#[tokio::test]
async fn nobody_is_reached_where_nobody_listens() -> Outcome {
    let served = Served::quiet().await?;
    let sessions = &served.stage.sessions;
    let port = sessions.publish(&served.id, INSIDE + 1, None).await?.host;
    assert_ne!(asked(port, "").await.unwrap_or_default(), "200 ");
    // A server of the host's is not the sandbox's.
    let hosts = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    hosts.set_nonblocking(true)?;
    let port = sessions.publish(&served.id, hosts.local_addr()?.port(), None).await?.host;
    assert_ne!(asked(port, "").await.unwrap_or_default(), "200 ");
    assert!(hosts.accept().is_err(), "the host's server was reached");
    Ok(())
}

#[tokio::test]
async fn what_is_not_published_any_more_is_cut() -> Outcome {
    let served = Served::quiet().await?;
    let port = served.publish(None).await?;
    let mut held = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    held.set_read_timeout(Some(PATIENCE))?;
    held.write_all(b"begun")?;
    assert_eq!(asked(port, "meanwhile").await?, "200 meanwhile");
    served.stage.sessions.unpublish(&served.id, INSIDE).await?;
    let read = tokio::task::spawn_blocking(move || held.read(&mut [0; 8])).await?;
    assert!(matches!(read, Ok(0)) || is_cut(&read), "{read:?}");
    assert!(refused(port).await, "it still listens");
    let port = served.publish(None).await?;
    assert_eq!(asked(port, "anew").await?, "200 anew");
    served.stage.sessions.terminate(&served.id).await?;
    assert!(refused(port).await, "it still listens after the end");
    Ok(())
}

fn is_cut(read: &std::io::Result<usize>) -> bool {
    let kind = read.as_ref().err().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::ConnectionReset)
}

/// Whether nobody listens, now or soon: what was aborted ends when the runtime gets to it.
async fn refused(port: u16) -> bool {
    for _ in 0..1000 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test]
async fn in_the_hosts_network_the_server_is_the_hosts() -> Outcome {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let policy = Policy::read_only().network(NetworkPolicy::Unrestricted).build()?;
    let served = Served::start(policy, free).await?;
    let port = served.stage.sessions.publish(&served.id, free, None).await?.host;
    assert_eq!(asked(port, "open").await?, "200 open");
    Ok(())
}

#[tokio::test]
async fn without_namespaces_only_the_hosts_network_is_reached() -> Outcome {
    let _turn = turn().await;
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let inside = server.local_addr()?.port();
    let answering = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut connection, _) = server.accept()?;
        connection.read_to_end(&mut Vec::new())?;
        connection.write_all(b"here")
    });
    let stage = Stage::of(TierChoice::Landlock)?;
    let closed = stage.open(SandboxSpec::new(Policy::read_only().build()?)).await?;
    let port = stage.sessions.publish(&closed, inside, None).await?.host;
    assert_ne!(asked(port, "").await.unwrap_or_default(), "here");
    let open = Policy::read_only().network(NetworkPolicy::Unrestricted).build()?;
    let open = stage.open(SandboxSpec::new(open)).await?;
    let port = stage.sessions.publish(&open, inside, None).await?.host;
    assert_eq!(asked(port, "").await?, "here");
    answering.join().map_err(|_| "the server")??;
    Ok(())
}

#[tokio::test]
async fn many_connections_leave_nothing() -> Outcome {
    let served = Served::quiet().await?;
    let port = served.publish(None).await?;
    assert_eq!(asked(port, "first").await?, "200 first");
    let before = descriptors()?;
    for _ in 0..3 {
        assert_eq!(at_once(port).await, 100);
    }
    for _ in 0..1000 {
        if descriptors()? <= before {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(format!("{} descriptors where {before} were", descriptors()?).into())
}

fn descriptors() -> std::io::Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

/// How many of a hundred connections at once are answered.
async fn at_once(port: u16) -> usize {
    let all: Vec<_> =
        (0..100).map(|_| tokio::task::spawn_blocking(move || ask(port, "many"))).collect();
    let mut answered = 0;
    for one in all {
        answered += usize::from(matches!(one.await, Ok(Ok(text)) if text == "200 many"));
    }
    answered
}
