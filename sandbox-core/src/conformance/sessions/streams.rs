//! What goes into a command of a session and what comes out of it: as for a command by itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::sandbox::{only, probing};
use super::{Sandbox, Scene, WORK};
use crate::conformance::context::{answers, ensure};
use crate::conformance::world::{CANARY, SECRET};
use crate::conformance::{Case, Verdict};
use crate::error::SandboxError;
use crate::exec::{ExecRequest, Exit, TerminalSize};
use crate::run::Sink;
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::streams::variables_are_of_one_command", variables),
    Case::session("sessions::streams::the_callers_variables_stay_outside", host_variables),
    Case::session("sessions::streams::arguments_are_verbatim", arguments),
    Case::session("sessions::streams::a_long_argument_arrives", long_argument),
    Case::session("sessions::streams::much_input_arrives", input),
    Case::session("sessions::streams::output_is_live_and_input_answers_it", dialogue),
    Case::session("sessions::streams::output_is_bytes", bytes),
    Case::session("sessions::streams::output_and_errors_are_told_apart", apart),
    Case::session("sessions::streams::the_ends_of_commands_are_told", ends),
    Case::session("sessions::streams::output_past_the_limit_is_dropped", limit),
    Case::session("sessions::streams::the_wall_limit_leaves_nothing_but_output", wall_limit),
    Case::session("sessions::streams::a_dropped_command_ends", dropped),
    Case::session("sessions::streams::a_terminal_has_its_size", terminal),
    Case::session("sessions::streams::commands_run_beside_each_other", beside),
];

fn variables(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let commands: [&[&str]; 1] = [&["variable", "ONCE"]];
    let value = "a=b\n${HOME} \"c\"";
    let result = sandbox.run(probing(&commands).env("ONCE", value))?;
    let expected = value.as_bytes().escape_ascii().to_string();
    only(answers(&result, &commands)?)?.says(&expected)?;
    sandbox.ask_one(&["variable", "ONCE"])?.refused()?;
    let spec = cx.spec_under(cx.policy()?.set_env("ALWAYS", "policy")?)?;
    let sandbox = cx.open(spec)?;
    let commands: [&[&str]; 1] = [&["variable", "ALWAYS"]];
    let result = sandbox.run(probing(&commands).env("ALWAYS", "request"))?;
    only(answers(&result, &commands)?)?.says("request")?;
    sandbox.ask_one(&["variable", "ALWAYS"])?.says("policy")
}

fn host_variables(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let commands: [&[&str]; 2] = [&["variable", SECRET], &["variables"]];
    let said = sandbox.ask(&commands)?;
    said[0].refused()?;
    let all = said[1].allowed()?;
    ensure(!all.contains("CONFORMANCE_"), || format!("the command has {all}"))
}

fn arguments(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let odd: [&[u8]; 10] = [
        b"${HOME}",
        b"$(id)",
        b"`id`",
        b"a;b|c&d>e",
        b"'\"\\",
        b"two\nlines",
        b"",
        b" spaces  kept ",
        b"*?[a]~",
        b"\xff\xfe",
    ];
    for argument in odd {
        let command = [OsStr::new("echo"), OsStr::from_bytes(argument)];
        let expected = argument.escape_ascii().to_string();
        // The suite trims the line's end.
        sandbox.ask_one(&command)?.says(expected.trim_end())?;
    }
    Ok(())
}

fn long_argument(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    sandbox.ask_one(&["length", &"x".repeat(100 << 10)])?.says("102400")
}

fn pattern(length: usize) -> Vec<u8> {
    (0u8..251).cycle().take(length).collect()
}

fn input(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let input = pattern(8 << 20);
    let sum: u64 = input.iter().map(|&byte| u64::from(byte)).sum();
    let commands: [&[&str]; 1] = [&["count-input"]];
    let request = sandbox.request(&commands).with_stdin();
    let result = cx.wait(async {
        let mut running = cx.backend.spawn(&sandbox.id, request).await?;
        let mut stdin = running.take_stdin();
        let write = async {
            if let Some(stdin) = &mut stdin {
                // How much arrived, the command tells.
                let _ = stdin.write_all(&input).await;
                let _ = stdin.shutdown().await;
            }
            drop(stdin);
        };
        tokio::join!(write, running.finish(Sink::Capture, Sink::Capture)).1
    })??;
    only(answers(&result, &commands)?)?.says(&format!("{} {sum}", input.len()))
}

/// The command says a line and waits for the answer, which only comes if the line was seen.
fn dialogue(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let request = sandbox.request(&[&["complain", "?"], &["read-line"]]).with_stdin();
    let (heard, result) = cx.wait(async {
        let mut running = cx.backend.spawn(&sandbox.id, request).await?;
        let stdin = running.take_stdin();
        let (mut out, mut seen) = tokio::io::duplex(4096);
        let (mut errors, mut complaints) = tokio::io::duplex(64);
        let talk = async move {
            let (mut first, mut said, mut rest) = ([0; 6], [0; 1], String::new());
            seen.read_exact(&mut first).await?;
            complaints.read_exact(&mut said).await?;
            if let Some(mut stdin) = stdin {
                stdin.write_all(b"an answer\n").await?;
            }
            seen.read_to_string(&mut rest).await?;
            std::io::Result::Ok((first, said, rest))
        };
        let run = async move {
            let sinks = (Sink::Write(&mut out), Sink::Write(&mut errors));
            running.finish(sinks.0, sinks.1).await
        };
        let (heard, result) = tokio::join!(talk, run);
        Ok::<_, SandboxError>((heard, result?))
    })??;
    let (first, said, rest) = heard?;
    let right = first == *b"hello\n" && said == *b"?" && rest.ends_with("ok an answer\n");
    ensure(right && result.exit.success(), || format!("{first:?}, {said:?}, {rest:?}"))
}

