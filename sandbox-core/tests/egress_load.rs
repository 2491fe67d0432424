//! The gateway under load, as a process of its own: many connections at once, what they cost, and
//! what happens when descriptors run out. The test executes itself as the gateway.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what helpers of tests cannot do fails the test")]
#![expect(clippy::print_stdout, reason = "the two processes talk by lines")]

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_core::egress::decision::{Ask, Decision, End};
use sandbox_core::egress::dial::{DialError, Dialler};
use sandbox_core::egress::gateway::{Gateway, Mode};
use sandbox_core::egress::own::{Own, SystemAddresses};
use sandbox_core::egress::resolve::{Resolver, StaticResolver};
use sandbox_core::egress::{HostName, Protocol, Rules};
use sandbox_core::policy::network::HostRule;

const ROLE: &str = "SANDBOX_TEST_GATEWAY_TO";
const DESCRIPTORS: &str = "SANDBOX_TEST_DESCRIPTORS";
const NAME: &str = "server.example";

/// Lets this process have as many descriptors as it may, or so many.
fn limit_descriptors(count: Option<u64>) {
    let now = getrlimit(Resource::Nofile);
    let current = count.or(now.maximum);
    setrlimit(Resource::Nofile, Rlimit { current, maximum: now.maximum }).unwrap();
}

