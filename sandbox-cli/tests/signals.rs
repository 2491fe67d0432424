//! Signals reach the command; a person who insists gets the end.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{folder, shell, wait};
use tokio::signal::unix::{SignalKind, signal};

/// A command that does not outlast its test by much, whatever becomes of the signals.
const BOUNDED: [&str; 2] = ["--wall", "20s"];

/// A shell starts its background jobs with these ignored, which the sandbox would heed. What is
/// caught, no child inherits.
fn catch_what_may_be_ignored() {
    static CAUGHT: Once = Once::new();
    CAUGHT.call_once(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        runtime.expect("a runtime").block_on(async {
            for kind in [SignalKind::interrupt(), SignalKind::quit(), SignalKind::hangup()] {
                drop(signal(kind).expect("a handler"));
            }
        });
    });
}

fn begin(command: &mut Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    catch_what_may_be_ignored();
    let mut child = command.spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    (child, lines)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("kill");
}

#[test]
fn a_signal_reaches_the_command_s_handler() {
    needs_launch!();
    for (name, signal) in [
        ("INT", Signal::INT),
        ("TERM", Signal::TERM),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
    ] {
        let script = format!(
            "trap 'echo caught {name}; exit 21' {name}; echo ready; while :; do sleep 0.05; done"
        );
        let (mut child, mut lines) = begin(&mut shell(&BOUNDED, &script));
        send(&child, signal);
        assert_eq!(lines.next().unwrap().unwrap(), format!("caught {name}"));
        assert_eq!(wait(&mut child).code(), Some(21), "{name}");
    }
}

#[test]
fn a_signal_without_a_handler_ends_the_command() {
    needs_launch!();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (mut child, _lines) = begin(&mut shell(&BOUNDED, "echo ready; exec sleep 60"));
        send(&child, signal);
        assert_eq!(wait(&mut child).code(), Some(code));
    }
}

#[test]
fn a_second_request_ends_a_command_that_ignores_them() {
    needs_launch!();
    let script = "trap '' INT TERM; echo ready; while :; do sleep 0.05; done";
    let (mut child, _lines) = begin(&mut shell(&BOUNDED, script));
    send(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "one request is the command's to ignore");
    send(&child, Signal::INT);
    let started = Instant::now();
    assert_eq!(wait(&mut child).code(), Some(137));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    needs_launch!();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(support::binary());
    command.args(["run", "--", "/bin/sh", "-c", "echo ready; sleep 0.5; echo alive"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, mut lines) = begin(&mut command);
    send(&child, Signal::HUP);
    assert_eq!(lines.next().unwrap().unwrap(), "alive");
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn a_stopped_job_stands_still_until_it_is_continued() {
    needs_launch!();
    let folder = folder();
    let script = "echo ready; while :; do echo x >>mark; sleep 0.02; done";
    let options = ["--workspace", folder.path().to_str().unwrap(), "--wall", "20s"];
    support::open_to_everybody(folder.path());
    let (mut child, _lines) = begin(&mut shell(&options, script));
    let written = |after: u64| {
        std::thread::sleep(Duration::from_millis(after));
        std::fs::metadata(folder.path().join("mark")).map_or(0, |found| found.len())
    };
    send(&child, Signal::TSTP);
    let stopped = written(300);
    assert_eq!(written(300), stopped);
    send(&child, Signal::CONT);
    assert!(written(300) > stopped);
    send(&child, Signal::TERM);
    assert_eq!(wait(&mut child).code(), Some(143));
}
