//! Commands that go on in the background.

use std::time::Duration;

use super::sandbox::probing;
use super::{Sandbox, Scene};
use crate::conformance::context::ensure;
use crate::conformance::{Case, Verdict};
use crate::error::{Result, SandboxError};
use crate::exec::{Exit, KillReason, TerminalSize};
use crate::session::TaskOutput;
use crate::session::log::{Piece, Start, Stream};
use crate::session::task::{TaskId, TaskState};

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::tasks::a_task_goes_on_without_its_caller", goes_on),
    Case::session("sessions::tasks::tasks_are_listed_and_forgotten", listed),
    Case::session("sessions::tasks::the_log_never_cuts_a_character", whole_characters),
    Case::session("sessions::tasks::the_log_has_both_streams_in_order", both_streams),
    Case::session("sessions::tasks::all_who_wait_are_told_the_same", wait_twice),
    Case::session("sessions::tasks::killing_ends_the_whole_tree", kill),
    Case::session("sessions::tasks::signals_arrive", signalled),
    Case::session("sessions::tasks::input_is_written_and_closed", input),
    Case::session("sessions::tasks::every_watcher_gets_every_byte", watchers),
    Case::session("sessions::tasks::the_wall_limit_holds", wall_limit),
    Case::session("sessions::tasks::a_terminal_is_resized_and_typed_into", terminal),
    Case::session("sessions::tasks::a_terminal_task_is_killed", terminal_kill),
];

impl Sandbox<'_> {
    fn waited(&self, task: TaskId) -> Verdict<Exit> {
        Ok(self.scene.wait(self.tasks()?.wait(&self.id, task))??.exit)
    }

    fn log(&self, task: TaskId) -> Verdict<Vec<u8>> {
        Ok(self.scene.wait(self.tasks()?.log(&self.id, task))??)
    }

    /// Waits until a task has written something.
    fn says(&self, task: TaskId, text: &str) -> Verdict {
        let tasks = self.tasks()?;
        self.scene.eventually(async || {
            let log = tasks.log(&self.id, task).await?;
            Ok(String::from_utf8_lossy(&log).contains(text))
        })
    }

    fn watch(&self, task: TaskId, start: Start) -> Verdict<Box<dyn TaskOutput>> {
        Ok(self.scene.wait(self.tasks()?.watch(&self.id, task, start))??)
    }
}

fn goes_on(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let task = sandbox.start_beating("beats")?;
    sandbox.works()?;
    cx.beats(&cx.ws.join("beats"))?;
    let info = cx.wait(sandbox.tasks()?.get(&sandbox.id, task))??;
    let told = info.state == TaskState::Running && info.ended.is_none() && info.started > 0;
    ensure(told && info.command.contains("beat"), || format!("{info:?}"))
}

fn listed(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let (tasks, id) = (sandbox.tasks()?, &sandbox.id);
    let lasting = sandbox.start(sandbox.request(&[&["sleep", "8000"]]))?;
    let short = sandbox.start(sandbox.request(&[&["exit", "3"]]))?;
    ensure(short > lasting, || format!("{short} came after {lasting}"))?;
    ensure(sandbox.waited(short)? == Exit::Code(3), || "another exit code".into())?;
    let all = cx.wait(tasks.list(id))??;
    let states: Vec<_> = all.iter().map(|task| (task.id, task.state)).collect();
    let expected = [(lasting, TaskState::Running), (short, TaskState::Exited(Exit::Code(3)))];
    ensure(states == expected, || format!("{states:?}"))?;
    let running = cx.wait(tasks.remove(id, lasting))?;
    ensure(matches!(running, Err(SandboxError::TaskRunning { .. })), || format!("{running:?}"))?;
    cx.wait(tasks.remove(id, short))??;
    for gone in [
        cx.wait(tasks.get(id, short))?.map(drop),
        cx.wait(tasks.log(id, short))?.map(drop),
        cx.wait(tasks.wait(id, short))?.map(drop),
        cx.wait(tasks.kill(id, short))?,
        cx.wait(tasks.write(id, short, b"x"))?,
    ] {
        ensure(matches!(gone, Err(SandboxError::TaskNotFound { .. })), || format!("{gone:?}"))?;
    }
    // Its number is not given again.
    let next = sandbox.start(sandbox.request(&[&["exit", "0"]]))?;
    ensure(next > short, || format!("{next} came after {short}"))?;
    let other = cx.sandbox()?;
    let elsewhere = cx.wait(tasks.get(&other.id, lasting))?.map(drop);
    let typed = matches!(elsewhere, Err(SandboxError::TaskNotFound { .. }));
    ensure(typed, || format!("another session's task: {elsewhere:?}"))
}

