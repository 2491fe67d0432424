//! Commands of a session are born before they are known: what could go wrong between the two.

mod stage;

use std::fs;
use std::time::Duration;

use sandbox_core::session::{SandboxBackend, SandboxSpec};
use sandbox_core::{ExecRequest, Exit, Policy, SandboxError};
use stage::{Outcome, Stage};

/// The children of all processes, by their command lines.
fn find(marker: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let fits = |number: &i32| {
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    };
    numbers.filter(fits).collect()
}

fn parent(process: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[tokio::test]
async fn a_long_command_is_as_good_as_a_short_one() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    for length in [10, 60_000, 70_000, 120_000] {
        let text = "x".repeat(length);
        let request = ExecRequest::new("sh").args(["-c", "printf %s \"$1$VALUE\"", "sh", &text]);
        let result = stage.sessions.exec(&id, request.env("VALUE", &text)).await?;
        assert_eq!(result.stdout.text().len(), 2 * length);
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_executed_is_an_error_and_the_next_command_runs() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    stage.run(&id, "printf '\\177ELFbroken' > broken; chmod +x broken").await?;
    for _ in 0..5 {
        let failed = stage.sessions.exec(&id, ExecRequest::new("/work/broken")).await;
        assert!(matches!(failed, Err(SandboxError::CommandNotExecutable { .. })), "{failed:?}");
        assert_eq!(stage.run(&id, "echo next").await?, "next\n");
    }
    Ok(())
}

/// A command leads a session, its group is its own, and what it leaves behind is not its child.
#[tokio::test]
async fn a_command_is_born_like_any_other() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let script = "cut -d' ' -f 1,5,6 /proc/$$/stat; \
                  (sh -c 'sleep 0.2; cut -d\" \" -f 4 /proc/$$/stat > left' &); \
                  while [ ! -s left ]; do sleep 0.01; done; \
                  [ \"$(cat left)\" = $$ ] && echo adopted; umask; ls /proc/self/fd | wc -l";
    let text = stage.run(&id, script).await?;
    let mut lines = text.lines();
    let numbers: Vec<&str> = lines.next().ok_or("nothing")?.split(' ').collect();
    assert!(numbers.iter().all(|number| *number == numbers[0]), "{text}");
    // Its three streams, and the folder that is listed.
    assert_eq!(lines.collect::<Vec<_>>(), ["0022", "4"], "{text}");
    Ok(())
}

/// Whatever ends a helper, its command does not go on without it.
#[tokio::test]
async fn a_command_ends_with_its_helper() -> Outcome {
    let stage = Stage::new()?;
    let id = stage.open(stage.spec()?).await?;
    let marker = format!("born-{}", std::process::id());
    for _ in 0..3 {
        let script = format!(": {marker}; trap '' TERM HUP INT; read x");
        let request = ExecRequest::new("sh").arg("-c").arg(script).with_stdin();
        let mut running = stage.sessions.spawn(&id, request).await?;
        let stdin = running.take_stdin();
        let commands = find(&marker);
        let helper = commands.first().copied().and_then(parent).ok_or("no command")?;
        let helper = rustix::process::Pid::from_raw(helper).ok_or("no helper")?;
        rustix::process::kill_process(helper, rustix::process::Signal::KILL)?;
        let mut looks = 0;
        while find(&marker).iter().any(|left| commands.contains(left)) {
            looks += 1;
            assert!(looks < 1000, "it goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(stdin);
        let discard = || sandbox_core::run::Sink::Discard;
        let ended = running.finish(discard(), discard()).await?;
        assert!(!matches!(ended.exit, Exit::Code(_)), "{ended:?}");
    }
    assert_eq!(stage.run(&id, "echo on").await?, "on\n");
    Ok(())
}

/// What waits for the next command takes nothing away from this one.
#[tokio::test]
async fn a_limit_of_processes_is_the_commands() -> Outcome {
    let stage = Stage::new()?;
    let policy = Policy::read_only().limits(|limits| limits.processes = Some(6)).build()?;
    let id = stage.open(SandboxSpec::new(policy).mount(stage.overlay()?)).await?;
    stage.run(&id, "true").await?;
    let started = |count: usize| {
        format!("i=0; while [ $i -lt {count} ]; do sleep 0.3 & i=$((i+1)); done; wait; echo all")
    };
    assert_eq!(stage.run(&id, &started(4)).await?, "all\n");
    let failed = stage.run(&id, &started(20)).await?;
    assert!(failed.contains("ork"), "{failed}");
    Ok(())
}
