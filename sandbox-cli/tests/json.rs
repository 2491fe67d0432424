//! `--json`: one object with everything, and the same exit code as without it.
#![cfg(unix)]

mod support;

use serde_json::{Value, json};
use support::{run, run_with_input, sandbox, shell};

#[test]
fn text_is_text() {
    needs_launch!();
    let outcome = run(&mut shell(&["--json"], "printf 'a\"\\n\\tö'; printf err >&2; exit 7"));
    let answer = outcome.json();
    assert_eq!(outcome.code, Some(7));
    assert_eq!(answer["exit_code"], 7);
    assert_eq!(answer["exit"], json!({"code": 7}));
    assert_eq!(answer["timed_out"], false);
    assert_eq!(answer["truncated"], false);
    assert_eq!(answer["stdout"], "a\"\n\tö");
    assert_eq!(answer["stderr"], "err");
    assert!(answer["elapsed_ms"].is_u64());
    for name in ["cpu_ms", "memory_peak_bytes", "written_bytes"] {
        assert!(answer["usage"].get(name).is_some(), "{name}");
    }
    assert!(answer["denials"]["source"].is_string());
    assert!(answer["report"]["tier"].is_string());
    assert!(answer["report"]["gaps"].is_array());
    assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
    assert_eq!(outcome.text().lines().count(), 1);
}

#[test]
fn bytes_that_are_no_text_are_base64() {
    needs_launch!();
    let answer = run(&mut shell(&["--json"], "printf 'a\\377'; printf '\\376' >&2")).json();
    assert_eq!(answer["stdout_base64"], "Yf8=");
    assert_eq!(answer["stderr_base64"], "/g==");
    assert_eq!((answer.get("stdout"), answer.get("stderr")), (None, None));
}

#[test]
fn a_limit_is_told() {
    needs_launch!();
    let outcome = run(&mut shell(&["--json", "--wall", "300ms"], "echo begun; sleep 60"));
    let answer = outcome.json();
    assert_eq!(outcome.code, Some(124));
    assert_eq!(answer["exit_code"], 124);
    assert_eq!(answer["timed_out"], true);
    assert_eq!(answer["exit"], "timed_out");
    assert_eq!(answer["stdout"], "begun\n");
    assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
}

#[test]
fn a_signal_is_told() {
    needs_launch!();
    let answer = run(&mut shell(&["--json"], "kill -TERM $$")).json();
    assert_eq!(answer["exit"], json!({"signal": 15}));
    assert_eq!(answer["exit_code"], 143);
}

#[test]
fn an_input_reaches_the_command() {
    needs_launch!();
    let mut command = sandbox(["run", "--json", "--", "cat"]);
    let answer = run_with_input(&mut command, Some(b"typed".to_vec())).json();
    assert_eq!(answer["stdout"], "typed");
}

#[test]
fn output_past_the_limit_is_cut_and_told() {
    needs_launch!();
    let script = "head -c 100000 /dev/zero | tr '\\0' x";
    let answer = run(&mut shell(&["--json", "--output", "1000"], script)).json();
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["stdout"].as_str().map(str::len), Some(1000));
}

#[test]
fn a_flood_costs_no_memory_beyond_the_limit() {
    needs_launch!();
    let script = "head -c 200000000 /dev/zero & head -c 200000000 /dev/zero >&2; wait";
    let mut command = shell(&["--json", "--output", "8M"], script);
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    let mut stdout = child.stdout.take().unwrap();
    // The object is larger than a pipe, so the launcher is alive and complete when it begins.
    let mut first = [0; 1];
    std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stdout, &mut rest).unwrap();
    assert!(support::wait(&mut child).success());
    let answer: Value = serde_json::from_slice(&[&first[..], &rest].concat()).unwrap();
    assert_eq!(answer["truncated"], true);
    let Ok(status) = status else {
        support::skip("memory, because this system has no /proc");
        return;
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // The limit, the two read buffers and the program itself, unoptimised.
    assert!(kib < (8 + 24) << 10, "{kib} KiB");
}
