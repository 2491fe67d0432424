//! A running payload, as the rest of the library sees it: wait, signal, kill, resize.
//!
//! The helper's report is the only message that is believed about the payload's end, and it is
//! checked for its size alone: whatever it says only describes a payload. When the helper dies
//! without one, something ended the sandbox from outside, or the memory limit did.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sandbox_core::confine::{Egress, Ended, Process};
use sandbox_core::{Denials, Exit, KillReason, Result, SandboxError, TerminalSize, Usage};
use tokio::io::unix::AsyncFd;

use crate::abi::{Report, Request, reason, request};
use crate::cgroup::Cgroup;
use crate::egress::WayOut;
use crate::helper::{Ends, Helper};
use crate::sys;

/// A payload and its helper.
#[derive(Debug)]
pub(crate) struct Payload {
    pid: u32,
    control: AsyncFd<OwnedFd>,
    screen: Option<OwnedFd>,
    state: Mutex<State>,
}

/// What is taken away at the end.
#[derive(Debug)]
struct State {
    ended: Option<Ended>,
    /// Of a helper that is our child, until it is taken away.
    pidfd: Option<OwnedFd>,
    cgroup: Option<Cgroup>,
    folder: Option<Arc<crate::private::Folder>>,
    /// The way out, which is nobody's once the payload has ended.
    egress: Option<Arc<dyn WayOut>>,
}

impl Payload {
    /// # Errors
    /// The control socket cannot be watched.
    pub(crate) fn new(
        helper: Helper,
        screen: Option<OwnedFd>,
        cgroup: Cgroup,
        folder: Option<Arc<crate::private::Folder>>,
        egress: Option<Arc<dyn WayOut>>,
    ) -> Result<Self> {
        let pid = helper.pid();
        let held = SandboxError::io("holding the helper");
        let Ends { pidfd, control } = helper.release().map_err(held)?;
        let watched = rustix::io::ioctl_fionbio(&control, true)
            .map_err(io::Error::from)
            .and_then(|()| sys::watch(control));
        let control = watched.map_err(SandboxError::io("watching the helper"))?;
        let state = Mutex::new(State { ended: None, pidfd, cgroup: Some(cgroup), folder, egress });
        Ok(Self { pid, control, screen, state })
    }

    fn request(&self, kind: u32, value: i32) -> Result<()> {
        let request = Request { kind, value };
        let flags = rustix::net::SendFlags::NOSIGNAL;
        match rustix::net::send(self.control.get_ref(), sys::bytes_of_request(&request), flags) {
            // A helper that is gone has nothing left to end.
            Ok(_) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
            Err(error) => Err(SandboxError::io("asking the helper")(error.into())),
        }
    }

    fn way(&self) -> Option<Arc<dyn WayOut>> {
        let state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.egress.clone()
    }

    /// Takes away what the run had, once.
    fn conclude(&self) -> Ended {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(ended) = &state.ended {
            return ended.clone();
        }
        let cgroup = state.cgroup.take().unwrap_or_else(Cgroup::none);
        let control = self.control.get_ref().as_fd();
        let ended = conclude(control, state.pidfd.take(), cgroup);
        state.folder = None;
        if let Some(egress) = state.egress.take() {
            egress.close();
        }
        state.ended = Some(ended.clone());
        ended
    }
}

