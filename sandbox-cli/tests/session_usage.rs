//! `sandbox session` with arguments that cannot be meant: one clear error, exit code 125, and no
//! session is looked for. And the help, which is the manual as well.
#![cfg(unix)]

mod support;

use support::{Outcome, assert_refused, folder, run, sandbox};

/// The subcommands, each with arguments that it accepts.
const COMMANDS: [&[&str]; 26] = [
    &["create"],
    &["list"],
    &["show", "s"],
    &["exec", "s", "--", "true"],
    &["spawn", "s", "--", "true"],
    &["tasks", "s"],
    &["logs", "s", "t1"],
    &["attach", "s", "t1"],
    &["wait", "s", "t1"],
    &["kill", "s", "t1"],
    &["cp", "s:/a", "b"],
    &["mount", "s", "scratch", "/a"],
    &["network", "s"],
    &["port", "s"],
    &["snapshot", "s", "n"],
    &["snapshots", "s"],
    &["restore", "s", "n"],
    &["fork", "s"],
    &["diff", "s"],
    &["apply", "s"],
    &["discard", "s"],
    &["suspend", "s"],
    &["resume", "s"],
    &["stats", "s"],
    &["rm", "s"],
    &["reap"],
];

/// Runs where there are no sessions.
fn session(args: &[&str]) -> Outcome {
    let state = folder();
    run(sandbox(["session"].iter().chain(args)).env("XDG_STATE_HOME", state.path()))
}

#[track_caller]
fn refused(args: &[&str], says: &[&str]) {
    assert_refused(&session(args), 125, says);
}

#[test]
fn every_subcommand_has_help() {
    let all = session(&["--help"]);
    for command in COMMANDS {
        assert!(all.text().contains(&format!("\n  {} ", command[0])), "{command:?}");
        let help = session(&[command[0], "--help"]);
        assert_eq!(help.code, Some(0), "{}", help.stderr);
        let usage = format!("Usage: sandbox session {}", command[0]);
        assert!(help.text().contains(&usage), "{}", help.text());
    }
}

#[test]
fn every_subcommand_but_attach_speaks_json() {
    for command in COMMANDS {
        let refused = session(&[&[command[0], "--json", "--nonsense"], &command[1..]].concat());
        let help = session(&[command[0], "--help"]);
        assert_eq!(help.text().contains("--json"), command[0] != "attach", "{command:?}");
        assert_eq!(refused.json()["error"]["kind"], "usage", "{command:?}");
    }
}

#[test]
fn a_session_that_does_not_exist_is_named() {
    let others = ["create", "list", "reap"];
    for command in COMMANDS.iter().filter(|command| !others.contains(&command[0])) {
        let outcome = session(command);
        assert_refused(&outcome, 125, &["no session s", "sandbox session list"]);
        if command[0] != "attach" {
            let outcome = session(&[&[command[0], "--json"], &command[1..]].concat());
            assert_eq!(outcome.json()["error"]["kind"], "session_not_found", "{command:?}");
            assert_eq!(outcome.code, Some(125));
        }
    }
}

#[test]
fn short_names_are_known() {
    for (short, long) in [("ls", "list"), ("ps", "tasks")] {
        let (short, long) = (session(&[short, "--help"]), session(&[long, "--help"]));
        assert_eq!((short.code, short.text()), (Some(0), long.text()));
    }
}

#[test]
fn without_sessions_the_list_is_empty() {
    assert_eq!(session(&["list"]).text().lines().count(), 1);
    assert_eq!(session(&["list", "--json", "--label", "a=b"]).json(), serde_json::json!([]));
    assert_eq!(session(&["rm", "--all", "--json"]).json(), serde_json::json!({"ended": []}));
}

#[test]
fn identifiers_and_names() {
    refused(&["show", "A"], &["\"A\"", "lower-case"]);
    refused(&["show", "../a"], &["\"../a\""]);
    refused(&["create", "--id", "a.b"], &["--id", "\"a.b\""]);
    refused(&["logs", "s", "1"], &["\"1\"", "\"t1\""]);
    refused(&["snapshot", "s", "a/b"], &["\"a/b\"", "slashes"]);
    refused(&["show"], &["<ID>"]);
    refused(&["rm"], &["ID"]);
    refused(&["rm", "s", "--all"], &["--all"]);
    refused(&["fork", "s", "--count", "0"], &["--count", "at least 1"]);
}

