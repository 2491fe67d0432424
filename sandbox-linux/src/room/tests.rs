//! The conversation with the first process, whatever programs do.

use std::error::Error;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_core::Policy;
use sandbox_core::plan::{Host, Plan};

use super::*;
use crate::handover::Handover;
use crate::program::Phase;

/// A room whose first process cannot hold many descriptors.
fn room() -> Result<Room, Box<dyn Error>> {
    let few = Rlimit { current: Some(1024), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, few)?;
    let plan = Plan::without_command(&Policy::read_only().build()?, &Host::current())?;
    let facts = Facts::ask();
    let helper = Helper::start(
        ns::birth(&plan, crate::jail::Tier::Namespaces, &facts),
        &facts,
        &Cgroup::none(),
    )?;
    Ok(Room::open(&plan, &facts, helper, Cgroup::none())?)
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
        let (done, handed) = room.exchange(failing(round % 2 == 0))?;
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