/// A gateway in a process of its own, whose proxy leads to one port of loopback.
struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Process {
    fn start(test: &str, server: u16, descriptors: Option<u64>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env(ROLE, server.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(count) = descriptors {
            command.env(DESCRIPTORS, count.to_string());
        }
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, orders, answers, port: 0 };
        process.port = process.answer("port").parse().unwrap();
        process
    }

    /// The rest of the next line that begins with this word.
    fn answer(&mut self, word: &str) -> String {
        let mut line = String::new();
        while self.answers.read_line(&mut line).unwrap() > 0 {
            // The harness writes in front of the first line.
            if let Some((_, rest)) = line.split_once(&format!("={word} ")) {
                return rest.trim().to_owned();
            }
            line.clear();
        }
        panic!("the gateway has ended");
    }

    fn ask(&mut self, word: &str) -> String {
        writeln!(self.orders.as_mut().unwrap(), "{word}").unwrap();
        self.answer(word)
    }

    /// A client that has asked for the server; what comes of it is not awaited.
    fn client(&self, server: u16) -> TcpStream {
        let ask = [&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1][..], &server.to_be_bytes()].concat();
        self.client_that_says(&ask)
    }

    /// The same by the server's name.
    fn client_by_name(&self, server: u16) -> TcpStream {
        let name = [&[5, 1, 0, 5, 1, 0, 3, NAME.len() as u8][..], NAME.as_bytes()].concat();
        self.client_that_says(&[&name[..], &server.to_be_bytes()].concat())
    }

    fn client_that_says(&self, ask: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client.write_all(ask).unwrap();
        client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// Takes descriptors for a while to answer, as resolvers do.
#[derive(Debug)]
struct Needy;

#[async_trait]
impl Resolver for Needy {
    async fn lookup(&self, _: &HostName) -> io::Result<Vec<IpAddr>> {
        let _files = [File::open("/dev/null")?, File::open("/dev/null")?];
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// Asks the system about an address that nobody has in the place of each that it is asked about.
#[derive(Debug, Default)]
struct Elsewhere(SystemAddresses);

impl Own for Elsewhere {
    fn is_own(&self, _: IpAddr) -> io::Result<bool> {
        self.0.is_own([192, 0, 2, 1].into())
    }
}

fn private(rule: &str) -> HostRule {
    rule.parse::<HostRule>().unwrap().private(true)
}

/// What the gateway's process does.
fn gateway(server: &str) {
    limit_descriptors(std::env::var(DESCRIPTORS).ok().map(|count| count.parse().unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rules = [NAME, "127.0.0.1"].map(|host| private(&format!("{host}:{server}")));
    let dialler = Dialler::default().resolver(Needy).own(Elsewhere::default());
    let gateway = Gateway::setup("load", Rules::new(&rules)).dialler(dialler).start();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        println!("=port {}", listener.local_addr().unwrap().port());
        gateway.serve(listener, Mode::Proxy);
        let (sender, mut orders) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for order in io::stdin().lines() {
                let _ = sender.send(order.unwrap());
            }
        });
        while let Some(order) = orders.recv().await {
            let answer = match &*order {
                "open" => gateway.open().to_string(),
                "total" => gateway.log().total().to_string(),
                "decisions" => serde_json::to_string(&gateway.log().recent()).unwrap(),
                _ => std::fs::read_to_string("/proc/self/statm").unwrap_or_default(),
            };
            println!("={order} {answer}");
        }
    });
}

/// The confirmation of SOCKS, if the client got it.
fn confirmed(client: &mut TcpStream) -> bool {
    let mut reply = [0; 12];
    client.read_exact(&mut reply).is_ok() && reply[..4] == [5, 0, 5, 0]
}

/// Sends to a server and back through the gateway.
fn exchange(client: &mut TcpStream, server: &mut TcpStream) -> bool {
    let mut bytes = [0; 4];
    client.write_all(b"*1\r\n").is_ok()
        && server.read_exact(&mut bytes).is_ok()
        && server.write_all(&bytes).is_ok()
        && client.read_exact(&mut bytes).is_ok()
        && &bytes == b"*1\r\n"
}

#[test]
fn five_hundred_connections_at_once_cost_little() {
    if let Ok(server) = std::env::var(ROLE) {
        return gateway(&server);
    }
    limit_descriptors(None);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap().port();
    let test = "five_hundred_connections_at_once_cost_little";
    let mut process = Process::start(test, server, None);
    let resident = |process: &mut Process| {
        let pages = process.ask("memory").split(' ').nth(1).map(|pages| pages.parse::<usize>());
        pages.map(|pages| pages.unwrap() * rustix::param::page_size())
    };
    let mut pairs = Vec::new();
    let mut before = None;
    for number in 0..500 {
        let mut client = process.client(server);
        assert!(confirmed(&mut client), "connection {number}");
        let mut accepted = listener.accept().unwrap().0;
        assert!(exchange(&mut client, &mut accepted), "connection {number}");
        pairs.push((client, accepted));
        if number == 99 {
            before = resident(&mut process);
        }
    }
    // Four hundred more than when it was measured first.
    let after = resident(&mut process);
    if let (Some(before), Some(after)) = (before, after) {
        let grown = after.saturating_sub(before);
        println!("400 connections take {} KiB", grown >> 10);
        assert!(grown < 6 << 20, "400 connections take {grown} bytes");
    }
    for (client, accepted) in &mut pairs {
        assert!(exchange(client, accepted));
        client.shutdown(Shutdown::Write).unwrap();
    }
    drop(pairs);
    for _ in 0..2000 {
        if process.ask("open") == "0" {
            assert_eq!(process.ask("total"), "500");
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("connections stay open");
}

#[test]
fn without_descriptors_new_connections_wait() {
    if let Ok(server) = std::env::var(ROLE) {
        return gateway(&server);
    }
    limit_descriptors(None);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap().port();
    let mut process = Process::start("without_descriptors_new_connections_wait", server, Some(32));
    let mut clients: Vec<_> = (0..60).map(|_| process.client(server)).collect();
    let mut kept = clients.remove(0);
    assert!(confirmed(&mut kept), "the first one is served");
    let mut accepted = listener.accept().unwrap().0;
    assert!(exchange(&mut kept, &mut accepted));
    // The rest is served, refused or waits; the first one does not notice.
    for _ in 0..20 {
        assert!(exchange(&mut kept, &mut accepted));
        assert!(process.ask("open").parse::<usize>().unwrap() < 60);
    }
    drop(clients);
    std::thread::spawn(move || listener.incoming().for_each(drop));
    for _ in 0..2000 {
        if confirmed(&mut process.client(server)) {
            assert!(exchange(&mut kept, &mut accepted));
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody is served any more");
}

#[test]
fn a_burst_without_descriptors_is_served_or_told_why_not() {
    if let Ok(server) = std::env::var(ROLE) {
        return gateway(&server);
    }
    limit_descriptors(None);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap().port();
    let test = "a_burst_without_descriptors_is_served_or_told_why_not";
    let mut process = Process::start(test, server, Some(40));
    // Answers when the client has said something.
    std::thread::spawn(move || {
        for accepted in listener.incoming() {
            let mut accepted = accepted.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 4];
                let _ = accepted.read_exact(&mut bytes).and_then(|()| accepted.write_all(&bytes));
            });
        }
    });
    let mut served = 0;
    for _ in 0..5 {
        let clients: Vec<_> = (0..100).map(|_| process.client_by_name(server)).collect();
        for mut client in clients {
            let mut bytes = [0; 4];
            served += usize::from(
                confirmed(&mut client)
                    && client.write_all(b"*1\r\n").is_ok()
                    && client.read_exact(&mut bytes).is_ok(),
            );
        }
    }
    for _ in 0..2000 {
        if process.ask("open") == "0" && process.ask("total") == "500" {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((&*process.ask("open"), &*process.ask("total")), ("0", "500"));
    let decisions: Vec<Decision> = serde_json::from_str(&process.ask("decisions")).unwrap();
    for decision in &decisions {
        let reason = decision.reason.as_ref().map(|reason| reason.code().to_owned());
        let told = reason.as_deref() == Some("no_descriptors");
        assert!(told || decision.end == Some(End::Closed), "{decision:?}");
    }
    println!("{served} of 500 were served");
    assert!(served >= 100, "{served}");
}

#[test]
fn without_descriptors_no_address_is_taken_for_the_hosts() {
    if std::env::var(ROLE).is_err() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "without_descriptors_no_address_is_taken_for_the_hosts"]);
        let ended = command.env(ROLE, "0").output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rule = private(NAME);
    let rules = Rules::new(std::slice::from_ref(&rule));
    let target = NAME.parse().unwrap();
    let ask = Ask { target, port: 443, protocol: Protocol::Tcp };
    // Addresses that a private rule opens unless they are the host's.
    let addresses: [IpAddr; 2] = [[192, 0, 2, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()];
    for address in addresses {
        let resolver = StaticResolver::default().with(NAME.parse().unwrap(), [address]);
        let dialler = Dialler::default().resolver(resolver).deadline(Duration::from_millis(50));
        let judged = || runtime.block_on(dialler.addresses(&rules, &rule, &ask));
        limit_descriptors(Some(40));
        let mut all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let denied = judged();
        all.pop();
        let allowed = judged();
        all.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        let again = judged();
        drop(all);
        let Err(DialError::Denied(reason)) = denied else { panic!("{denied:?}") };
        assert_eq!(reason.code(), "no_descriptors");
        // A system without IPv6 cannot tell whose such an address is.
        if allowed.is_ok() || address.is_ipv4() {
            assert_eq!(allowed.unwrap(), [(address, 443).into()]);
            assert_eq!(again.unwrap(), [(address, 443).into()], "the question took a descriptor");
        }
    }
}