/// Reads the helper's report, takes its zombie away if it is our child, and measures. Called when the control socket
/// is readable, which is after the last process has ended.
pub(crate) fn conclude(control: BorrowedFd<'_>, pidfd: Option<OwnedFd>, cgroup: Cgroup) -> Ended {
    let mut bytes = [0u8; size_of::<Report>() + 1];
    let flags = rustix::net::RecvFlags::DONTWAIT;
    let read = rustix::net::recv(control, &mut bytes, flags);
    let report = read.ok().and_then(|(length, _)| sys::report_of(&bytes[..length]));
    // A group can only be removed when its last process, the helper, is gone; and a helper that
    // did not report may have left something to wait for.
    match pidfd {
        Some(pidfd) if cgroup.is_empty() && report.is_some() => crate::reaper::bury(pidfd),
        Some(pidfd) => sys::reap(&pidfd),
        None => {}
    }
    let measured = cgroup.measured();
    drop(cgroup);
    let mut usage = Usage::default();
    usage.cpu = measured.cpu.or(report.map(|r| Duration::from_micros(r.cpu)));
    usage.memory_peak = measured.memory_peak.or(report.map(|r| r.peak << 10));
    usage.written = report.map(|r| r.written << 9);
    let exit = match report {
        Some(report) => exit(report, measured.out_of_memory),
        None if measured.out_of_memory => Exit::OutOfMemory,
        None => Exit::Killed(KillReason::SandboxLost),
    };
    Ended { exit, usage, denials: Denials::NotObserved }
}

/// The exit that a report describes.
fn exit(report: Report, out_of_memory: bool) -> Exit {
    match report.reason {
        reason::CPU => Exit::Killed(KillReason::CpuTime),
        reason::MEMORY => Exit::OutOfMemory,
        reason::KILLED => Exit::Killed(KillReason::Requested),
        _ => match (libc::WIFEXITED(report.status), libc::WTERMSIG(report.status)) {
            (true, _) => Exit::Code(libc::WEXITSTATUS(report.status)),
            (_, libc::SIGKILL) if out_of_memory => Exit::OutOfMemory,
            (_, libc::SIGXCPU) => Exit::Killed(KillReason::CpuTime),
            (_, signal) => Exit::Signal(signal),
        },
    }
}

#[async_trait]
impl Process for Payload {
    fn id(&self) -> u32 {
        self.pid
    }

    async fn wait(&self) -> Result<Ended> {
        let known = || {
            let state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            state.ended.clone()
        };
        if let Some(ended) = known() {
            return Ok(ended);
        }
        let ready = self.control.readable().await;
        ready.map_err(SandboxError::io("watching the helper"))?.retain_ready();
        if let Some(egress) = self.way() {
            egress.stop().await;
        }
        Ok(self.conclude())
    }

    fn signal(&self, signal: i32) -> Result<()> {
        self.request(request::SIGNAL, signal)
    }

    fn kill(&self) -> Result<()> {
        self.request(request::KILL, 0)
    }

    fn freeze(&self) -> Result<()> {
        self.request(request::SIGNAL_ALL, libc::SIGSTOP)
    }

    fn thaw(&self) -> Result<()> {
        self.request(request::SIGNAL_ALL, libc::SIGCONT)
    }

    fn egress(&self) -> Option<Arc<dyn Egress>> {
        self.way().map(|way| way as _)
    }

    fn resize(&self, size: TerminalSize) -> Result<()> {
        match &self.screen {
            Some(screen) => crate::terminal::resize(screen, size),
            None => Err(SandboxError::InvalidRequest("the command has no terminal".into())),
        }
    }
}

impl Drop for Payload {
    /// Ends what nobody waited for. The helper ends its tree when the control socket closes; the
    /// kernel does when the first process of a pid namespace dies, which this waits for.
    fn drop(&mut self) {
        let ended = self.state.get_mut().map(|state| state.ended.is_some()).unwrap_or(false);
        if ended {
            return;
        }
        let _ = self.request(request::KILL, 0);
        let readable = rustix::event::PollFlags::IN;
        let socket = self.control.get_ref();
        let mut wait = [rustix::event::PollFd::new(socket, readable)];
        let patience = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
        if !matches!(rustix::event::poll(&mut wait, Some(&patience)), Ok(1..)) {
            // A helper that does not answer is itself ended; its namespace goes with it.
            if let Some(pidfd) = self.state.get_mut().ok().and_then(|state| state.pidfd.as_ref()) {
                let _ = sys::signal(pidfd, libc::SIGKILL);
            }
        }
        self.conclude();
    }
}