/// Whatever the log's size is: one of three lengths has its cut inside of a character.
fn whole_characters(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    for tail in ["", "x", "xx"] {
        let request = sandbox.request(&[&["repeat", "€", "800000"], &["echo", tail]]);
        let task = sandbox.start(request)?;
        ensure(sandbox.waited(task)?.success(), || "it failed".into())?;
        let log = sandbox.log(task)?;
        let text = std::str::from_utf8(&log);
        ensure(text.is_ok() && log.len() > 1000, || format!("a cut: {text:?}"))?;
        let info = cx.wait(sandbox.tasks()?.get(&sandbox.id, task))??;
        let told = info.output == 2_400_014 + tail.len() as u64 && info.truncated;
        ensure(told, || format!("{info:?}"))?;
        let end = format!("€ok \nok {tail}\n");
        ensure(log.ends_with(end.as_bytes()), || "it does not end with its end".into())?;
    }
    Ok(())
}

fn both_streams(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let (tasks, id) = (sandbox.tasks()?, &sandbox.id);
    let request = sandbox.request(&[&["read-line"], &["complain", "error\n"], &["read-line"]]);
    let task = sandbox.start(request.with_stdin())?;
    let mut watch = sandbox.watch(task, Start::Scrollback)?;
    sandbox.says(task, "hello")?;
    cx.wait(tasks.write(id, task, b"one\n"))??;
    sandbox.says(task, "error")?;
    cx.wait(tasks.write(id, task, b"two\n"))??;
    ensure(sandbox.waited(task)?.success(), || "it failed".into())?;
    let log = sandbox.log(task)?;
    let text = String::from_utf8_lossy(&log);
    let (out, err) = cx.wait(collect(&mut *watch))??;
    ensure(err == b"error\n", || format!("standard error was {:?}", err.escape_ascii()))?;
    ensure(out == b"hello\nok one\nok \nok two\n", || format!("{:?}", out.escape_ascii()))?;
    let place = |part: &str| text.find(part);
    let ordered = place("hello") < place("error") && place("error") < place("ok two");
    ensure(ordered && place("hello").is_some(), || format!("the log is {text:?}"))
}

/// Everything that is still to be read, by stream.
async fn collect(watch: &mut dyn TaskOutput) -> Result<(Vec<u8>, Vec<u8>)> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(piece) = watch.next().await? {
        match piece {
            Piece::Bytes { stream: Stream::Stdout, bytes } => out.extend(bytes),
            Piece::Bytes { stream: Stream::Stderr, bytes } => err.extend(bytes),
            Piece::Lagged { missed } => out.extend(format!("missed {missed}").bytes()),
        }
    }
    Ok((out, err))
}

fn wait_twice(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let tasks = sandbox.tasks()?;
    let task = sandbox.start(sandbox.request(&[&["read-line"], &["exit", "5"]]).with_stdin())?;
    let told = cx.wait(async {
        let wait = || tasks.wait(&sandbox.id, task);
        let answer = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            tasks.write(&sandbox.id, task, b"\n").await
        };
        tokio::join!(wait(), wait(), answer)
    })?;
    told.2?;
    let exits = [told.0?.exit, told.1?.exit, sandbox.waited(task)?];
    ensure(exits == [Exit::Code(5); 3], || format!("{exits:?}"))
}

fn kill(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let task = sandbox.start_beating("beats")?;
    cx.wait(sandbox.tasks()?.kill(&sandbox.id, task))??;
    let exit = sandbox.waited(task)?;
    let told = matches!(exit, Exit::Killed(KillReason::Requested) | Exit::Signal(libc::SIGKILL));
    ensure(told, || format!("it ended with {exit:?}"))?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("beats"))?;
    // Once more is no error.
    cx.wait(sandbox.tasks()?.kill(&sandbox.id, task))??;
    sandbox.works()
}

fn signalled(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let task = sandbox.start(sandbox.request(&[&["sleep", "8000"]]))?;
    sandbox.says(task, "hello")?;
    cx.wait(sandbox.tasks()?.signal(&sandbox.id, task, libc::SIGUSR1))??;
    let exit = sandbox.waited(task)?;
    ensure(exit == Exit::Signal(libc::SIGUSR1), || format!("it ended with {exit:?}"))
}

