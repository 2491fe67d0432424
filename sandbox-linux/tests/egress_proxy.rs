//! Programs that know of a proxy, on the tier without namespaces, in a sandbox whose policy lists hosts;
//! and what becomes of those that pass it by.

mod outside;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use outside::proxied::{field, parts, spoken};
use outside::{Means, Outcome, World, said};
use sandbox_core::confine::{Confinement as _, Enclosure, Launched, Process};
use sandbox_core::egress::decision::{End, Verdict};
use sandbox_core::egress::{HostRule, Level};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::run::Sink;
use sandbox_core::{Enforcement, Feature, LocalBackend, SandboxError};
use sandbox_linux::{Prepared, TierChoice};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// The program in the sandbox; no test of its own.
#[test]
fn inside() -> Outcome {
    outside::inside()
}

#[tokio::test]
async fn listed_hosts_are_reached_in_each_way_and_no_others_are() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let script = "connect allowed.test:PORT hello\nsocks allowed.test:PORT hello\n\
                  absolute web.test:PORT\nsocks 127.0.0.1:PORT own\n\
                  connect other.test:PORT x\nsocks other.test:PORT x\nabsolute other.test:PORT\n\
                  socks allowed.test:81 x\nsocks 169.254.169.254:80 x\nsocks rebound.test:PORT x";
    let listed = ["allowed.test:PORT", "web.test:PORT", "rebound.test:PORT"];
    let said = world.say(&listed, script).await?;
    assert_eq!(said[..4], ["hello", "hello", "HTTP/1.0 200 OK", "own"]);
    assert_eq!(said[4..7], ["HTTP/1.1 403", "SOCKS [5, 2]", "HTTP/1.1 403 Forbidden"]);
    assert_eq!(said[7..], ["SOCKS [5, 2]"; 3]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_reached_without_the_proxy() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let script = "tcp 127.0.0.1 PORT x\ntcp 192.0.43.8 80 x\ntcp ::1 PORT x\ntcp 169.254.169.254 80 x\n\
                  udp 127.0.0.1 PORT x\nask udp 127.0.0.1 allowed.test\nask tcp 127.0.0.1 a.test";
    let said = world.say(&["allowed.test:PORT"], script).await?;
    assert_eq!(said, ["EACCES"; 7]);
    Ok(())
}

#[tokio::test]
async fn only_tcp_makes_sockets_and_nobody_listens() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    // Family, type and protocol, by the kernel's numbers.
    let all = [
        ("socket 2 1 0", "allowed"),
        ("socket 10 1 6", "allowed"),
        ("socket 2 526337 6", "allowed"),
        ("socket 2 2 0", "EACCES"),
        ("socket 10 2 17", "EACCES"),
        ("socket 2 3 1", "EACCES"),
        ("socket 2 1 262", "EPROTONOSUPPORT"),
        ("socket 2 1 132", "EPROTONOSUPPORT"),
        ("socket 2 1 256", "EPROTONOSUPPORT"),
        ("socket 2 5 132", "EACCES"),
        ("socket 1 1 0", "EACCES"),
        ("socket 16 3 0", "EACCES"),
        ("socket 17 3 0", "EAFNOSUPPORT"),
        ("socket 40 1 0", "EAFNOSUPPORT"),
        ("socket 38 5 0", "EAFNOSUPPORT"),
        ("socket 43 1 0", "EAFNOSUPPORT"),
        ("bind", "EACCES"),
        ("listen", "EACCES"),
        ("fast-open", "EOPNOTSUPP"),
        ("option 6 30", "ENOPROTOOPT"),
        ("option 6 31", "ENOPROTOOPT"),
        ("option 6 1", "allowed"),
        ("option 1 25", "EPERM"),
        ("option 1 62", "EPERM"),
        ("option 0 4", "EPERM"),
        ("ring", "ENOSYS"),
        ("notify", "EPERM"),
        ("exhaust", "EMFILE then allowed"),
    ];
    let script = all.map(|(line, _)| line).join("\n");
    let said = world.say(&["allowed.test:PORT"], &script).await?;
    for (said, (line, expected)) in said.iter().zip(all) {
        assert_eq!(said, expected, "{line}");
    }
    assert_eq!(said.len(), all.len());
    Ok(())
}

