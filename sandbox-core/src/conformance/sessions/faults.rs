//! Limits, networks and ports of sessions, and calls on what there is not.

use std::net::{Ipv4Addr, TcpListener};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::Scene;
use super::sandbox::{Sandbox, probing};
use crate::capability::Feature::{Memory, NetworkDeny, OpenFiles, Processes};
use crate::conformance::context::{Answer, answers, ensure};
use crate::conformance::{Case, Stop, Verdict};
use crate::error::SandboxError;
use crate::exec::Exit;
use crate::ids::SessionId;
use crate::policy::network::NetworkPolicy;
use crate::session::SandboxSpec;
use crate::size::ByteSize;

pub(super) const CASES: &[Case] = &[
    Case::session("sessions::faults::memory_has_its_limit", memory)
        .under(&[Memory])
        .alone()
        .gap(&["each process", "told"]),
    Case::session("sessions::faults::processes_have_their_limit", processes)
        .under(&[Processes])
        .alone()
        .gap(&["each process", "user", "root"]),
    Case::session("sessions::faults::open_files_have_their_limit", open_files).under(&[OpenFiles]),
    Case::session("sessions::faults::the_host_cannot_be_reached", denied).under(&[NetworkDeny]),
    Case::session("sessions::faults::a_network_policy_changes_or_stays", network_policy),
    Case::session("sessions::faults::a_port_is_published_on_the_loopback", published),
    Case::session("sessions::faults::a_taken_port_gives_way_to_another", taken_port),
    Case::session("sessions::faults::an_unknown_session_is_told", unknown),
];

fn memory(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec_under(cx.policy()?.memory(ByteSize::from_mib(96)))?)?;
    let commands: [&[&str]; 1] = [&["hold", "256"]];
    let result = sandbox.run(sandbox.request(&commands))?;
    if result.exit.success() {
        answers(&result, &commands)?.iter().try_for_each(Answer::refused)?;
    } else {
        let ended = matches!(result.exit, Exit::OutOfMemory | Exit::Signal(_));
        ensure(ended, || format!("it ended with {:?}", result.exit))?;
    }
    sandbox.works()
}

fn processes(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.open(cx.spec_under(cx.policy()?.processes(16))?)?;
    sandbox.ask_one(&["fork-many", "64"])?.refused()?;
    sandbox.works()
}

fn open_files(cx: &Scene<'_>) -> Verdict {
    let limited = |limits: &mut crate::policy::limits::ResourceLimits| limits.open_files = Some(32);
    let sandbox = cx.open(cx.spec_under(cx.policy()?.limits(limited))?)?;
    sandbox.ask_one(&["open-many", "64"])?.refused()?;
    sandbox.ask_one(&["open-many", "8"])?.allowed().map(drop)
}

/// A server of the host at which nobody is greeted: whoever gets through waits in its queue.
struct Silent {
    listener: TcpListener,
    address: String,
}

impl Silent {
    fn new() -> Verdict<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        Ok(Self { listener, address })
    }

    /// Whether a command of the session gets through.
    fn is_reached_by(&self, sandbox: &Sandbox<'_>) -> Verdict<bool> {
        sandbox.ask_one(&["tcp", &self.address])?;
        Ok(self.listener.accept().is_ok())
    }
}

fn denied(cx: &Scene<'_>) -> Verdict {
    let came = Silent::new()?.is_reached_by(&cx.sandbox()?)?;
    ensure(!came, || "the host was reached".into())
}

/// The same one is no change; another one holds from then on, or is refused and nothing changes.
fn network_policy(cx: &Scene<'_>) -> Verdict {
    let (host, sandbox) = (Silent::new()?, cx.sandbox()?);
    ensure(!host.is_reached_by(&sandbox)?, || "the host was reached".into())?;
    let apply = |policy| cx.wait(cx.backend.apply_network_policy(&sandbox.id, policy));
    apply(NetworkPolicy::denied())??;
    let other = apply(NetworkPolicy::Unrestricted)?;
    let came = host.is_reached_by(&sandbox)?;
    match &other {
        Ok(()) => ensure(came, || "the new policy does not hold".into())?,
        Err(error) => {
            let typed =
                matches!(error, SandboxError::Unsupported { .. } | SandboxError::InvalidRequest(_));
            ensure(typed && !came, || format!("{error}; the host was reached: {came}"))?;
        }
    }
    cx.offered(other)
}