fn input(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let (tasks, id) = (sandbox.tasks()?, &sandbox.id);
    let deaf = sandbox.start(sandbox.request(&[&["sleep", "8000"]]))?;
    let refused = cx.wait(tasks.write(id, deaf, b"x"))?;
    ensure(matches!(refused, Err(SandboxError::InvalidRequest(_))), || format!("{refused:?}"))?;
    let task = sandbox.start(probing(&[&["count-input"]]).with_stdin())?;
    let part = vec![1; 1 << 20];
    for _ in 0..3 {
        cx.wait(tasks.write(id, task, &part))??;
    }
    cx.wait(tasks.close_input(id, task))??;
    ensure(sandbox.waited(task)?.success(), || "it failed".into())?;
    let log = sandbox.log(task)?;
    ensure(log.ends_with(b"ok 3145728 3145728\n"), || format!("{:?}", log.escape_ascii()))?;
    let late = cx.wait(tasks.write(id, task, b"late"))?;
    ensure(matches!(late, Err(SandboxError::Io { .. })), || format!("{late:?}"))
}

/// One from the beginning, one that comes while it runs, with more than any log keeps.
fn watchers(cx: &Scene<'_>) -> Verdict {
    const MUCH: usize = 6 << 20;
    let sandbox = cx.sandbox()?;
    let much = MUCH.to_string();
    let request = sandbox.request(&[&["read-line"], &["flood", &much]]).with_stdin();
    let task = sandbox.start(request)?;
    sandbox.says(task, "hello")?;
    let mut first = sandbox.watch(task, Start::Scrollback)?;
    let mut second = sandbox.watch(task, Start::Now)?;
    cx.wait(sandbox.tasks()?.write(&sandbox.id, task, b"\n"))??;
    let (one, two) =
        cx.wait(async { tokio::join!(collect(&mut *first), collect(&mut *second)) })?;
    let (one, two) = (one?.0, two?.0);
    ensure(one == [b"hello\n", &two[..]].concat(), || {
        format!("the watchers read {} and {} bytes", one.len(), two.len())
    })?;
    ensure(two.len() == MUCH + 8, || format!("{} bytes came", two.len()))
}

fn wall_limit(cx: &Scene<'_>) -> Verdict {
    let policy = cx.policy()?.wall_time(Duration::from_millis(400));
    let sandbox = cx.open(cx.spec_under(policy)?)?;
    let task = sandbox.start(sandbox.request(&[&["sleep", "8000", &cx.token]]))?;
    let exit = sandbox.waited(task)?;
    ensure(exit == Exit::TimedOut, || format!("it ended with {exit:?}"))?;
    ensure(sandbox.log(task)? == b"hello\n", || "its output is lost".into())?;
    cx.all_gone()
}

const SMALL: TerminalSize = TerminalSize { rows: 12, columns: 34 };
const LARGE: TerminalSize = TerminalSize { rows: 50, columns: 120 };

fn terminal(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let (tasks, id) = (sandbox.tasks()?, &sandbox.id);
    let commands: [&[&str]; 4] = [&["size"], &["await-resize"], &["read-line"], &["exit", "9"]];
    let request = sandbox.request(&commands).terminal(SMALL).with_stdin();
    let started = sandbox.start_info(request)?;
    ensure(started.terminal == Some(SMALL), || format!("{started:?}"))?;
    let task = started.id;
    sandbox.says(task, "ready")?;
    cx.wait(tasks.resize(id, task, LARGE))??;
    sandbox.says(task, "ok 50x120")?;
    let listed = cx.wait(tasks.get(id, task))??.terminal;
    ensure(listed == Some(LARGE), || format!("{listed:?} is listed"))?;
    let none = TerminalSize { rows: 0, columns: 3 };
    let refused = cx.wait(tasks.resize(id, task, none))?;
    ensure(matches!(refused, Err(SandboxError::InvalidRequest(_))), || format!("{refused:?}"))?;
    cx.wait(tasks.write(id, task, b"typed\r"))??;
    let exit = sandbox.waited(task)?;
    ensure(exit == Exit::Code(9), || format!("it ended with {exit:?}"))?;
    let log = sandbox.log(task)?;
    let screen = String::from_utf8_lossy(&log);
    let shown = screen.contains("ok 12x34") && screen.contains("ok typed");
    ensure(shown, || format!("the screen shows {screen:?}"))?;
    let plain = sandbox.start(sandbox.request(&[&["sleep", "8000"]]))?;
    let refused = cx.wait(tasks.resize(id, plain, LARGE))?;
    ensure(matches!(refused, Err(SandboxError::InvalidRequest(_))), || format!("{refused:?}"))
}

fn terminal_kill(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let request = sandbox.request(&[
        &["background", "ignore-signals", "/", "beat", "beats", &cx.token],
        &["sleep", "8000", &cx.token],
    ]);
    let task = sandbox.start(request.terminal(SMALL))?;
    cx.beats(&cx.ws.join("beats"))?;
    cx.wait(sandbox.tasks()?.kill(&sandbox.id, task))??;
    let exit = sandbox.waited(task)?;
    ensure(!exit.success(), || format!("it ended with {exit:?}"))?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("beats"))
}
