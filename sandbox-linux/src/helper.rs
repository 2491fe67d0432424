//! A living helper, from the clone to the handing over.
//!
//! A helper can be started before its work is known: it depends on the policy only by its
//! namespaces and its cgroup. So a launch starts it first and compiles the jail while the kernel
//! builds the network namespace, which is the longest single step of a launch; and a caller that
//! expects a launch may have one wait. A helper that waits has run nothing, sees nothing of any
//! policy, and ends when this process does.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use sandbox_core::{Result, SandboxError};

use crate::abi::{Request, egress, request};
use crate::cgroup::Cgroup;
use crate::egress::{Counts, Sockets};
use crate::facts::Facts;
use crate::seccomp::{FilterSpec, Network};
use crate::sys::{self, Child, Loan};

/// The helper, as build.rs made it.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox-init"));

/// Capabilities of the user namespace that the set-up needs.
const SETUP: &[u32] = &[
    0,  // CHOWN, and the next two: what an overlay does in the name of who mounted it
    1,  // DAC_OVERRIDE
    3,  // FOWNER
    8,  // SETPCAP: the bounding set
    12, // NET_ADMIN: loopback
    21, // SYS_ADMIN: mounts, the host name, the network namespace
];

/// The namespace that takes long, made by the helper while this process goes on.
const LATE: u64 = libc::CLONE_NEWNET as u64;

/// Below this number descriptors are put in place; whatever is put there comes from above it.
const HIGH: i32 = 64;

/// Moves a descriptor above all those that are put in place.
pub(crate) fn high(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= HIGH {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, HIGH)?)
}

/// What of a policy has to be known before a helper is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Birth {
    /// The namespaces that it has or makes.
    pub(crate) namespaces: u64,
    /// Whether anything is given up at all.
    pub(crate) confined: bool,
    /// The filter, where it allows all that the helper does after its birth.
    pub(crate) filter: Option<FilterSpec>,
    /// The sockets that it makes in its network, where that has a way out.
    pub(crate) sockets: Option<Counts>,
}

impl Birth {
    /// Whether this process makes its sockets.
    pub(crate) fn is_supplied(&self) -> bool {
        self.filter.is_some_and(|spec| spec.network == Network::Proxy)
    }

    /// The same, as an order has it.
    fn listened(self) -> i32 {
        if self.is_supplied() { egress::LISTENER.cast_signed() } else { 0 }
    }
}

/// A helper that waits for its work. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Helper {
    pid: u32,
    birth: Birth,
    /// Of one that is being born.
    loan: Option<Loan>,
    ends: Option<Ends>,
}

/// What a helper is held by.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Of a child of this process; a helper that was forked in a sandbox is none.
    pub(crate) pidfd: Option<OwnedFd>,
    pub(crate) control: OwnedFd,
}

impl Helper {
    /// Starts one, which comes to be while this process goes on.
    ///
    /// # Errors
    /// The step that failed at once; nothing is left of the attempt.
    pub(crate) fn start(birth: Birth, facts: &Facts, cgroup: &Cgroup) -> Result<Self> {
        let failed = SandboxError::io("making a socket");
        let (control, inner) = control_socket().map_err(failed)?;
        if birth.confined {
            // Waits in the socket until there is a helper to read it.
            let late = i32::try_from(birth.namespaces & LATE).unwrap_or_default();
            let late = late | birth.sockets.map_or(0, Counts::in_order) | birth.listened();
            let filter = birth.filter.map(|spec| crate::filters::filter(&spec)).transpose()?;
            order(&control, request::AHEAD, late, filter.as_deref().unwrap_or_default(), &[])
                .map_err(SandboxError::io("asking the helper"))?;
        }
        let cloned = clone(birth.namespaces & !LATE, facts, cgroup, inner.as_fd())?;
        let ends = Some(Ends { pidfd: Some(cloned.pidfd), control });
        Ok(Self { pid: cloned.pid, birth, loan: Some(cloned.loan), ends })
    }