#[test]
fn labels_and_times() {
    refused(&["create", "--label", "x"], &["--label", "NAME=VALUE"]);
    refused(&["create", "--label", "x=1", "--label", "x=2"], &["--label", "\"x\"", "help:"]);
    refused(&["create", "--metadata", "=1"], &["--metadata", "NAME=VALUE"]);
    refused(&["list", "--label", "x"], &["--label", "NAME=VALUE"]);
    refused(&["create", "--ttl", "30"], &["--ttl", "1m30s"]);
    refused(&["create", "--ttl", "0s"], &["--ttl 0s", "help:"]);
    refused(&["create", "--idle", "0s"], &["--idle 0s", "help:"]);
    refused(&["create", "--on-idle", "suspend"], &["--idle"]);
    refused(&["create", "--idle", "1m", "--on-idle", "sleep"], &["terminate"]);
    refused(&["create", "--command-idle", "0s"], &["idle"]);
}

#[test]
fn mounts_of_a_new_session() {
    refused(&["create", "--overlay"], &["--overlay", "--workspace"]);
    refused(&["create", "--mount-copy", "/a"], &["--mount-copy", "2 values"]);
    refused(&["create", "--mount-ro", "/usr", "w"], &["--mount-ro w", "absolute"]);
    refused(&["create", "--mount-tmpfs", "/a", "much"], &["--mount-tmpfs", "512M"]);
    refused(&["create", "--mount-scratch", ""], &["--mount-scratch", "empty"]);
    let twice = ["create", "--mount-ro", "/usr", "/w", "--mount-scratch", "/w/"];
    refused(&twice, &["--mount-ro and --mount-scratch", "/w"]);
}

#[test]
fn what_belongs_to_a_command_is_not_a_new_sessions() {
    refused(&["create", "--cwd", "/tmp"], &["--cwd", "sandbox session exec"]);
    refused(&["create", "--env", "=x"], &["variable"]);
    refused(&["create", "--preset", "developer"], &["--workspace"]);
}

#[test]
fn commands_in_a_session() {
    refused(&["exec", "s"], &["COMMAND"]);
    refused(&["spawn", "s", "--"], &["COMMAND"]);
    refused(&["exec", "s", "--cwd", "rel", "--", "true"], &["--cwd rel", "absolute"]);
    refused(&["exec", "s", "--env", "A", "--", "true"], &["--env A", "NAME=VALUE"]);
    refused(&["exec", "s", "--read", "/usr", "--", "true"], &["--read"]);
    refused(&["spawn", "s", "--size", "24x80", "--", "true"], &["--terminal"]);
    refused(&["spawn", "s", "-t", "--size", "24", "--", "true"], &["ROWSxCOLUMNS", "24x80"]);
    refused(&["kill", "s", "t1", "--signal", "NONSENSE"], &["--signal", "TERM"]);
    refused(&["attach", "s", "t1", "--detach-keys", "alt-x"], &["--detach-keys", "ctrl-p,ctrl-q"]);
}

#[test]
fn mounts_networks_and_ports_of_a_session() {
    refused(&["mount", "s", "disk", "/a"], &["copy", "scratch"]);
    refused(&["mount", "s", "ro", "/a"], &["SOURCE and TARGET", "help:"]);
    refused(&["mount", "s", "scratch", "/a", "/b"], &["TARGET alone"]);
    refused(&["mount", "s", "tmpfs", "/a", "b"], &["512M"]);
    refused(&["network", "s", "--net", "some"], &["--net", "none"]);
    refused(&["network", "s", "--show", "--net", "none"], &["--show"]);
    refused(&["port", "s", "publish"], &["PORT"]);
    refused(&["port", "s", "publish", "0"], &["65535"]);
    refused(&["port", "s", "unpublish", "80:81"], &["unpublish 80"]);
    refused(&["port", "s", "list", "80"], &["list takes no port"]);
}

#[test]
fn copies_without_a_clear_direction() {
    refused(&["cp", "a", "b"], &["no side", "ID:/absolute/path"]);
    refused(&["cp", "s:/a", "t:/b"], &["both sides", "help:"]);
    refused(&["cp", "s:a", "b"], &["absolute"]);
    refused(&["cp", "A:/a", "b"], &["\"A\"", "./A:/a"]);
    refused(&["cp", "./a:b", "./c:d"], &["no side"]);
    refused(&["cp", "/nonexistent/x", "s:/a"], &["/nonexistent/x", "No such file"]);
}

#[test]
fn a_name_is_never_printed_raw() {
    for args in [
        &["show", "a\u{1b}[31m\r"][..],
        &["cp", "a\u{1b}[31m\r:/a", "b"],
        &["exec", "s", "--cwd", "a\u{1b}[31m\r", "--", "true"],
        &["create", "--label", "a\u{1b}[31m\r=1", "--label", "a\u{1b}[31m\r=2"],
        &["mount", "s", "tmpfs", "/a", "a\u{1b}[31m\r"],
    ] {
        let outcome = session(args);
        assert_refused(&outcome, 125, &[]);
        // Where no terminal is, escape sequences are taken out in any case; the rest is not.
        assert!(!outcome.stderr.contains(['\u{1b}', '\r']), "{:?}", outcome.stderr);
    }
}
