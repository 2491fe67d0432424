//! Sessions and callers that misbehave: who hangs up, who does not read, who asks for what is not
//! there. What becomes of a session whose owner is killed is in `session_kills`.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use support::processes::{Process, left_after, marker, soon};
use support::sessions::Sessions;
use support::{PATIENCE, assert_refused, binary, run_with_input, wait};

/// How much a supervisor may grow by what callers do to it, in bytes.
const GROWTH: u64 = 8 << 20;
/// Far more than it may grow by.
const FLOOD: usize = 64 << 20;

/// A client whose end nobody waits for ends with the test.
struct Client(Child);

impl Client {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the binary starts"))
    }

    fn process(&self) -> Process {
        let pid = i32::try_from(self.0.id()).expect("a number");
        Process::find(pid).expect("the client")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // One that has ended need not be ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The one process with a text in its command line, once it is there. Who starts it has the text in
/// its own.
#[track_caller]
fn command(marker: &str) -> Process {
    let text = format!("sleep {marker}");
    soon("the command", || {
        Process::with(&text).into_iter().find(|it| it.command.starts_with("sleep"))
    })
}

/// Tells when a stream has come to its end.
fn end_of(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, end) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("read");
        // The test may have given up.
        let _ = sender.send(bytes);
    });
    end
}

#[test]
fn create_returns_and_holds_nothing_of_its_caller() {
    needs_launch!();
    let sessions = Sessions::new();
    let mut shell = Command::new("/bin/sh");
    // Descriptors that no program expects are the caller's, too.
    shell.args(["-c", "exec \"$0\" session create --id s 7>&1 8>&2"]).arg(binary());
    shell.env("XDG_STATE_HOME", sessions.state()).stdin(Stdio::piped());
    let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a shell");
    let out = end_of(child.stdout.take().expect("stdout"));
    let err = end_of(child.stderr.take().expect("stderr"));
    assert_eq!(wait(&mut child).code(), Some(0));
    assert_eq!(out.recv_timeout(PATIENCE).expect("the end of stdout"), b"s\n");
    err.recv_timeout(PATIENCE).expect("the end of stderr");
    assert_eq!(sessions.sh("s", "echo lives"), "lives");
}

#[test]
fn a_session_does_not_end_with_its_callers_terminal_or_group() {
    needs_launch!();
    let sessions = Sessions::new();
    let child = sessions.command(&["create", "--id", "s"]).process_group(0).spawn();
    let mut child = child.expect("the binary starts");
    let group = rustix::process::Pid::from_child(&child);
    assert_eq!(wait(&mut child).code(), Some(0));
    // The group is empty unless the session's owner is in it.
    let signalled = rustix::process::kill_process_group(group, Signal::KILL);
    assert_eq!(signalled, Err(rustix::io::Errno::SRCH));
    assert_eq!(sessions.sh("s", "echo lives"), "lives");
}

#[test]
fn identifiers_that_are_unknown_or_taken() {
    needs_launch!();
    let sessions = Sessions::new();
    sessions.create(&["--id", "s"]);
    assert_refused(&sessions.run(&["exec", "t", "--", "true"]), 125, &["no session t"]);
    assert_refused(&sessions.run(&["rm", "t"]), 125, &["no session t"]);
    assert_refused(&sessions.run(&["create", "--id", "s"]), 125, &["s exists already"]);
    assert_eq!(sessions.sh("s", "echo lives"), "lives");
}

#[test]
fn two_who_create_the_same_are_one_session() {
    needs_launch!();
    for round in 0..5 {
        let sessions = Sessions::new();
        let all: Vec<_> = (0..4).map(|_| sessions.command(&["create", "--id", "same"])).collect();
        let all: Vec<_> = all.into_iter().map(|mut it| Client::start(&mut it)).collect();
        let ends = all.into_iter().map(|mut client| wait(&mut client.0).code());
        let mut ends: Vec<_> = ends.collect();
        ends.sort_unstable();
        assert_eq!(ends, [Some(0), Some(125), Some(125), Some(125)], "round {round}");
        assert_eq!(sessions.list(), ["same"]);
        assert_eq!(sessions.sh("same", "echo lives"), "lives");
    }
}