/// A session in which somebody serves at a port that is free on the host, and the port.
fn serving<'a>(cx: &'a Scene<'_>) -> Verdict<(Sandbox<'a>, u16)> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut refusal = None;
    for network in [NetworkPolicy::denied(), NetworkPolicy::Unrestricted] {
        let policy = cx.policy()?.network(network).build()?;
        let sandbox = cx.open(SandboxSpec::new(policy))?;
        let commands: [&[&str]; 1] = [&["serve", &free.to_string(), &cx.token]];
        let task = sandbox.start(probing(&commands))?;
        let tasks = sandbox.tasks()?;
        let ready = cx.eventually(async || {
            let log = tasks.log(&sandbox.id, task).await?;
            let text = String::from_utf8_lossy(&log);
            ensure(!text.contains("err "), || format!("nobody serves: {text}"))?;
            Ok(text.contains("ready"))
        });
        match ready {
            Ok(()) => return Ok((sandbox, free)),
            Err(error) => refusal = Some(error),
        }
        sandbox.terminate()?;
    }
    Err(refusal.unwrap_or_else(|| Stop::failed("nobody serves")))
}

async fn greeting(address: Ipv4Addr, port: u16) -> std::io::Result<String> {
    let mut text = String::new();
    TcpStream::connect((address, port)).await?.read_to_string(&mut text).await?;
    Ok(text)
}

fn published(cx: &Scene<'_>) -> Verdict {
    let (sandbox, inside) = serving(cx)?;
    let port = cx.wait(cx.backend.publish(&sandbox.id, inside, None))?;
    let port = cx.offered(port)?;
    ensure(port.inside == inside && port.host != 0, || format!("{port:?}"))?;
    let text = cx.wait(greeting(Ipv4Addr::LOCALHOST, port.host))??;
    ensure(text == "served", || format!("it says {text:?}"))?;
    // Any other address of this machine would do; this one every Linux has.
    let elsewhere = cx.wait(greeting(Ipv4Addr::new(127, 0, 0, 2), port.host))?;
    ensure(elsewhere.is_err(), || "it answers at other addresses too".into())?;
    let again = cx.wait(cx.backend.publish(&sandbox.id, inside, None))??;
    ensure(again == port, || format!("{again:?} after {port:?}"))?;
    let all = cx.wait(cx.backend.ports(&sandbox.id))??;
    ensure(all == [port], || format!("{all:?}"))?;
    cx.wait(cx.backend.unpublish(&sandbox.id, inside))??;
    let closed = cx.wait(greeting(Ipv4Addr::LOCALHOST, port.host))?;
    ensure(!matches!(&closed, Ok(text) if !text.is_empty()), || "it is still open".into())?;
    let unknown = cx.wait(cx.backend.unpublish(&sandbox.id, inside))?;
    ensure(matches!(unknown, Err(SandboxError::NotFound { .. })), || format!("{unknown:?}"))
}

fn taken_port(cx: &Scene<'_>) -> Verdict {
    let (sandbox, inside) = serving(cx)?;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let wanted = taken.local_addr()?.port();
    let port = cx.wait(cx.backend.publish(&sandbox.id, inside, Some(wanted)))?;
    let port = cx.offered(port)?;
    ensure(port.host != wanted, || "a port was given twice".into())?;
    let text = cx.wait(greeting(Ipv4Addr::LOCALHOST, port.host))??;
    ensure(text == "served", || format!("it says {text:?}"))?;
    let none = cx.wait(cx.backend.publish(&sandbox.id, 0, None))?;
    ensure(matches!(none, Err(SandboxError::InvalidRequest(_))), || format!("{none:?}"))?;
    sandbox.terminate()?;
    let gone = cx.wait(greeting(Ipv4Addr::LOCALHOST, port.host))?;
    ensure(!matches!(&gone, Ok(text) if !text.is_empty()), || "it outlived its session".into())
}

fn unknown(cx: &Scene<'_>) -> Verdict {
    let sandbox = cx.sandbox()?;
    let id = SessionId::new("nobody").map_err(SandboxError::from)?;
    let get = cx.wait(cx.backend.get(&id))?.map(drop);
    let exec = cx.wait(cx.backend.exec(&id, probing(&[&["cwd"]])))?.map(drop);
    let end = cx.wait(cx.backend.terminate(&id))?;
    for (call, result) in [("get", get), ("exec", exec), ("terminate", end)] {
        let typed =
            matches!(&result, Err(SandboxError::SessionNotFound { id }) if id.as_str() == "nobody");
        ensure(typed, || format!("{call}: {result:?}"))?;
    }
    // That no session is dropped is no error.
    cx.wait(async { cx.backend.abandon(&id) })?;
    sandbox.works()
}
