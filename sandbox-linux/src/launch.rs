//! Launches a jail: pipes, the clone, and the first word of the helper.

use std::ffi::CStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{PipeFlags, pipe_with};
use sandbox_core::{Result, SandboxError};

use crate::abi::fd;
use crate::cgroup::Cgroup;
use crate::facts::Facts;
use crate::jail::{Jail, Tier};
use crate::sys::{self, Child};

/// The helper, as build.rs made it.
static HELPER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox-init"));

/// Capabilities of the user namespace that the set-up needs.
const SETUP: &[u32] = &[
    8,  // SETPCAP: the bounding set
    12, // NET_ADMIN: loopback
    21, // SYS_ADMIN: mounts, the host name
];

/// Below this number descriptors are put in place; whatever is put there comes from above it.
const HIGH: i32 = 64;

/// A helper that has started the payload.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) control: OwnedFd,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: Option<OwnedFd>,
}

/// Moves a descriptor above all those that are put in place.
pub(crate) fn high(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= HIGH {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, HIGH)?)
}

/// The helper's file, made once.
fn helper() -> io::Result<BorrowedFd<'static>> {
    static FILE: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(file) = FILE.get() {
        return Ok(file.as_fd());
    }
    let made = high(sys::sealed_file(c"sandbox-init", HELPER, true)?)?;
    Ok(FILE.get_or_init(|| made).as_fd())
}

/// The payload's three streams, and our ends of them.
struct Streams {
    inner: [OwnedFd; 3],
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Streams {
    /// Pipes; a terminal's place is held by `/dev/null` until the helper has made it.
    fn open(jail: &Jail) -> io::Result<Self> {
        let null = || -> io::Result<OwnedFd> {
            high(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
        };
        if jail.terminal.is_some() {
            let inner = [null()?, null()?, null()?];
            return Ok(Self { inner, stdin: None, stdout: None, stderr: None });
        }
        let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
            Ok((high(reader)?, high(writer)?))
        };
        let (out, out_inner) = pipe()?;
        let (err, err_inner) = pipe()?;
        let (stdin_inner, stdin) = if jail.stdin {
            let (inner, ours) = pipe()?;
            (inner, Some(ours))
        } else {
            (null()?, None)
        };
        let inner = [stdin_inner, out_inner, err_inner];
        Ok(Self { inner, stdin, stdout: Some(out), stderr: Some(err) })
    }
}

/// Starts a jail's payload.
///
/// # Errors
/// The step that failed; nothing is left of the attempt.
pub(crate) fn launch(jail: &Jail, facts: &Facts, cgroup: &Cgroup) -> Result<Started> {
    let failed = |what: &'static str| move |source: io::Error| SandboxError::io(what)(source);
    let mut streams = Streams::open(jail).map_err(failed("making pipes"))?;
    let outside_terminal = match jail.terminal {
        Some(size) if jail.tier != Tier::Namespaces => {
            Some(crate::terminal::open(&mut streams.inner, size)?)
        }
        _ => None,
    };
    let (control, control_inner) = control_socket().map_err(failed("making a socket"))?;
    let (status, status_inner) = status_pipe().map_err(failed("making a pipe"))?;
    let descriptors = descriptors(jail, &streams, &control_inner, &status_inner);
    let cloned = start_helper(jail, facts, cgroup, &descriptors)?;
    drop((control_inner, status_inner));
    let Streams { inner, stdin, stdout, stderr } = streams;
    drop(inner);
    if let Some(error) = first_word(status, jail)? {
        let _ = sys::signal(&cloned.pidfd, libc::SIGKILL);
        sys::reap(&cloned.pidfd);
        return Err(error);
    }
    let terminal = match outside_terminal {
        None if jail.terminal.is_some() => Some(crate::terminal::receive(&control)?),
        other => other,
    };
    let keyboard = match &terminal {
        Some(screen) => Some(screen.try_clone().map_err(failed("sharing the terminal"))?),
        None => stdin,
    };
    let missing = || SandboxError::InvalidRequest("the command has no output".into());
    let stdout = terminal.or(stdout).ok_or_else(missing)?;
    let (pid, pidfd) = (cloned.pid, cloned.pidfd);
    Ok(Started { pid, pidfd, control, stdin: keyboard, stdout, stderr })
}

/// Clones the child that becomes the helper.
fn start_helper(
    jail: &Jail,
    facts: &Facts,
    cgroup: &Cgroup,
    descriptors: &[(i32, i32)],
) -> Result<sys::Cloned> {
    let (user, group) = (one_to_one(facts.user), one_to_one(facts.group));
    let maps: [(&CStr, &[u8]); 3] = [
        (c"/proc/self/uid_map", user.as_bytes()),
        (c"/proc/self/setgroups", b"deny"),
        (c"/proc/self/gid_map", group.as_bytes()),
    ];
    let own_users = jail.namespaces & u64::from(libc::CLONE_NEWUSER.unsigned_abs()) != 0;
    let tasks = cgroup.tasks();
    let child = Child {
        flags: jail.namespaces,
        cgroup: cgroup.folder(),
        tasks: &tasks,
        maps: if own_users { &maps } else { &[] },
        keep: if own_users { SETUP } else { &[] },
        descriptors,
        last: descriptors.last().map_or(fd::RULESET, |(_, to)| *to) + 1,
        helper: helper().map_err(SandboxError::io("making the helper's file"))?,
    };
    sys::clone_helper(&child).map_err(|(step, source)| SandboxError::Launch {
        step: sys::CHILD_STEPS[step].into(),
        source,
    })
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

fn status_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, inner) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((ours, high(inner)?))
}

