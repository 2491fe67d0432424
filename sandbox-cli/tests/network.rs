//! Hosts that a policy lists: what is reached, what is told of the rest, and how a session's change.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
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
    let denied = in_session(&sessions, &id, port);
    assert_eq!(denied.code, Some(9));
    let why = format!("sandbox: network: {bare} was denied: special_address\n");
    assert!(denied.stderr.contains(&why), "{}", denied.stderr);
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
fn rules_that_are_changed_at_once_are_all_kept() {
    const ROUNDS: usize = 12;
    if !lists() {
        return;
    }
    let sessions = Sessions::new();
    let id = sessions.create(&["--allow-host", "a.example"]);
    std::thread::scope(|scope| {
        for writer in ["b", "c"] {
            let (sessions, id) = (&sessions, &id);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    sessions.ok(&["network", id, "--allow", &format!("{writer}{round}.example")]);
                }
            });
        }
    });
    let shown = sessions.run(&["network", &id, "--json"]).json();
    let rules = shown["policy"]["allowed_hosts"].as_array().expect("rules");
    assert_eq!(rules.len(), 1 + 2 * ROUNDS, "{rules:?}");
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

/// A client that heeds the proxy's variables.
fn by_proxy(port: u16) -> [String; 3] {
    let script = format!(
        "trap '' PIPE; url=${{http_proxy#http://}}; place=${{url#*@}}\n\
         key=$(printf %s \"${{url%@*}}\" | base64 -w0)\n\
         exec 3<>/dev/tcp/${{place%:*}}/${{place#*:}} || exit 9\n\
         printf 'GET http://127.0.0.1:{port}/ HTTP/1.0\\r\\nProxy-Authorization: Basic %s\\r\\n\\r\\n' \
         $key >&3\nanswer=$(cat <&3)\nprintf %s \"$answer\" | tail -n 1"
    );
    ["/bin/bash".into(), "-c".into(), script]
}

/// Whether a proxy can be kept to here, without namespaces.
fn proxies() -> bool {
    let options = ["policy", "explain", "--backend", "landlock", "--allow-host", "a.example"];
    let explained = run(&mut sandbox(options));
    let able = explained.text().contains("connect to the TCP port of the proxy");
    if !able || !Path::new("/bin/bash").exists() {
        skip("no rules on ports, or no bash");
        return false;
    }
    true
}

#[test]
fn without_namespaces_a_proxy_leads_to_what_is_listed() {
    if !proxies() {
        return;
    }
    let port = server();
    let rule = rule(port);
    let options = ["run", "--backend", "landlock", "--allow-host", &rule, "--"];
    let try_it = |client: [String; 3]| {
        run(&mut sandbox(options.into_iter().chain(client.iter().map(String::as_str))))
    };
    let outcome = try_it(by_proxy(port));
    assert_eq!((outcome.code, outcome.text()), (Some(0), BODY), "{}", outcome.stderr);
    assert_eq!(try_it(client(port)).code, Some(9), "it passes the proxy by");
    let other = server();
    let outcome = try_it(by_proxy(other));
    assert_ne!(outcome.text(), BODY);
    let note = format!("127.0.0.1:{other} was denied");
    assert!(outcome.stderr.contains(&note), "{}", outcome.stderr);
}

#[test]
fn a_level_that_is_demanded_and_not_reached_is_refused() {
    if !proxies() {
        return;
    }
    let options = ["--backend", "landlock", "--allow-host", "a.example", "--net-level"];
    let demand = |level: &str, more: &[&str]| {
        let words = ["run"].into_iter().chain(options).chain([level]).chain(more.iter().copied());
        run(&mut sandbox(words.chain(["--", "true"])))
    };
    assert_eq!(demand("proxy-aware", &[]).code, Some(0));
    for more in [&[][..], &["--enforcement", "best-effort"]] {
        let refused = demand("transparent", more);
        assert_refused(&refused, 125, &["the level transparent", "--net-level"]);
    }
    let refused = run(&mut sandbox(["run", "--net-level", "transparent", "--", "true"]));
    assert_refused(&refused, 125, &["there is none"]);
    let words =
        ["policy", "explain"].into_iter().chain(options).chain(["transparent", "--", "true"]);
    let explained = run(&mut sandbox(words));
    let says = explained.text();
    assert!(says.contains("only programs that heed proxy variables"), "{says}");
    assert!(says.contains("Refused") && says.contains("the level transparent"), "{says}");
    let words = ["run", "--json"].into_iter().chain(options).chain(["proxy-aware", "--", "true"]);
    let told = run(&mut sandbox(words)).json();
    assert_eq!(told["report"]["egress"]["level"], "proxy_aware_only");
}

#[test]
fn the_rules_of_a_session_without_namespaces_change_too() {
    if !proxies() {
        return;
    }
    let (sessions, port) = (Sessions::new(), server());
    let rule = rule(port);
    let id = sessions.create(&["--backend", "landlock", "--allow-host", &rule]);
    let answer = || {
        let client = by_proxy(port);
        let words = ["exec", &id, "--"].into_iter().chain(client.iter().map(String::as_str));
        sessions.run(&words.collect::<Vec<_>>()).text().to_owned()
    };
    assert_eq!(answer(), BODY);
    let shown = sessions.run(&["network", &id, "--json"]).json();
    assert_eq!(shown["level"]["level"], "proxy_aware_only");
    sessions.ok(&["network", &id, "--net", "none"]);
    assert_ne!(answer(), BODY);
    sessions.ok(&["network", &id, "--allow", &rule]);
    assert_eq!(answer(), BODY);
    assert_eq!(sessions.run(&["network", &id, "--json"]).json()["total"], 3);
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
