//! Hosts that a policy lists: what is reached, what is told of the rest, and how a session's change.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use support::sessions::Sessions;
use support::{Outcome, assert_refused, folder, run, sandbox, skip};

/// What the server answers everybody.
const BODY: &str = "the body";

/// A server of HTTP on the loopback, for as long as the test's process lives; its port.
fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut request = [0; 1024];
                // Who asks nothing is answered nothing.
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n{BODY}");
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    port
}

/// The rule that opens the server.
fn rule(port: u16) -> String {
    format!(r#"{{"host":"127.0.0.1:{port}","private":true}}"#)
}

/// A client that knows of no proxy: it prints the answer, or fails with 9.
fn client(port: u16) -> [String; 3] {
    let script = format!(
        "trap '' PIPE; exec 3<>/dev/tcp/127.0.0.1/{port} || exit 9\n\
         printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 || exit 9\n\
         answer=$(cat <&3) || exit 9\nprintf %s \"$answer\" | tail -n 1"
    );
    ["/bin/bash".into(), "-c".into(), script]
}

fn get(options: &[&str], port: u16) -> Outcome {
    let client = client(port);
    let words = ["run"].into_iter().chain(options.iter().copied()).chain(["--"]);
    run(&mut sandbox(words.chain(client.iter().map(String::as_str))))
}

/// Whether lists of hosts hold here; says why not.
fn lists() -> bool {
    let answer = run(&mut sandbox(["doctor", "--json"])).json();
    let level = &answer["host_lists"]["level"];
    let able = level == "transparent" && Path::new("/bin/bash").exists();
    if !able {
        skip(&format!("no lists of hosts, or no bash: {}", answer["host_lists"]));
    }
    able
}

fn lines(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).expect("the log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn a_listed_host_is_reached_and_each_decision_is_a_line() {
    if !lists() {
        return;
    }
    let (port, folder) = (server(), folder());
    let log = folder.path().join("log");
    let options = ["--allow-host", &rule(port), "--net-log", log.to_str().expect("text")];
    for runs in 1..=2 {
        let outcome = get(&options, port);
        assert_eq!((outcome.code, outcome.text()), (Some(0), BODY), "{}", outcome.stderr);
        assert_eq!(outcome.stderr, "");
        let lines = lines(&log);
        assert_eq!(lines.len(), runs, "{lines:?}");
        let line = &lines[runs - 1];
        assert_eq!((&line["verdict"], &line["port"]), (&json!("allow"), &json!(port)));
        assert!(line["bytes_down"].as_u64() > Some(8), "{line}");
    }
}

#[test]
fn a_refused_name_is_told_once() {
    if !lists() {
        return;
    }
    let folder = folder();
    let log = folder.path().join("log");
    let options = ["run", "--allow-host", "example.org", "--net-log", log.to_str().expect("text")];
    let client = ["--", "/bin/bash", "-c", "! : 2>/dev/null </dev/tcp/Elsewhere.example/80"];
    let outcome = run(&mut sandbox(options.into_iter().chain(client)));
    assert_eq!((outcome.code, outcome.text()), (Some(0), ""), "{}", outcome.stderr);
    let note = outcome.stderr.lines().last().expect("a note");
    assert!(note.ends_with("--allow-host elsewhere.example allows it"), "{note}");
    let lines = lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["verdict"], &lines[0]["port"]), (&json!("deny"), &json!(0)));
}

#[test]
fn a_denied_host_is_told() {
    if !lists() {
        return;
    }
    let (port, folder) = (server(), folder());
    let log = folder.path().join("log");
    let bare = format!("127.0.0.1:{port}");
    let options = ["--allow-host", &bare, "--net-log", log.to_str().expect("text")];
    let denied = get(&options, port);
    assert_eq!((denied.code, denied.text()), (Some(9), ""), "{}", denied.stderr);
    let note = denied.stderr.lines().last().expect("a note");
    // No rule is offered that opens the host's own loopback.
    assert_eq!(note, format!("sandbox: network: {bare} was denied: special_address"));
    let lines = lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["reason"]["code"], "special_address");

    let answer = get(&["--json", "--allow-host", &bare], port).json();
    assert_eq!(answer["exit_code"], 9);
    let network = &answer["network"];
    assert_eq!((&network["total"], &network["denied"][0]["port"]), (&json!(1), &json!(port)));
    assert_eq!(run(&mut sandbox(["run", "--json", "--", "true"])).json().get("network"), None);
}

