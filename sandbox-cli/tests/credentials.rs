//! Secrets that stay outside: where they arrive, and where they do not.
#![cfg(all(target_os = "linux", feature = "mitm"))]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use support::sessions::Sessions;
use support::{Outcome, assert_refused, folder, run, sandbox, skip};
use tempfile::TempDir;

const SECRET: &str = "ghp_TheRealOneThatNobodyInsideMaySee0001";

/// A server of HTTPS on the loopback that answers each request with its head, for as long as the
/// test's process lives.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    /// With the root certificate that vouches for it, `root.pem`.
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let (root, config) = certified();
        let folder = folder();
        fs::write(folder.path().join("root.pem"), root).expect("the root");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = listener.local_addr().expect("its address").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, config) = (Arc::clone(&heads), Arc::new(config));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, config) = (Arc::clone(&seen), Arc::clone(&config));
                thread::spawn(move || {
                    let tls = ServerConnection::new(config).expect("a connection");
                    let mut tls = StreamOwned::new(tls, stream);
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && tls.read_exact(&mut byte).is_ok() {
                        head.push(byte[0]);
                    }
                    let text = String::from_utf8_lossy(&head).into_owned();
                    if !text.is_empty() {
                        let length = text.len();
                        let status = "HTTP/1.1 200 OK\r\nConnection: close";
                        let _ = write!(tls, "{status}\r\nContent-Length: {length}\r\n\r\n{text}");
                        seen.lock().expect("the heads").push(text);
                    }
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                });
            }
        });
        Self { port, heads, folder }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the heads").clone()
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The caller's own variables, by which it knows the secret and trusts the server.
    fn known<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("MY_TOKEN", SECRET).env("SSL_CERT_FILE", self.root())
    }

    /// The options that let a command ask it, with the credential.
    fn options(&self) -> [String; 4] {
        let rule = format!(r#"{{"host":"127.0.0.1:{}","private":true}}"#, self.port);
        let credential = format!("MY_TOKEN=127.0.0.1:{}", self.port);
        ["--allow-host".into(), rule, "--credential".into(), credential]
    }

    /// A script that asks it for a path, with a field.
    fn ask(&self, path: &str, field: &str) -> String {
        format!("curl -sS -m 20 -H \"{field}\" https://127.0.0.1:{}{path}", self.port)
    }

    fn run(&self, more: &[&str], script: &str) -> Outcome {
        let options = self.options();
        let words = ["run"].into_iter().chain(options.iter().map(String::as_str));
        let words = words.chain(more.iter().copied()).chain(["--", "/bin/sh", "-c", script]);
        run(self.known(&mut sandbox(words)))
    }
}

/// A root, and a server's certificate from it for the loopback's address.
fn certified() -> (String, ServerConfig) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).expect("a root").pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let leaf = params.signed_by(&own, &issuer).expect("a certificate").der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let key = PrivatePkcs8KeyDer::from(own.serialize_der()).into();
    (root, config.with_single_cert(vec![leaf], key).expect("a configuration"))
}

/// Whether credentials and their client are there; says why not.
fn able() -> bool {
    let answer = run(&mut sandbox(["doctor", "--json"])).json();
    let level = &answer["host_lists"]["level"];
    let able = level == "transparent" && Path::new("/usr/bin/curl").exists();
    if !able {
        skip(&format!("no lists of hosts, or no curl: {}", answer["host_lists"]));
    }
    able
}

/// Every file below a folder that holds the secret.
fn holding(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(holding(&entry.path())),
            Ok(kind) if kind.is_file() => {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                let held = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
                found.extend(held.then(|| entry.path()));
            }
            _ => {}
        }
    }
    found
}

const BEARER: &str = "Authorization: Bearer $MY_TOKEN";