fn bytes(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let result = sandbox.run(sandbox.request(&[&["flood", "100000"]]))?;
    let expected = [&b"hello\n"[..], &flooded(100_000), b"ok \n"].concat();
    let got = &result.stdout.bytes;
    ensure(*got == expected, || format!("{} bytes came, or others", got.len()))
}

/// What the probe floods with: its block begins anew each time.
fn flooded(length: usize) -> Vec<u8> {
    pattern(65_536).into_iter().cycle().take(length).collect()
}

fn apart(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let result = sandbox.run(sandbox.request(&[&["complain", "error"], &["echo", "output"]]))?;
    let (out, err) = (result.stdout.text(), result.stderr.text());
    let right = err == "error" && out.ends_with("ok output\n") && !out.contains("error");
    ensure(right, || format!("stdout {out:?}, stderr {err:?}"))
}

fn ends(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    for code in [0, 1, 126, 127, 137, 255] {
        let exit = sandbox.run(sandbox.request(&[&["exit", &code.to_string()]]))?.exit;
        ensure(exit == Exit::Code(code), || format!("exit code {code} was told as {exit:?}"))?;
    }
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let commands: [&[&str]; 2] = [&["signal-self", &signal.to_string()], &["sleep", "5000"]];
        let exit = sandbox.run(sandbox.request(&commands))?.exit;
        ensure(exit == Exit::Signal(signal), || format!("signal {signal} was told as {exit:?}"))?;
    }
    let missing = sandbox.attempt(ExecRequest::new("no-such-program-here"))?.map(drop);
    let typed = matches!(missing, Err(SandboxError::CommandNotFound { .. }));
    ensure(typed, || format!("a missing program: {missing:?}"))?;
    let file = sandbox.attempt(ExecRequest::new("./file").cwd(WORK))?.map(drop);
    let typed = matches!(file, Err(SandboxError::CommandNotExecutable { .. }));
    ensure(typed, || format!("a file that is no program: {file:?}"))?;
    sandbox.works()
}

fn limit(cx: &Scene<'_>) -> Verdict {
    let limited = |limits: &mut crate::policy::limits::ResourceLimits| {
        limits.output = Some(ByteSize::from_bytes(64 << 10));
    };
    let sandbox = cx.open(cx.spec_under(cx.policy()?.limits(limited))?)?;
    let result = sandbox.run(sandbox.request(&[&["flood", "4194304"], &["exit", "7"]]))?;
    ensure(result.exit == Exit::Code(7), || format!("it ended with {:?}", result.exit))?;
    let (length, truncated) = (result.stdout.bytes.len(), result.stdout.truncated);
    ensure(length == 64 << 10 && truncated, || format!("{length} bytes, truncated: {truncated}"))?;
    // The limit is of each command.
    sandbox.ask_one(&["echo", "again"])?.says("again")
}

fn hurried<'a>(cx: &'a Scene<'_>) -> Verdict<Sandbox<'a>> {
    cx.open(cx.spec_under(cx.policy()?.wall_time(Duration::from_millis(700)))?)
}

fn wall_limit(cx: &Scene<'_>) -> Verdict {
    let sandbox = hurried(cx)?;
    let result = sandbox.run(sandbox.request(&[
        &["background", "detach", "/", "ignore-signals", "/", "beat", "beats", &cx.token],
        &["complain", "so far"],
        &["ignore-signals"],
        &["sleep", "8000", &cx.token],
    ]))?;
    ensure(result.exit == Exit::TimedOut, || format!("it ended with {:?}", result.exit))?;
    let (out, err) = (result.stdout.text(), result.stderr.text());
    ensure(out.starts_with("hello\n") && err == "so far", || format!("{out:?}, {err:?}"))?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("beats"))?;
    sandbox.works()
}

fn dropped(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let request = sandbox.request(&[
        &["background", "detach", "/", "beat", "beats", &cx.token],
        &["sleep", "8000", &cx.token],
    ]);
    let running = cx.wait(cx.backend.spawn(&sandbox.id, request))??;
    cx.beats(&cx.ws.join("beats"))?;
    cx.wait(async { drop(running) })?;
    cx.all_gone()?;
    cx.stands_still(&cx.ws.join("beats"))?;
    sandbox.works()
}

fn terminal(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let commands: [&[&str]; 2] = [&["terminals"], &["size"]];
    let size = TerminalSize { rows: 31, columns: 99 };
    let said = answers(&sandbox.run(sandbox.request(&commands).terminal(size))?, &commands)?;
    said[0].says("true true true")?;
    said[1].says("31x99")?;
    let plain = sandbox.ask(&commands)?;
    plain[0].says("false false false")
}

/// Two commands of one session see what the other writes, and neither waits for the other's end.
fn beside(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let waiting: [&[&str]; 2] = [&["await", "from-the-other"], &["read", "from-the-other"]];
    let speaking: [&[&str]; 2] = [&["read", "file"], &["create", "from-the-other", "x"]];
    let exec = |commands| cx.backend.exec(&sandbox.id, sandbox.request(commands));
    let (heard, spoken) = cx.wait(async { tokio::join!(exec(&waiting), exec(&speaking)) })?;
    let spoken = answers(&spoken?, &speaking)?;
    spoken[0].says(CANARY)?;
    spoken[1].allowed()?;
    answers(&heard?, &waiting)?[0].allowed().map(drop)
}
