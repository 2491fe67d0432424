//! The conversation with the first process, whatever programs do.

use std::error::Error;
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_core::plan::{Host, Plan};
use sandbox_core::{ExecRequest, Policy};

use super::*;
use crate::handover::Handover;
use crate::jail::Tier;
use crate::program::Phase;

/// A room whose first process cannot hold many descriptors.
fn room() -> Result<Room, Box<dyn Error>> {
    let few = Rlimit { current: Some(1024), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, few)?;
    of(&Policy::read_only().build()?, Cgroup::none())
}

fn of(policy: &Policy, cgroup: Cgroup) -> Result<Room, Box<dyn Error>> {
    let plan = Plan::without_command(policy, &Host::current())?;
    let facts = Facts::ask();
    let birth = ns::birth(&plan, Tier::Namespaces, &facts, false);
    let helper = Helper::start(birth, &facts, &cgroup)?;
    Ok(Room::open(&plan, &facts, helper, cgroup, Outward::default())?)
}

/// Opens the root, hands it over if `sent`, and then does what cannot be done.
fn failing(sent: bool) -> Program {
    let mut program = Program::new();
    let root = Handover::new(&mut program);
    let path = program.text("/");
    let arguments = [libc::AT_FDCWD.into(), path.into(), libc::O_PATH.into(), 0.into()];
    program.call(Phase::Setup, "open the root", libc::SYS_openat, &arguments).store(root.slot());
    if sent {
        root.send(&mut program, "the root");
    }
    program.setup("fail", libc::SYS_close, &[(-1).into()]);
    program
}

#[test]
fn a_program_that_fails_leaves_the_conversation_in_order() -> Result<(), Box<dyn Error>> {
    let room = room()?;
    // More than the first process could hold, if it kept what a program has left open.
    for round in 0..3000 {
        let (done, handed) = exchange(&room.state(), failing(round % 2 == 0), None)?;
        assert_eq!(done, Err(("fail".into(), libc::EBADF)));
        assert!(handed.is_none());
    }
    assert!(room.run(Program::new())?.is_ok());
    Ok(())
}

#[test]
fn calls_for_nobody_leave_nothing() -> Result<(), Box<dyn Error>> {
    let room = room()?;
    for _ in 0..3000 {
        let refused = room.dial(9);
        let Err(SandboxError::Io { source, .. }) = refused else {
            return Err("somebody listens".into());
        };
        assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
    }
    Ok(())
}

/// With groups of version 1 the rest is the same. Where none can be made there is nothing to see.
#[tokio::test]
async fn groups_of_version_one_stand_still_and_end() -> Result<(), Box<dyn Error>> {
    let Some(commands) = Freezer::of_version_one() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let policy = Policy::workspace(fs::canonicalize(folder.path())?)?.build()?;
    let mut cgroup = Cgroup::none();
    cgroup.commands = Some(commands);
    let room = of(&policy, cgroup)?;
    let script = "while :; do printf . >> beats; sleep 0.01; done";
    let request = ExecRequest::new("sh").arg("-c").arg(script);
    let running = room.start(&Plan::new(&policy, &request, &Host::current())?)?;
    let count = || fs::read(folder.path().join("beats")).map_or(0, |beats| beats.len());
    while count() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    room.freeze()?;
    let before = count();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(count(), before);
    room.thaw()?;
    while count() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    room.freeze()?;
    room.end().await?;
    running.process.wait().await?;
    Ok(())
}

/// The processes below another one, with their states.
fn below(parent: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let mut words = tail.split_whitespace();
        let (state, above) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if above == parent.to_string() {
            let id = head.split_whitespace().next().and_then(|id| id.parse().ok());
            found.push((id.unwrap_or_default(), state.to_owned()));
        }
    }
    found
}

/// Who waits in a system call that nothing interrupts counts as work in the system's load.
#[test]
fn what_waits_for_a_command_is_no_load() -> Result<(), Box<dyn Error>> {
    let room = room()?;
    let policy = Policy::read_only().build()?;
    room.warm_up(&Plan::without_command(&policy, &Host::current())?);
    let mut seen = Vec::new();
    for _ in 0..2000 {
        std::thread::sleep(Duration::from_millis(1));
        let helpers = below(room.pid);
        seen = helpers.iter().flat_map(|(id, _)| below(*id)).chain(helpers.clone()).collect();
        if seen.len() == 2 && seen.iter().all(|(_, state)| state == "S") {
            return Ok(());
        }
    }
    Err(format!("{seen:?}").into())
}
