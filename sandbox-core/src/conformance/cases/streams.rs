//! Streams carry bytes, all of them, and a failing command is a result.

use tokio::io::AsyncReadExt;

use crate::capability::Feature::Output;
use crate::conformance::context::{Context, ensure};
use crate::conformance::{Case, Verdict};
use crate::error::SandboxError;
use crate::exec::{ExecRequest, Exit};
use crate::run::Sink;
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::works("streams::input_reaches_a_reader", input_read),
    Case::works("streams::input_to_a_command_that_does_not_read", input_unread),
    Case::works("streams::without_input_there_is_end_of_file", no_input),
    Case::works("streams::output_and_errors_are_told_apart", apart),
    Case::works("streams::large_output_is_exact", large_output),
    Case::works("streams::output_past_the_limit_is_dropped", output_limit).under(&[Output]),
    Case::works("streams::output_arrives_while_the_command_runs", live),
    Case::works("streams::exit_codes_are_told", exit_codes),
    Case::works("streams::signals_are_told", signals),
    Case::works("streams::a_missing_program_is_an_error", missing_program),
    Case::works("streams::a_hidden_program_is_an_error", hidden_program),
    Case::works("streams::a_file_that_is_no_program_is_an_error", no_program),
];

fn pattern(length: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..65_536u32).map(|at| (at % 251) as u8).collect();
    block.into_iter().cycle().take(length).collect()
}

fn input_read(cx: &Context<'_>) -> Verdict {
    let input = pattern(8 << 20);
    let sum: u64 = input.iter().map(|&byte| u64::from(byte)).sum();
    let result = cx.feed(cx.policy()?, cx.request(&[&["count-input"]]), &input)?;
    let expected = format!("ok {} {sum}\n", input.len());
    ensure(result.stdout.text().ends_with(&expected), || {
        format!("{:?} instead of {expected:?}", result.stdout.text())
    })
}

fn input_unread(cx: &Context<'_>) -> Verdict {
    let result = cx.feed(cx.policy()?, cx.request(&[&["exit", "5"]]), &pattern(8 << 20))?;
    ensure(result.exit == Exit::Code(5), || format!("it ended with {:?}", result.exit))
}

fn no_input(cx: &Context<'_>) -> Verdict {
    cx.ask_one(cx.policy()?, &["count-input"])?.says("0 0")
}

fn apart(cx: &Context<'_>) -> Verdict {
    let result =
        cx.run(cx.policy()?, &cx.request(&[&["complain", "to stderr"], &["echo", "to stdout"]]))?;
    let (stdout, stderr) = (result.stdout.text(), result.stderr.text());
    let right = stderr == "to stderr" && stdout.contains("to stdout") && !stdout.contains("stderr");
    ensure(right, || format!("stdout {stdout:?}, stderr {stderr:?}"))
}

fn large_output(cx: &Context<'_>) -> Verdict {
    let length = 10 << 20;
    let result = cx.run(cx.policy()?, &cx.request(&[&["flood", &length.to_string()]]))?;
    let expected = [b"hello\n".to_vec(), pattern(length), b"ok \n".to_vec()].concat();
    let got = &result.stdout.bytes;
    ensure(*got == expected && !result.stdout.truncated, || {
        format!("{} bytes came instead of {}, or others", got.len(), expected.len())
    })
}

fn output_limit(cx: &Context<'_>) -> Verdict {
    let policy = cx.policy()?.limits(|limits| limits.output = Some(ByteSize::from_bytes(64 << 10)));
    let request = cx.request(&[&["flood", "4194304"], &["exit", "7"]]);
    let result = cx.run(policy, &request)?;
    ensure(result.exit == Exit::Code(7), || format!("it ended with {:?}", result.exit))?;
    let (length, truncated) = (result.stdout.bytes.len(), result.stdout.truncated);
    ensure(length == 64 << 10 && truncated, || format!("{length} bytes, truncated: {truncated}"))
}

fn live(cx: &Context<'_>) -> Verdict {
    let request = cx.request(&[&["sleep", "20000"]]);
    let first = cx.start(cx.policy()?, &request, async |running| {
        let (mut near, mut far) = tokio::io::duplex(64);
        let process = running.process();
        let read = async {
            let mut line = [0; 6];
            let read = far.read_exact(&mut line).await;
            let killed = process.kill();
            drop(far);
            (read.is_ok() && line == *b"hello\n", killed.is_ok())
        };
        tokio::join!(read, running.finish(Sink::Write(&mut near), Sink::Discard)).0
    })?;
    ensure(first == (true, true), || "nothing came before the end".into())
}

fn exit_codes(cx: &Context<'_>) -> Verdict {
    for code in [0, 1, 2, 124, 126, 127, 128, 137, 254, 255] {
        let exit = cx.run(cx.policy()?, &cx.request(&[&["exit", &code.to_string()]]))?.exit;
        ensure(exit == Exit::Code(code), || format!("exit code {code} was told as {exit:?}"))?;
    }
    Ok(())
}

fn signals(cx: &Context<'_>) -> Verdict {
    for signal in
        [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGABRT, libc::SIGFPE, libc::SIGKILL]
    {
        let request = cx.request(&[&["signal-self", &signal.to_string()], &["sleep", "5000"]]);
        let exit = cx.run(cx.policy()?, &request)?.exit;
        ensure(exit == Exit::Signal(signal), || format!("signal {signal} was told as {exit:?}"))?;
    }
    Ok(())
}

fn missing_program(cx: &Context<'_>) -> Verdict {
    for program in ["no-such-program-here", "/usr/bin/no-such-program-here"] {
        let result = cx.attempt(cx.policy()?, &ExecRequest::new(program))?;
        let right = matches!(result, Err(SandboxError::CommandNotFound { .. }));
        ensure(right, || format!("{program}: {result:?}"))?;
    }
    Ok(())
}

fn hidden_program(cx: &Context<'_>) -> Verdict {
    std::fs::copy("/bin/true", cx.out.join("tool"))?;
    let result = cx.attempt(cx.policy()?, &ExecRequest::new(cx.out.join("tool")))?;
    ensure(matches!(result, Err(SandboxError::CommandHidden { .. })), || format!("{result:?}"))
}

fn no_program(cx: &Context<'_>) -> Verdict {
    let result = cx.attempt(cx.policy()?, &ExecRequest::new(cx.ro.join("file")))?;
    let right = matches!(result, Err(SandboxError::CommandNotExecutable { .. }));
    ensure(right, || format!("{result:?}"))
}