/// Which descriptor goes where. The ruleset's place is always taken, so that no result of a call
/// can come to lie in it.
fn descriptors(
    jail: &Jail,
    streams: &Streams,
    control: &OwnedFd,
    status: &OwnedFd,
) -> Vec<(i32, i32)> {
    let ruleset = jail.ruleset.as_ref().unwrap_or(&jail.program);
    let fixed = [
        (&streams.inner[0], 0),
        (&streams.inner[1], 1),
        (&streams.inner[2], 2),
        (control, fd::CONTROL),
        (status, fd::STATUS),
        (&jail.program, fd::PROGRAM),
        (ruleset, fd::RULESET),
    ];
    let extra = jail.identity.namespaces.iter().map(|file| &**file).zip(fd::FIRST_EXTRA..);
    fixed.into_iter().chain(extra).map(|(file, to)| (file.as_raw_fd(), to)).collect()
}

/// Waits until the payload has executed its command, or for the step that failed.
fn first_word(status: OwnedFd, jail: &Jail) -> Result<Option<SandboxError>> {
    let mut word = Vec::new();
    let mut file = std::fs::File::from(status);
    file.read_to_end(&mut word).map_err(SandboxError::io("reading the helper's status"))?;
    if word.is_empty() {
        return Ok(None);
    }
    let Some(failure) = sys::failure_of(&word) else {
        let step = "the helper's start".into();
        return Ok(Some(SandboxError::Launch { step, source: io::ErrorKind::InvalidData.into() }));
    };
    let source = io::Error::from_raw_os_error(failure.errno);
    let names = usize::try_from(failure.list).ok().and_then(|list| jail.names.get(list));
    let step = names.and_then(|names| names.get(failure.step as usize)).cloned();
    let step = step.unwrap_or_else(|| "start the helper".into());
    if failure.list == 1 && step.starts_with("execute ") {
        return Ok(Some(not_executed(jail, source)));
    }
    Ok(Some(SandboxError::Launch { step, source }))
}

fn not_executed(jail: &Jail, source: io::Error) -> SandboxError {
    let path: PathBuf = jail.candidates.first().cloned().unwrap_or_default();
    if source.raw_os_error() == Some(libc::E2BIG) {
        return SandboxError::InvalidRequest(
            "the arguments and variables together are larger than Linux takes: pass them in a \
             file or on standard input"
                .into(),
        );
    }
    SandboxError::CommandNotExecutable { path, source }
}
