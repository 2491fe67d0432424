//! `--terminal`: the command has a terminal, the caller's is lent to it and given back.
#![cfg(unix)]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::LocalModes;
use support::pty::Terminal;
use support::{run, run_with_input, sandbox, wait};

#[test]
fn the_command_has_a_terminal_of_the_same_size() {
    needs_launch!();
    let mut terminal = Terminal::new(33, 111);
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size";
    let mut child = terminal.spawn(&mut sandbox(["run", "-t", "--", "sh", "-c", script]));
    terminal.expect("33 111\r\n");
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn keys_arrive_and_the_mode_is_given_back() {
    needs_launch!();
    let mut terminal = Terminal::new(24, 80);
    let before = terminal.mode();
    let script = "echo ready; read line; echo \"got:$line\"; exit 5";
    let mut child = terminal.spawn(&mut sandbox(["run", "-t", "--", "sh", "-c", script]));
    terminal.expect("ready");
    assert!(!terminal.mode().local_modes.contains(LocalModes::ICANON), "raw while it runs");
    terminal.type_in("words\r");
    terminal.expect("got:words\r\n");
    assert_eq!(wait(&mut child).code(), Some(5));
    assert_eq!(terminal.mode().local_modes, before.local_modes);
    assert_eq!(terminal.mode().output_modes, before.output_modes);
}

#[test]
fn an_interrupting_key_reaches_the_command() {
    needs_launch!();
    let mut terminal = Terminal::new(24, 80);
    let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 1; done";
    let mut child = terminal.spawn(&mut sandbox(["run", "-t", "--", "sh", "-c", script]));
    terminal.expect("ready");
    terminal.type_in("\u{3}");
    terminal.expect("caught");
    assert_eq!(wait(&mut child).code(), Some(9));
}

#[test]
fn a_new_size_is_passed_on() {
    needs_launch!();
    let mut terminal = Terminal::new(24, 80);
    let script = "echo ready; read line; stty size";
    let mut child = terminal.spawn(&mut sandbox(["run", "-t", "--", "sh", "-c", script]));
    terminal.expect("ready");
    terminal.resize(40, 120);
    // The terminal is not the controlling one of this test, so the kernel does not tell.
    kill_process(Pid::from_child(&child), Signal::WINCH).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    terminal.type_in("\r");
    terminal.expect("40 120");
    assert_eq!(wait(&mut child).code(), Some(0));
}

#[test]
fn the_mode_is_given_back_after_a_signal() {
    needs_launch!();
    let mut terminal = Terminal::new(24, 80);
    let before = terminal.mode();
    let mut child =
        terminal.spawn(&mut sandbox(["run", "-t", "--", "sh", "-c", "echo ready; exec sleep 60"]));
    terminal.expect("ready");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(143));
    assert_eq!(terminal.mode().local_modes, before.local_modes);
}

#[test]
fn a_terminal_without_a_caller_s_terminal() {
    needs_launch!();
    let outcome = run(&mut sandbox(["run", "-t", "--", "sh", "-c", "stty size; test -t 0"]));
    assert_eq!((outcome.code, outcome.text()), (Some(0), "24 80\r\n"), "{}", outcome.stderr);
}

#[test]
fn the_end_of_a_pipe_is_the_end_of_a_terminal_s_input() {
    needs_launch!();
    for input in ["a line\n", "no line", ""] {
        let mut command = sandbox(["run", "-t", "--", "sh", "-c", "cat >/dev/null; echo over"]);
        let outcome = run_with_input(&mut command, Some(input.into()));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.text().ends_with("over\r\n"), "{:?}", outcome.text());
    }
}

#[test]
fn json_keeps_what_appears_on_the_terminal() {
    needs_launch!();
    let answer =
        run(&mut sandbox(["run", "-t", "--json", "--", "sh", "-c", "test -t 1 && echo x"])).json();
    assert_eq!(answer["stdout"], "x\r\n");
}

#[test]
fn a_shell_runs_on_a_terminal() {
    needs_launch!();
    let mut terminal = Terminal::new(24, 80);
    let mut command = sandbox(["shell"]);
    command.env("SHELL", "/bin/sh").env("PS1", "$ ");
    let mut child = terminal.spawn(&mut command);
    terminal.type_in("test -t 0 && test -t 1 && echo $((40 + 2)); exit 3\r");
    terminal.expect("42\r\n");
    assert_eq!(wait(&mut child).code(), Some(3));
}

#[test]
fn a_shell_that_the_policy_hides_is_replaced() {
    needs_launch!();
    let mut terminal = Terminal::new(24, 80);
    let mut child = terminal.spawn(sandbox(["shell"]).env("SHELL", "/nonexistent/shell"));
    terminal.type_in("exit 4\r");
    assert_eq!(wait(&mut child).code(), Some(4));
}