/// A program that runs, and what it prints.
struct Run {
    output: Box<dyn AsyncBufRead + Send + Unpin>,
    input: Option<sandbox_core::confine::Input>,
    process: Arc<dyn Process>,
}

impl Run {
    fn new(launched: Launched) -> Self {
        let Launched { process, stdout, stdin, .. } = launched;
        Self { output: Box::new(BufReader::new(stdout)), input: stdin, process }
    }

    /// The next line that the program prints.
    async fn next(&mut self) -> Result<String, Box<dyn Error>> {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line);
            if tokio::time::timeout(Duration::from_secs(30), read).await?? == 0 {
                return Err("the program has ended".into());
            }
            if let Some(line) = said(&line).pop() {
                return Ok(line);
            }
        }
    }

    async fn go_on(&mut self) -> Outcome {
        Ok(self.input.as_mut().ok_or("no input")?.write_all(b"\n").await?)
    }
}

fn plan(world: &World, rules: &[&str], script: &str) -> Result<Plan, Box<dyn Error>> {
    let request = world.request(script)?.with_stdin();
    Ok(Plan::new(&world.policy(rules)?, &request, &Host::current())?)
}

fn launch(world: &World, rules: &[&str], script: &str) -> Result<Run, Box<dyn Error>> {
    Ok(Run::new(world.confinement.launch(&plan(world, rules, script)?)?))
}

fn session(world: &World, rules: &[&str]) -> Result<Arc<dyn Enclosure>, Box<dyn Error>> {
    let plan = Plan::furnished(&world.policy(rules)?, &[], &Host::current())?;
    Ok(Arc::clone(&world.confinement).enclose(&plan)?)
}

fn rules(world: &World, rules: &[&str]) -> Result<Vec<HostRule>, Box<dyn Error>> {
    let port = world.server.port.to_string();
    Ok(rules.iter().map(|rule| rule.replace("PORT", &port).parse()).collect::<Result<_, _>>()?)
}

/// An address of this host that is not the loopback's, if it has one. Nothing is sent.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 43, 8), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

/// The rule on ports cannot tell addresses apart; what keeps a payload from them is the device.
#[tokio::test]
async fn the_proxys_port_at_another_address_leads_nowhere() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let Some(address) = outward() else {
        skipped("an address beside the loopback's");
        return Ok(());
    };
    let mapped = format!("::ffff:{address}");
    let script = format!("proxy\nwait\nat {address}\nat {mapped}\nsocks allowed.test:PORT hello");
    let mut run = launch(&world, &["allowed.test:PORT"], &script)?;
    let url = run.next().await?;
    let port = parts(&url).ok_or("no proxy")?.1.port();
    let listener = TcpListener::bind((address, port))?;
    listener.set_nonblocking(true)?;
    // From outside it is there.
    drop(TcpStream::connect((address, port))?);
    listener.accept()?;
    assert_eq!(run.next().await?, "waits");
    run.go_on().await?;
    assert_eq!(run.next().await?, "goes on");
    for _ in 0..2 {
        let said = run.next().await?;
        assert_ne!(said, "reached");
    }
    assert!(listener.accept().is_err(), "somebody came");
    assert_eq!(run.next().await?, "hello", "the proxy is reached");
    run.process.wait().await?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "whoever reads the output of tests")]
fn skipped(what: &str) {
    eprintln!("skipped: this host has no {what}");
}