#[test]
fn the_server_gets_the_secret_and_the_command_a_placeholder() {
    if !able() {
        return;
    }
    let (server, logs) = (Server::start(), folder());
    let log = logs.path().join("log");
    let script = format!(
        "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; {}",
        server.ask("/user", BEARER)
    );
    let outcome = server.run(&["--net-log", log.to_str().expect("text")], &script);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{}", outcome.text());
    let heads = server.heads();
    assert_eq!(heads.len(), 1);
    let sent = format!("Authorization: Bearer {SECRET}\r\n");
    assert!(
        heads[0].starts_with("GET /user HTTP/1.1\r\n") && heads[0].contains(&sent),
        "{heads:?}"
    );
    // Neither in a variable of any process, nor in the answer that has it.
    assert!(!outcome.text().contains(SECRET), "{}", outcome.text());
    let placeholder = outcome.text().lines().find_map(|line| line.strip_prefix("MY_TOKEN="));
    let placeholder = placeholder.expect("a placeholder");
    assert!(placeholder.starts_with("ghp_") && placeholder.len() == SECRET.len(), "{placeholder}");
    let echoed = format!("Authorization: Bearer {placeholder}");
    assert!(outcome.text().contains(&echoed), "{}", outcome.text());
    let line: Value =
        serde_json::from_str(&fs::read_to_string(&log).expect("the log")).expect("JSON");
    assert_eq!((&line["credentials"], &line["verdict"]), (&json!(["MY_TOKEN"]), &json!("allow")));
    assert_eq!(holding(logs.path()), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn a_placeholder_elsewhere_is_refused_and_told() {
    if !able() {
        return;
    }
    let server = Server::start();
    let script = server.ask("/?token=$MY_TOKEN", "X: y");
    let outcome = server.run(&["--json"], &script);
    let answer = outcome.json();
    assert_eq!(answer["network"]["denied"][0]["reason"], "credential_place");
    let said = answer["stdout"].to_string();
    assert!(said.contains("the placeholder of MY_TOKEN is in another place"), "{said}");
    assert!(!outcome.text().contains(SECRET), "{}", outcome.text());
    assert!(server.heads().is_empty());
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing() {
    if !able() {
        return;
    }
    let (server, other) = (Server::start(), Server::start());
    fs::copy(other.root(), server.root()).expect("another root");
    let outcome = server.run(&[], &server.ask("/", BEARER));
    assert!(outcome.stderr.contains("server_tls"), "{}", outcome.stderr);
    assert!(outcome.text().contains("TLS handshake with the server failed"), "{}", outcome.text());
    assert!(server.heads().is_empty());
}

#[test]
fn where_programs_can_pass_by_the_gateway_there_are_none() {
    if !able() {
        return;
    }
    let server = Server::start();
    let without = server.run(&["--backend", "landlock"], "echo started");
    assert_refused(&without, 125, &["linux-landlock", "credentials", "every program"]);
    let script = "echo \"${MY_TOKEN-none}\"";
    let lost = server.run(&["--backend", "landlock", "--enforcement", "best-effort"], script);
    assert_eq!(lost.text(), "none\n", "{}", lost.stderr);
    assert!(server.heads().is_empty());
}

#[test]
fn a_policy_file_names_a_secrets_file_methods_and_paths() {
    if !able() {
        return;
    }
    let (server, work) = (Server::start(), folder());
    let path = |name: &str| work.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("key"), format!("{SECRET}\n")).expect("the key");
    let (port, key) = (server.port, path("key"));
    let policy = format!(
        "preset = \"workspace\"\nworkspace = {:?}\n[network]\nmode = \"limited\"\n\
         allowed_hosts = [{{ host = \"127.0.0.1:{port}\", private = true }}]\n\
         [[network.credentials]]\nenv = \"API_KEY\"\nfrom = {{ file = {key:?} }}\n\
         hosts = [\"127.0.0.1:{port}\"]\nheader = \"X-Api-Key\"\nmethods = [\"GET\"]\n\
         paths = [\"/v1/*\"]\n",
        work.path()
    );
    fs::write(path("policy.toml"), policy).expect("the policy");
    let field = "X-Api-Key: $API_KEY";
    let asks = [server.ask("/v1/a", field), server.ask("/v2", field)].join("; ");
    let post = server.ask("/v1/a", field).replace("curl", "curl -X POST");
    let script = format!("cat {key}; ls -l; {asks}; {post}; printenv API_KEY");
    let words = ["run", "--policy", &path("policy.toml"), "--", "/bin/sh", "-c", &script];
    let outcome = run(server.known(&mut sandbox(words)));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.text().contains(SECRET), "{}", outcome.text());
    let heads = server.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(heads[0].contains(&format!("X-Api-Key: {SECRET}\r\n")), "{heads:?}");
    for said in ["for a path that it is not for", "with a method that it is not for"] {
        assert!(outcome.text().contains(said), "{}", outcome.text());
    }
}

#[test]
fn a_session_keeps_the_secret_and_so_do_its_forks() {
    if !able() {
        return;
    }
    let (server, sessions) = (Server::start(), Sessions::new());
    let options = server.options();
    let words = ["create"].into_iter().chain(options.iter().map(String::as_str));
    let words: Vec<&str> = words.collect();
    let made = run(server.known(&mut sessions.command(&words)));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let id = made.text().trim().to_owned();
    let fork = sessions.ok(&["fork", &id]);
    let mut seen = Vec::new();
    for id in [&id, &fork] {
        let said = sessions.sh(id, &format!("printenv MY_TOKEN; {}", server.ask("/", BEARER)));
        assert!(!said.contains(SECRET), "{said}");
        seen.push(said.lines().next().expect("a placeholder").to_owned());
    }
    assert_ne!(seen[0], seen[1], "each has its own");
    let heads = server.heads();
    assert_eq!(heads.len(), 2);
    assert!(heads.iter().all(|head| head.contains(SECRET)), "{heads:?}");
    for words in [
        &["show", &id, "--json"][..],
        &["network", &id, "--json"],
        &["network", &id, "--log", "--json"],
        &["list", "--json"],
    ] {
        let said = sessions.ok(words);
        assert!(!said.contains(SECRET), "{said}");
    }
    assert!(sessions.ok(&["network", &id, "--log", "--json"]).contains("\"MY_TOKEN\""));
    assert_eq!(holding(sessions.state()), [""; 0].map(std::path::PathBuf::from));
    // Other rules leave it as it is.
    sessions.ok(&["network", &id, "--set", "a.example"]);
    sessions.ok(&["network", &id, "--net", "none"]);
    sessions.ok(&["network", &id, "--allow", &options[1]]);
    sessions.sh(&id, &server.ask("/again", BEARER));
    assert!(server.heads()[2].contains(SECRET));
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_starts() {
    let refused = |options: &[&str], says: &[&str]| {
        let words = ["run"].iter().chain(options).chain(&["--", "echo", "started"]);
        let outcome = run(sandbox(words).env("MY_TOKEN", SECRET).env("SHORT", "hunter2"));
        assert_refused(&outcome, 125, says);
        assert!(!outcome.stderr.contains(SECRET) && !outcome.stderr.contains("hunter2"));
    };
    refused(&["--credential", "MY_TOKEN"], &["ENV=HOST"]);
    refused(&["--credential", "MY_TOKEN="], &["--credential"]);
    refused(&["--credential", "MY_TOKEN=*.a.org"], &["no single host"]);
    refused(&["--credential", "MY TOKEN=a.org"], &["letters, digits"]);
    refused(&["--credential", "MY_TOKEN=a.org", "--net", "none"], &["--credential contradict"]);
    refused(&["--credential", "MY_TOKEN=a.org", "--env", "MY_TOKEN"], &["passes MY_TOKEN"]);
    if able() {
        refused(&["--credential", "UNSET=a.org"], &["the variable UNSET is not set"]);
        refused(&["--credential", "SHORT=a.org"], &["7 bytes"]);
    }
    // Nothing is read to explain.
    let words = ["policy", "explain", "--credential", "UNSET=a.org,b.org:8443"];
    let explained = run(&mut sandbox(words));
    let said = explained.text();
    assert!(said.contains("a.org:443 b.org:8443 (with UNSET)"), "{said}");
}
