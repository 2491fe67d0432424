//! Processes of the host are neither visible nor reachable.

use std::process::{Child, Command, Stdio};

use crate::capability::Feature::{IpcIsolation, ProcessIsolation};
use crate::conformance::context::{Context, all_refused, ensure, own_program};
use crate::conformance::{Case, Verdict, probe, sys};

pub(super) const CASES: &[Case] = &[
    Case::promise("processes::signals_to_the_host_are_refused", &[ProcessIsolation], signals)
        .gap(&["signal"]),
    Case::promise("processes::the_host_is_not_listed", &[ProcessIsolation], listed)
        .gap(&["visible", "listed", "/proc"]),
    Case::promise("processes::the_host_cannot_be_looked_into", &[ProcessIsolation], looked_into)
        .gap(&["visible", "listed", "/proc"]),
    Case::promise("processes::shared_segments_are_out_of_reach", &[IpcIsolation], segments).gap(&[
        "System V",
        "SysV",
        "shared memory",
    ]),
];

/// A process of the host, ended when dropped.
struct Bystander(Child);

impl Bystander {
    fn new() -> Verdict<Self> {
        let mut command = Command::new(own_program());
        command.args([probe::MARK, "sleep", "30000"]).stdout(Stdio::null()).stdin(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signals(cx: &Context<'_>) -> Verdict {
    let mut bystander = Bystander::new()?;
    let id = bystander.id();
    let answers = cx.ask(cx.policy()?, &[&["signal", &id, "0"], &["signal", &id, "15"]])?;
    ensure(bystander.0.try_wait()?.is_none(), || "the host's process was ended".into())?;
    all_refused(&answers)
}

fn listed(cx: &Context<'_>) -> Verdict {
    let bystander = Bystander::new()?;
    let answer = cx.ask_one(cx.policy()?, &["list", "/proc"])?;
    let seen = answer.said.unwrap_or_default();
    ensure(!seen.split(' ').any(|name| name == bystander.id()), || "it is listed".into())
}

fn looked_into(cx: &Context<'_>) -> Verdict {
    let bystander = Bystander::new()?;
    let path = |name: &str| format!("/proc/{}/{name}", bystander.id());
    let files = [path("cmdline"), path("environ"), path("maps"), path("stat"), path("cwd/")];
    let commands: Vec<[&str; 2]> = files.iter().map(|file| ["read", file]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|c| &c[..]).collect();
    let answers = cx.ask(cx.policy()?, &commands)?;
    drop(bystander);
    all_refused(&answers)
}

fn segments(cx: &Context<'_>) -> Verdict {
    let segment = sys::SharedSegment::new()?;
    cx.ask_one(cx.policy()?, &["find-segment", &segment.key.to_string()])?.refused()
}