/// What a client of the proxy is told that is none of the sandbox's.
fn refused(at: SocketAddr, greeting: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(greeting)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Tries to be a client of the sandbox's proxy from outside, with other keys and with its own.
fn strange(url: &str, place: &str) -> Outcome {
    let (pair, at) = parts(url).ok_or("no proxy")?;
    let head = format!("CONNECT {place} HTTP/1.1\r\nHost: allowed.test\r\n");
    let wrong = pair.replace(&pair[8..12], "0x0x");
    for fields in [String::new(), field(&wrong)] {
        let answer = refused(at, format!("{head}{fields}\r\n").as_bytes())?;
        assert!(answer.starts_with(b"HTTP/1.1 407 "), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(refused(at, b"\x05\x01\x00")?, [5, 0xff]);
    let (name, password) = pair.split_once(':').ok_or("no key")?;
    let denied = spoken(TcpStream::connect(at)?, name, &wrong[8..], place);
    assert_eq!(denied.err().map(|error| error.to_string()), Some("SOCKS [1, 1]".into()));
    // Whoever has the key is served.
    spoken(TcpStream::connect(at)?, name, password, place)?;
    Ok(())
}

#[tokio::test]
async fn a_stranger_without_the_key_is_refused() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let mut run = launch(&world, &["allowed.test:PORT"], "proxy\nwait")?;
    let url = run.next().await?;
    let (known, place) = (url.clone(), format!("allowed.test:{}", world.server.port));
    let tried = move || strange(&known, &place).map_err(|error| error.to_string());
    tokio::task::spawn_blocking(tried).await??;
    let (pair, at) = parts(&url).ok_or("no proxy")?;
    let other = launch(&world, &["allowed.test:PORT"], "proxy")?.next().await?;
    assert_ne!(parts(&other).ok_or("no proxy")?.0, pair, "each has a key of its own");
    run.go_on().await?;
    run.process.wait().await?;
    assert!(TcpStream::connect(at).is_err(), "the proxy ends with the run");
    Ok(())
}

#[tokio::test]
async fn programs_are_told_and_what_they_were_told_before_is_gone() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let request = world.request("variables")?;
    let request = request.env("HTTP_PROXY", "http://elsewhere:1").env("no_proxy", "*");
    let backend = LocalBackend::new(Arc::clone(&world.confinement));
    let result = backend.run(&world.policy(&["allowed.test:PORT"])?, &request).await?;
    let said = said(&result.stdout.text()).pop().ok_or("nothing was said")?;
    let names: Vec<&str> = said.split(' ').filter_map(|it| Some(it.split_once('=')?.0)).collect();
    let expected = [
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NODE_USE_ENV_PROXY",
        "NO_PROXY",
        "all_proxy",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ];
    assert_eq!(names, expected);
    assert!(!said.contains("elsewhere") && said.ends_with("no_proxy="), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_report_and_the_log_say_what_happened() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let policy = world.policy(&["allowed.test:PORT"])?;
    let backend = LocalBackend::new(Arc::clone(&world.confinement));
    let script = "socks allowed.test:PORT hello\nconnect other.test:PORT x";
    let running = backend.spawn(&policy, &world.request(script)?)?;
    let egress = running.process().egress().ok_or("no way out")?;
    let result = running.finish(Sink::Capture, Sink::Capture).await?;
    assert_eq!(result.report.egress, Some(Level::ProxyAwareOnly));
    let claim = result.report.enforced.get(&Feature::NetworkAllowList);
    let Some(Enforcement::Partial { gap, .. }) = claim else { panic!("{claim:?}") };
    assert!(gap.contains("port of the proxy"), "{gap}");
    // Each is recorded at its end, whichever comes first.
    let log = egress.log().recent();
    let mut told: Vec<_> = log.iter().map(|it| (&*it.host, it.verdict, it.bytes_up)).collect();
    told.sort_by_key(|(host, ..)| *host);
    assert_eq!(told, [("allowed.test", Verdict::Allow, 5), ("other.test", Verdict::Deny, 0)]);
    let denied = &result.network.as_ref().ok_or("nothing is told of the network")?.denied;
    assert_eq!(denied.len(), 1, "{denied:?}");
    Ok(())
}

async fn changes(in_session: bool) -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let listed = ["allowed.test:PORT"];
    let script = "hold-by-proxy allowed.test:PORT\nsocks allowed.test:PORT x\n\
                  socks other.test:PORT new\ntcp 127.0.0.1 PORT x";
    let plan = plan(&world, &listed, script)?;
    let room = if in_session { Some(session(&world, &listed)?) } else { None };
    let launched = match &room {
        Some(room) => room.start(&plan)?,
        None => world.confinement.launch(&plan)?,
    };
    let egress = room.as_ref().map_or_else(|| launched.process.egress(), |room| room.egress());
    let egress = egress.ok_or("no way out")?;
    let mut run = Run::new(launched);
    assert_eq!(run.next().await?, "hello");
    assert_eq!(egress.level(), Level::ProxyAwareOnly);
    let own = r#"{"host":"127.0.0.1:PORT","private":true}"#;
    egress.set_rules(&rules(&world, &["other.test:PORT", own])?)?;
    assert_eq!(run.next().await?, "ECONNRESET");
    assert_eq!(run.next().await?, "SOCKS [5, 2]");
    assert_eq!(run.next().await?, "new");
    assert_eq!(run.next().await?, "EACCES");
    run.process.wait().await?;
    let udp = egress.set_rules(&rules(&world, &["other.test:PORT/udp"])?);
    match room {
        None => assert!(udp.is_err()),
        Some(room) => {
            assert!(matches!(udp, Err(SandboxError::Unsupported { .. })), "{udp:?}");
            room.end().await?;
        }
    }
    let log = egress.log().recent();
    let ends: Vec<_> = log.iter().map(|it| (it.host.as_str(), it.verdict, it.end)).collect();
    assert!(ends.contains(&("allowed.test", Verdict::Allow, Some(End::Revoked))), "{ends:?}");
    assert!(egress.set_rules(&[]).is_err(), "a way out that has ended has no rules");
    Ok(())
}

#[tokio::test]
async fn rules_change_while_a_command_runs() -> Outcome {
    changes(false).await
}

#[tokio::test]
async fn rules_change_in_a_session() -> Outcome {
    changes(true).await
}

#[tokio::test]
async fn commands_of_a_session_share_the_proxy() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let listed = ["allowed.test:PORT"];
    let room = session(&world, &listed)?;
    let mut urls = Vec::new();
    for _ in 0..2 {
        let plan = plan(&world, &listed, "proxy\nsocks allowed.test:PORT hello")?;
        let mut run = Run::new(room.start(&plan)?);
        urls.push(run.next().await?);
        assert_eq!(run.next().await?, "hello");
        run.process.wait().await?;
        assert!(run.process.egress().is_none(), "it is the session's");
    }
    assert_eq!(urls[0], urls[1]);
    assert_eq!(room.egress().ok_or("no way out")?.log().total(), 2);
    room.end().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_proxy_has_no_means_for_is_refused_before_anything_starts() -> Outcome {
    let Some(world) = World::new(Means::Proxied)? else { return Ok(()) };
    let refused = world.say(&["allowed.test:53/udp"], "proxy").await;
    let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("UDP (allowed.test:53/udp)"), "{text:?}");
    let plan = plan(&world, &["allowed.test:PORT"], "proxy")?;
    let prepared = Prepared::new(plan, TierChoice::Landlock);
    assert!(matches!(prepared, Err(SandboxError::Unsupported { .. })), "{prepared:?}");
    let mut command = std::process::Command::new(world.program()?);
    let confined = sandbox_linux::confine(&mut command, &world.policy(&["allowed.test:PORT"])?);
    let refused = matches!(
        confined,
        Err(SandboxError::Unenforceable { feature: Feature::NetworkAllowList, .. })
    );
    assert!(refused, "{confined:?}");
    Ok(())
}