    /// Has the first process of a sandbox that lasts, which `agent` leads to, fork one.
    ///
    /// # Errors
    /// What the kernel answers: the sandbox is gone, say.
    pub(crate) fn enter(agent: &OwnedFd, pid: u32, birth: Birth) -> Result<Self> {
        let failed = || SandboxError::io("entering the sandbox");
        let (control, inner) = control_socket().map_err(failed())?;
        let filter = birth.filter.map(|spec| crate::filters::filter(&spec)).transpose()?;
        order(&control, request::AHEAD, 0, filter.as_deref().unwrap_or_default(), &[])
            .map_err(failed())?;
        order(agent, request::ENTER, 0, &[], &[inner.as_fd()]).map_err(failed())?;
        Ok(Self { pid, birth, loan: None, ends: Some(Ends { pidfd: None, control }) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells a helper that was forked that its start comes in a moment.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(crate) fn ready(&self) -> io::Result<()> {
        let processor = i32::try_from(rustix::thread::sched_getcpu()).unwrap_or(-1);
        order(self.control()?, request::READY, processor, &[], &[])
    }

    /// Waits until it has come to be.
    ///
    /// # Errors
    /// The step that failed.
    fn settle(&mut self) -> Result<()> {
        self.loan.take().map_or(Ok(()), Loan::settle).map_err(not_born)
    }

    /// Gives the helper its descriptors, in the order of [`crate::abi::fd`], and so its start. To one
    /// that was forked the program may be attached.
    ///
    /// # Errors
    /// The step of its birth that failed; what the kernel answers.
    pub(crate) fn begin(&mut self, attached: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        self.settle()?;
        let control = self.control();
        let begun = control.and_then(|it| order(it, request::START, 0, attached, descriptors));
        begun.map_err(SandboxError::io("starting the helper"))
    }

    /// Takes the sockets of its network, which it makes ahead.
    ///
    /// # Errors
    /// The step of its birth that failed.
    pub(crate) fn sockets(&mut self) -> Result<Sockets> {
        self.settle()?;
        let failed = || SandboxError::io("taking the sockets of the way out");
        let counts =
            self.birth.sockets.ok_or(io::ErrorKind::InvalidInput.into()).map_err(failed())?;
        Sockets::receive(self.control().map_err(failed())?, counts)
    }

    /// Takes the listener of its filter, which it hands over ahead.
    ///
    /// # Errors
    /// The step of its birth that failed.
    pub(crate) fn listener(&mut self) -> Result<OwnedFd> {
        self.settle()?;
        let control = self.control().map_err(SandboxError::io("taking the way out"))?;
        crate::egress::listener(control)
    }

    pub(crate) fn control(&self) -> io::Result<&OwnedFd> {
        let ends = self.ends.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(&ends.control)
    }

    /// What it is held by: from now on the caller ends it.
    ///
    /// # Errors
    /// None, for a helper that was not released before.
    pub(crate) fn release(mut self) -> io::Result<Ends> {
        self.ends.take().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(Ends { pidfd, control }) = self.ends.take() {
            drop(control);
            if let Some(pidfd) = pidfd {
                let _ = sys::signal(&pidfd, libc::SIGKILL);
                self.loan = None;
                sys::reap(&pidfd);
            }
        }
    }
}

/// At most one helper that waits for a launch nobody has asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Option<Helper>>);

impl Spare {
    /// The one that waits, if it is what is needed, or a new one.
    ///
    /// # Errors
    /// As [`Helper::start`].
    pub(crate) fn take(&self, birth: Birth, facts: &Facts, cgroup: &Cgroup) -> Result<Helper> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut helper) = waiting.filter(|it| it.birth == birth && cgroup.is_empty())
            // Of one that was not born the next one tells why.
            && helper.settle().is_ok()
        {
            return Ok(helper);
        }
        Helper::start(birth, facts, cgroup)
    }

    /// Has one wait, if it can be made; a launch will say why not.
    pub(crate) fn put(&self, birth: Birth, facts: &Facts) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Helper::start(birth, facts, &Cgroup::none()).ok();
        }
    }

    /// The same, for a caller that has nothing else to do: it sleeps until the helper has come to be,
    /// so that the two do not share a processor.
    pub(crate) fn put_and_wait(&self, birth: Birth, facts: &Facts) {
        self.put(birth, facts);
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place.as_mut().is_some_and(|helper| helper.settle().is_err()) {
            *place = None;
        }
    }
}

/// The helper's file, made once.
fn program() -> io::Result<BorrowedFd<'static>> {
    static FILE: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(file) = FILE.get() {
        return Ok(file.as_fd());
    }
    let made = high(sys::sealed_file(c"sandbox-init", PROGRAM, true)?)?;
    Ok(FILE.get_or_init(|| made).as_fd())
}

/// Clones the child that becomes the helper.
fn clone(
    namespaces: u64,
    facts: &Facts,
    cgroup: &Cgroup,
    control: BorrowedFd<'_>,
) -> Result<sys::Cloned> {
    let maps: [(&CStr, String); 3] = [
        (c"/proc/self/uid_map", one_to_one(facts.user)),
        (c"/proc/self/setgroups", "deny".into()),
        (c"/proc/self/gid_map", one_to_one(facts.group)),
    ];
    let own_users = namespaces & u64::from(libc::CLONE_NEWUSER.unsigned_abs()) != 0;
    let child = Child {
        flags: namespaces,
        tasks: cgroup.tasks(),
        maps: if own_users { maps.into() } else { Vec::new() },
        keep: if own_users { SETUP } else { &[] },
        control: control.as_raw_fd(),
        helper: program().map_err(SandboxError::io("making the helper's file"))?,
    };
    sys::clone_helper(child, cgroup.folder()).map_err(not_born)
}

fn not_born((step, source): (usize, io::Error)) -> SandboxError {
    SandboxError::Launch { step: sys::CHILD_STEPS[step].into(), source }
}

fn one_to_one(id: u32) -> String {
    format!("{id} {id} 1")
}

/// A socket that keeps messages apart, for requests, the terminal and the report.
fn control_socket() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let (ours, inner) = rustix::net::socketpair(kind.0, kind.1, kind.2, None)?;
    Ok((ours, high(inner)?))
}

pub(crate) fn order(
    control: &OwnedFd,
    kind: u32,
    value: i32,
    attached: &[u8],
    rights: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let request = Request { kind, value };
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(rights.len()))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !rights.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(rights)) {
        return Err(io::ErrorKind::ArgumentListTooLong.into());
    }
    let parts = [io::IoSlice::new(sys::bytes_of_request(&request)), io::IoSlice::new(attached)];
    rustix::net::sendmsg(control, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
