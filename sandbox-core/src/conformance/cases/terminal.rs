//! A terminal of its own when asked for, and never the caller's.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::capability::Feature::Terminal;
use crate::conformance::context::{Context, answers, ensure};
use crate::conformance::{Case, Verdict, sys};
use crate::exec::{ExecRequest, Exit, TerminalSize};
use crate::run::Sink;

pub(super) const CASES: &[Case] = &[
    Case::promise("terminal::the_session_is_its_own", &[Terminal], own_session),
    Case::works("terminal::without_one_there_is_none", none).under(&[Terminal]),
    Case::promise("terminal::nothing_can_be_typed_into_it", &[Terminal], typing),
    Case::promise("terminal::a_terminal_has_the_size_asked_for", &[Terminal], size),
    Case::promise("terminal::resizing_is_told", &[Terminal], resizing),
    Case::promise("terminal::the_keyboard_is_read", &[Terminal], keyboard),
    Case::promise("terminal::interrupting_works", &[Terminal], interrupting),
];

const SIZE: TerminalSize = TerminalSize { rows: 33, columns: 101 };

/// The numbers of another process namespace say nothing here, so its leader also counts as proof.
fn own_session(cx: &Context<'_>) -> Verdict {
    let answer = cx.ask_one(cx.policy()?, &["session"])?;
    let (session, process) = answer.allowed()?.split_once(' ').unwrap_or_default();
    let leads = session == process;
    ensure(leads || session != sys::session().to_string(), || {
        "it runs in the caller's session".into()
    })
}

fn none(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 2] = [&["terminals"], &["open-terminal"]];
    let answers = cx.ask(cx.policy()?, &commands)?;
    answers[0].says("false false false")?;
    answers[1].refused()
}

fn on_terminal(cx: &Context<'_>, commands: &[&[&str]]) -> ExecRequest {
    cx.request(commands).terminal(SIZE)
}

fn typing(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 2] = [&["terminals"], &["type"]];
    let result = cx.run(cx.policy()?, &on_terminal(cx, &commands))?;
    let answers = answers(&result, &commands)?;
    answers[0].says("true true true")?;
    answers[1].refused()
}

fn size(cx: &Context<'_>) -> Verdict {
    let commands: [&[&str]; 3] = [&["terminals"], &["size"], &["open-terminal"]];
    let result = cx.run(cx.policy()?, &on_terminal(cx, &commands))?;
    let answers = answers(&result, &commands)?;
    answers[0].says("true true true")?;
    answers[1].says("33x101")?;
    answers[2].allowed().map(drop)
}

/// Runs a command on a terminal; when `cue` was seen, `act`s; the whole screen at the end.
fn dialogue(
    cx: &Context<'_>,
    commands: &[&[&str]],
    cue: &str,
    keys: &[u8],
    resize: Option<TerminalSize>,
) -> Verdict<(String, Exit)> {
    let request = on_terminal(cx, commands).with_stdin();
    cx.start(cx.policy()?, &request, async |mut running| {
        let (mut near, mut far) = tokio::io::duplex(4096);
        let process = running.process();
        let mut keyboard = running.take_stdin();
        let talk = async move {
            let mut screen = Vec::new();
            let mut acted = false;
            let mut part = [0; 512];
            while let Ok(read @ 1..) = far.read(&mut part).await {
                screen.extend_from_slice(&part[..read]);
                if !acted && String::from_utf8_lossy(&screen).contains(cue) {
                    acted = true;
                    if let Some(size) = resize {
                        process.resize(size)?;
                    }
                    if let Some(keyboard) = &mut keyboard {
                        // A command that has ended reads nothing.
                        let _ = keyboard.write_all(keys).await;
                        let _ = keyboard.flush().await;
                    }
                }
            }
            Ok::<_, crate::SandboxError>(String::from_utf8_lossy(&screen).into_owned())
        };
        let run = async move { running.finish(Sink::Write(&mut near), Sink::Discard).await };
        let (screen, result) = tokio::join!(talk, run);
        Ok((screen?, result?.exit))
    })?
}

fn resizing(cx: &Context<'_>) -> Verdict {
    let larger = Some(TerminalSize { rows: 50, columns: 200 });
    let (screen, _) = dialogue(cx, &[&["await-resize"]], "ready", b"", larger)?;
    ensure(screen.contains("ok 50x200"), || format!("the screen shows {screen:?}"))
}

fn keyboard(cx: &Context<'_>) -> Verdict {
    let (screen, _) = dialogue(cx, &[&["read-line"]], "hello", b"typed\r", None)?;
    ensure(screen.contains("ok typed"), || format!("the screen shows {screen:?}"))
}

fn interrupting(cx: &Context<'_>) -> Verdict {
    let (screen, exit) = dialogue(cx, &[&["sleep", "4000"]], "hello", b"\x03", None)?;
    ensure(exit == Exit::Signal(libc::SIGINT), || format!("{exit:?}; the screen shows {screen:?}"))
}
