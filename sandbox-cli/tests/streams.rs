//! Streams pass byte for byte, live, held back by a slow reader, and never hold the end.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{run, run_with_input, sandbox, shell, wait};

/// Every byte value, in an order that lines and text would break.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 167 + at / 256) as u8).collect()
}

#[test]
fn input_and_output_are_the_same_bytes() {
    needs_launch!();
    let sent = bytes(3 << 20);
    let outcome = run_with_input(&mut sandbox(["run", "--", "cat"]), Some(sent.clone()));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout == sent, "{} of {} bytes", outcome.stdout.len(), sent.len());
}

#[test]
fn both_outputs_stay_apart() {
    needs_launch!();
    let outcome = run(&mut shell(&[], "echo out; echo err >&2"));
    assert_eq!((outcome.text(), &*outcome.stderr), ("out\n", "err\n"));
}

#[test]
fn output_appears_while_the_command_runs() {
    needs_launch!();
    let mut child =
        shell(&[], "echo first; read line; echo \"$line\"").stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    child.stdin.take().unwrap().write_all(b"second\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "second");
    assert!(wait(&mut child).success());
}

#[test]
fn without_an_input_the_command_reads_its_end() {
    needs_launch!();
    let outcome = run(&mut sandbox(["run", "--", "cat"]));
    assert_eq!((outcome.code, outcome.stdout.len()), (Some(0), 0));
    let outcome = run_with_input(&mut sandbox(["run", "--", "cat"]), Some(Vec::new()));
    assert_eq!((outcome.code, outcome.stdout.len()), (Some(0), 0));
}

#[test]
fn closed_descriptors_are_no_trouble() {
    needs_launch!();
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "exec \"$@\" <&- 2>&-", "sh"]).arg(support::binary());
    command.args(["run", "--", "/bin/sh", "-c", "cat; echo done"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let outcome = run(&mut command);
    assert_eq!((outcome.code, outcome.text()), (Some(0), "done\n"));
}

#[test]
fn an_input_that_nobody_reads_holds_nothing() {
    needs_launch!();
    let outcome = run_with_input(&mut sandbox(["run", "--", "true"]), Some(bytes(8 << 20)));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.elapsed < Duration::from_secs(5), "{:?}", outcome.elapsed);
}

#[test]
fn an_input_that_never_ends_holds_nothing() {
    needs_launch!();
    let mut child = sandbox(["run", "--", "true"]).stdin(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let open = child.stdin.take();
    assert!(wait(&mut child).success());
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(open);
}

#[test]
fn a_reader_that_leaves_breaks_the_pipe() {
    needs_launch!();
    let mut child = sandbox(["run", "--", "yes"]).spawn().unwrap();
    let mut line = [0; 2];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut line).unwrap();
    drop(stdout);
    // 128 + SIGPIPE, as in any pipeline.
    assert_eq!(wait(&mut child).code(), Some(141));
}

#[test]
fn a_reader_that_does_not_read_does_not_stop_the_clock() {
    needs_launch!();
    let started = Instant::now();
    let mut child = sandbox(["run", "--wall", "500ms", "--", "yes"]).spawn().unwrap();
    let unread = child.stdout.take();
    assert_eq!(wait(&mut child).code(), Some(124));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop(unread);
}

#[test]
fn a_slow_reader_loses_nothing() {
    needs_launch!();
    // A little more than a pipe holds, so that the command ends before its output is read; a lot.
    for last in [20_000_u32, 400_000] {
        let mut child = sandbox(["run", "--", "seq", &last.to_string()]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = lines.map(|line| line.unwrap().parse::<u32>().unwrap());
        assert!(numbers.eq(1..=last));
        assert!(wait(&mut child).success());
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    needs_launch!();
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        support::skip("this system has no /dev/full");
        return;
    };
    let outcome = run(sandbox(["run", "--", "echo", "lost"]).stdout(full));
    assert_eq!(outcome.code, Some(125));
    assert!(outcome.stderr.contains("standard output cannot be written"), "{}", outcome.stderr);
}