#[test]
fn a_suspended_session_takes_no_command() {
    needs_launch!();
    let sessions = Sessions::new();
    let id = &sessions.create(&[]);
    sessions.ok(&["suspend", id]);
    assert_refused(&sessions.run(&["exec", id, "--", "true"]), 125, &[id, "suspended"]);
    assert_refused(&sessions.run(&["spawn", id, "--", "true"]), 125, &[id, "suspended"]);
    sessions.ok(&["resume", id]);
    assert_eq!(sessions.sh(id, "echo awake"), "awake");
    sessions.ok(&["suspend", id]);
    sessions.ok(&["rm", id]);
    assert!(sessions.left().is_empty(), "{:?}", sessions.left());
}

#[test]
fn names_of_snapshots_are_no_paths() {
    needs_launch!();
    let sessions = Sessions::new();
    let id = &sessions.create(&[]);
    for name in ["a/b", "/", "..", ".", ".a", "a:b", "a\\b", "", " ", "a\nb"] {
        for call in ["snapshot", "restore"] {
            assert_refused(&sessions.run(&[call, id, name]), 125, &["no name of a snapshot"]);
        }
    }
}

#[test]
fn a_command_ends_with_its_client() {
    needs_launch!();
    let (sessions, marker) = (Sessions::new(), marker());
    let id = &sessions.create(&[]);
    let deserter = format!("setsid sleep {marker} & exec sleep {marker}");
    let client = Client::start(&mut sessions.command(&["exec", id, "--", "sh", "-c", &deserter]));
    let sleeps = || Process::with(&marker).into_iter().filter(|it| it.command.starts_with("sleep"));
    soon("both commands", || (sleeps().count() == 2).then_some(()));
    let both: Vec<_> = sleeps().collect();
    drop(client);
    assert_eq!(left_after(&both, PATIENCE), []);
    assert_eq!(sessions.sh(id, "echo lives"), "lives");
}

#[test]
fn a_client_that_stands_still_does_not_stop_the_clock() {
    needs_launch!();
    let (sessions, marker) = (Sessions::new(), marker());
    let id = &sessions.create(&["--wall", "1s"]);
    let mut client = Client::start(&mut sessions.command(&["exec", id, "--", "sleep", &marker]));
    let command = command(&marker);
    client.process().signal(Signal::STOP);
    assert_eq!(left_after(&[command], PATIENCE), []);
    client.process().signal(Signal::CONT);
    assert_eq!(wait(&mut client.0).code(), Some(124));
}

#[test]
fn who_is_attached_when_a_session_ends_is_told() {
    needs_launch!();
    for round in 0..10 {
        let sessions = Sessions::new();
        let id = &sessions.create(&[]);
        let task = &sessions.ok(&["spawn", "--stdin", id, "--", "cat"]);
        let mut attach = sessions.command(&["attach", id, task]);
        let mut client = Client::start(attach.stdin(Stdio::piped()));
        thread::sleep(Duration::from_millis(3 * round));
        sessions.ok(&["rm", id]);
        let said = end_of(client.0.stderr.take().expect("stderr"));
        // Its input stays open: it is not told by that.
        let code = wait(&mut client.0).code();
        let said = said.recv_timeout(PATIENCE).expect("the end of stderr");
        let said = String::from_utf8_lossy(&said);
        assert_eq!(code, Some(125), "{said}");
        assert!(said.contains(&format!("no session {id}")), "{said}");
    }
}

#[test]
fn who_waits_when_an_owner_is_killed_is_told() {
    needs_launch!();
    for round in 0..10 {
        let sessions = Sessions::new();
        let id = &sessions.create(&[]);
        let task = &sessions.ok(&["spawn", id, "--", "sleep", "1000"]);
        let mut client = Client::start(&mut sessions.command(&["wait", id, task]));
        thread::sleep(Duration::from_millis(3 * round));
        sessions.owner(id).kill();
        let said = end_of(client.0.stderr.take().expect("stderr"));
        let code = wait(&mut client.0).code();
        let said = said.recv_timeout(PATIENCE).expect("the end of stderr");
        let said = String::from_utf8_lossy(&said);
        assert_eq!(code, Some(125), "{said}");
        assert!(said.contains(&format!("no session {id}")), "{said}");
    }
}