#[test]
fn a_copied_workspace_tells_the_same() {
    if !lists() {
        return;
    }
    let (port, state, work) = (server(), folder(), folder());
    let bare = format!("127.0.0.1:{port}");
    let client = client(port);
    let path = work.path().to_str().expect("text");
    let words = ["run", "--overlay", "--workspace", path, "--json", "--allow-host", &bare, "--"];
    let words = words.into_iter().chain(client.iter().map(String::as_str));
    let outcome = run(sandbox(words).env("XDG_STATE_HOME", state.path()));
    if outcome.code == Some(125) && outcome.stderr.contains("overlay") {
        return skip(&outcome.stderr);
    }
    assert_eq!(outcome.json()["network"]["denied"][0]["port"], port, "{}", outcome.stderr);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_starts() {
    let refused = |options: &[&str], says: &[&str]| {
        let words = ["run"].iter().chain(options).chain(&["--", "echo", "started"]);
        assert_refused(&run(&mut sandbox(words)), 125, says);
    };
    refused(&["--allow-host", "https://a.org"], &["\"https://a.org\"", "without a scheme"]);
    refused(&["--allow-host", "a b"], &["--allow-host <RULE>", "\"a b\" is no host rule"]);
    refused(&["--allow-host", "a.org", "--net", "none"], &["contradict", "--net limited"]);
    refused(&["--allow-host", "a.org", "--net", "open"], &["contradict"]);
    refused(&["--net", "limited"], &["lists no host", "--allow-host HOST"]);
    let log = folder();
    let log = log.path().join("log");
    let path = log.to_str().expect("text");
    refused(&["--net-log", path], &["--net-log", "lists none"]);
    let work = log.parent().and_then(Path::to_str).expect("text");
    let options = ["--workspace", work, "--allow-host", "a.org", "--net-log", path];
    refused(&options, &["where the command may write", "keep it elsewhere"]);
    assert!(!log.exists());
}

fn in_session(sessions: &Sessions, id: &str, port: u16) -> Outcome {
    let client = client(port);
    let words = ["exec", id, "--"].into_iter().chain(client.iter().map(String::as_str));
    sessions.run(&words.collect::<Vec<_>>())
}

#[test]
fn the_rules_of_a_session_change_while_it_lives() {
    if !lists() {
        return;
    }
    let (sessions, port, folder) = (Sessions::new(), server(), folder());
    let (rule, bare) = (rule(port), format!("127.0.0.1:{port}"));
    let log = folder.path().join("log");
    let id = sessions.create(&["--allow-host", &rule, "--net-log", log.to_str().expect("text")]);
    assert_eq!(in_session(&sessions, &id, port).text(), BODY);
    sessions.ok(&["network", &id, "--deny", &bare]);
    assert_eq!(in_session(&sessions, &id, port).code, Some(9));
    assert!(sessions.ok(&["network", &id]).contains("none"));
    let again = sessions.run(&["network", &id, "--deny", &bare]);
    assert_refused(&again, 125, &["the session has no such rule", "its rules are: none"]);
    sessions.ok(&["network", &id, "--allow", "b.example", "--allow", &rule]);
    assert_eq!(in_session(&sessions, &id, port).text(), BODY);
    let shown = sessions.run(&["network", &id, "--json"]).json();
    assert_eq!(shown["policy"]["allowed_hosts"][0], "b.example");
    assert_eq!((&shown["level"]["level"], &shown["total"]), (&json!("transparent"), &json!(2)));
    assert_eq!(shown["features"]["network_allow_list"]["state"], "full");
    sessions.ok(&["network", &id, "--set", &bare]);
    assert_eq!(in_session(&sessions, &id, port).code, Some(9));
    assert!(sessions.ok(&["network", &id]).contains("special_address"));
    let all = sessions.ok(&["network", &id, "--log", "--json"]);
    let told: Vec<Value> = all.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    let verdicts: Vec<_> = told.iter().map(|it| it["verdict"].as_str().expect("text")).collect();
    assert_eq!(verdicts, ["allow", "allow", "deny"]);
    assert!(told.iter().all(|it| it["session"] == id.as_str()), "{told:?}");
    assert_eq!(lines(&log), told);
    assert_eq!(sessions.ok(&["network", &id, "--log"]).lines().count(), 4);
}

#[test]
fn a_session_tells_what_it_was_not_made_for_and_forks_have_its_rules() {
    if !lists() {
        return;
    }
    let (sessions, port) = (Sessions::new(), server());
    let rule = rule(port);
    let without = sessions.create(&[]);
    let refused = sessions.run(&["network", &without, "--allow", &rule]);
    assert_refused(&refused, 125, &["made without any", "make a new session"]);
    let id = sessions.create(&["--allow-host", "a.example"]);
    let refused = sessions.run(&["network", &id, "--net", "unrestricted"]);
    assert_refused(&refused, 125, &["made without it", "make a new session"]);
    sessions.ok(&["suspend", &id]);
    sessions.ok(&["network", &id, "--set", &rule]);
    sessions.ok(&["resume", &id]);
    let fork = sessions.ok(&["fork", &id]);
    for id in [&id, &fork] {
        assert_eq!(in_session(&sessions, id, port).text(), BODY);
        assert!(sessions.ok(&["show", id]).contains(&format!("127.0.0.1:{port}")));
    }
}

#[test]
fn a_log_stays_out_of_a_sessions_reach() {
    if !lists() {
        return;
    }
    let (sessions, folder) = (Sessions::new(), folder());
    let log = folder.path().join("log");
    let (log, around) = (log.to_str().expect("text"), folder.path().to_str().expect("text"));
    let options = ["--allow-host", "a.example", "--net-log", log];
    let within = [&["create"], &options[..], &["--mount-rw", around, "/in"]].concat();
    assert_refused(&sessions.run(&within), 125, &["where the command may write"]);
    let id = sessions.create(&options);
    let late = sessions.run(&["mount", &id, "rw", around, "/in"]);
    assert_refused(&late, 125, &["where the command may write"]);
    sessions.ok(&["mount", &id, "ro", around, "/in"]);
}

/// Scripts and pages are made from the same definitions.
#[test]
fn shells_and_pages_know_the_options() {
    let says = |command: &mut Command, words: &[&str]| {
        let outcome = run(command);
        for word in words {
            assert!(outcome.text().replace('\\', "").contains(word), "{word}: {}", outcome.text());
        }
    };
    let options = ["allow-host", "net-log", "limited", "credential"];
    says(&mut sandbox(["completions", "bash"]), &options);
    says(&mut sandbox(["completions", "zsh"]), &options);
    says(&mut sandbox(["run", "--help"]), &options);
    says(&mut sandbox(["session", "network", "--help"]), &["--allow", "--deny", "--set", "--log"]);
    let folder = folder();
    assert_eq!(run(sandbox(["man"]).arg(folder.path())).code, Some(0));
    let page = fs::read_to_string(folder.path().join("sandbox-run.1")).expect("the page");
    assert!(options.iter().all(|word| page.replace('\\', "").contains(word)), "{page}");
}

#[test]
fn doctor_and_explain_tell_of_lists() {
    let doctor = run(&mut sandbox(["doctor", "--json"])).json();
    let level = doctor["host_lists"]["level"].as_str().expect("a level");
    assert!(["transparent", "proxy_aware_only", "unsupported"].contains(&level), "{level}");
    assert!(run(&mut sandbox(["doctor"])).text().contains("where a policy lists hosts"));
    let words =
        ["policy", "explain", "--allow-host", "*.Example.org:8443", "--allow-host", "b.org"];
    let explained = run(&mut sandbox(words));
    assert!(explained.text().contains("*.example.org:8443 b.org"), "{}", explained.text());
}
