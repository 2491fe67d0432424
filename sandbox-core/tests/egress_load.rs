//! The gateway under load, as a process of its own: many connections at once, what they cost, and
//! what happens when descriptors run out. The test executes itself as the gateway.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what helpers of tests cannot do fails the test")]
#![expect(clippy::print_stdout, reason = "the two processes talk by lines")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_core::egress::Rules;
use sandbox_core::egress::gateway::{Gateway, Mode};
use sandbox_core::policy::network::HostRule;

const ROLE: &str = "SANDBOX_TEST_GATEWAY_TO";
const DESCRIPTORS: &str = "SANDBOX_TEST_DESCRIPTORS";

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
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let ask = [&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1][..], &server.to_be_bytes()].concat();
        client.write_all(&ask).unwrap();
        client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// What the gateway's process does.
fn gateway(server: &str) {
    limit_descriptors(std::env::var(DESCRIPTORS).ok().map(|count| count.parse().unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rule: HostRule = format!("127.0.0.1:{server}").parse().unwrap();
    let gateway = Gateway::setup("load", Rules::new(&[rule.private(true)])).start();
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