#[test]
fn input_that_nobody_reads_is_not_kept() {
    needs_launch!();
    let (sessions, marker) = (Sessions::new(), marker());
    let id = &sessions.create(&[]);
    sessions.sh(id, "true");
    let before = sessions.owner(id).memory("VmHWM");
    let mut exec = sessions.command(&["exec", id, "--", "sh", "-c", "sleep 0.5; exit 7"]);
    assert_eq!(run_with_input(&mut exec, Some(vec![0; FLOOD])).code, Some(7));

    let task = &sessions.ok(&["spawn", "--stdin", id, "--", "sleep", &marker]);
    let mut attach = sessions.command(&["attach", id, task]);
    let mut client = Client::start(attach.stdin(Stdio::piped()));
    let mut stdin = client.0.stdin.take().expect("stdin");
    thread::spawn(move || std::io::Write::write_all(&mut stdin, &vec![0; FLOOD]));
    thread::sleep(Duration::from_millis(500));
    sessions.ok(&["kill", id, task]);
    assert_eq!(wait(&mut client.0).code(), Some(137));
    let grown = sessions.owner(id).memory("VmHWM") - before;
    assert!(grown < GROWTH, "the supervisor grew by {grown} bytes");
}

#[test]
fn output_that_nobody_reads_is_not_kept() {
    needs_launch!();
    let sessions = Sessions::new();
    let id = &sessions.create(&[]);
    sessions.sh(id, "true");
    let before = sessions.owner(id).memory("VmHWM");
    let amount = FLOOD.to_string();
    let task = &sessions.ok(&["spawn", id, "--", "head", "-c", &amount, "/dev/zero"]);
    sessions.ok(&["wait", id, task]);
    let grown = sessions.owner(id).memory("VmHWM") - before;
    assert!(grown < GROWTH, "the supervisor grew by {grown} bytes");
}

#[test]
fn a_grandchild_that_keeps_the_output_open_ends_with_the_command() {
    needs_launch!();
    let (sessions, marker) = (Sessions::new(), marker());
    let id = &sessions.create(&[]);
    for begin in ["", "setsid "] {
        let script = format!("({begin}sleep {marker} &); echo done");
        assert_eq!(sessions.sh(id, &script), "done");
        let left: Vec<_> = Process::with(&marker);
        assert_eq!(left_after(&left, PATIENCE), []);
    }
}

#[test]
fn a_session_whose_folder_is_taken_away_ends() {
    needs_launch!();
    let (sessions, marker) = (Sessions::new(), marker());
    let id = &sessions.create(&[]);
    sessions.ok(&["spawn", id, "--", "sleep", &marker]);
    let tree = sessions.owner(id).tree();
    assert!(tree.len() > 2, "{tree:?}");
    fs::remove_dir_all(sessions.folder(id)).expect("remove");
    assert_eq!(left_after(&tree, Duration::from_secs(5)), []);
    assert_eq!(left_after(&Process::with(&marker), PATIENCE), []);
    assert_eq!(sessions.list(), [""; 0]);
}

/// A process that goes on at the end, whatever becomes of the test.
struct Stopped(Process);

impl Stopped {
    fn stop(process: Process) -> Self {
        process.signal(Signal::STOP);
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

#[test]
fn an_owner_that_stands_still_hides_no_other_session() {
    needs_launch!();
    let sessions = Sessions::new();
    let (still, other) = (&sessions.create(&["--id", "a"]), &sessions.create(&["--id", "b"]));
    let states = || {
        let all = sessions.run(&["list", "--json"]).json();
        let all = all.as_array().expect("an array").iter();
        let text = |name: &str, it: &serde_json::Value| it[name].as_str().expect(name).to_owned();
        all.map(|it| (text("id", it), text("state", it))).collect::<Vec<_>>()
    };
    let known =
        |one: &str| [(still.clone(), one.to_owned()), (other.clone(), "provisioned".into())];
    assert_eq!(states(), known("provisioned"));
    let stopped = Stopped::stop(sessions.owner(still));
    assert_eq!(states(), known("unreachable"));
    assert_eq!(sessions.sh(other, "echo lives"), "lives");
    drop(stopped);
    assert_eq!(sessions.sh(still, "echo again"), "again");
    assert_eq!(states()[0], (still.clone(), "running".to_owned()));
}
