//! Launches a jail: pipes, the handing over, and the first word of the helper.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::pipe::{PipeFlags, pipe_with};
use sandbox_core::{Result, SandboxError};

use crate::abi::OWN_STEPS;
use crate::helper::Helper;
use crate::jail::{Handed, Jail, Tier};
use crate::sys;

/// A helper that has started the payload.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) helper: Helper,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: Option<OwnedFd>,
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
            Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
        };
        if jail.terminal.is_some() {
            let inner = [null()?, null()?, null()?];
            return Ok(Self { inner, stdin: None, stdout: None, stderr: None });
        }
        let pipe = || -> io::Result<(OwnedFd, OwnedFd)> { Ok(pipe_with(PipeFlags::CLOEXEC)?) };
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

/// Starts a jail's payload in a helper that waits.
///
/// # Errors
/// The step that failed; nothing is left of the attempt.
pub(crate) fn launch(jail: &Jail, mut helper: Helper) -> Result<Started> {
    let failed = |what: &'static str| move |source: io::Error| SandboxError::io(what)(source);
    let mut streams = Streams::open(jail).map_err(failed("making pipes"))?;
    let outside_terminal = match jail.terminal {
        Some(size) if jail.tier != Tier::Namespaces => {
            Some(crate::terminal::open(&mut streams.inner, size)?)
        }
        _ => None,
    };
    let (status, status_inner) = status_pipe().map_err(failed("making a pipe"))?;
    let all = descriptors(jail, streams.inner.each_ref(), &status_inner);
    helper.begin(attached(jail), &all)?;
    drop(status_inner);
    let Streams { inner, stdin, stdout, stderr } = streams;
    drop(inner);
    if let Some(error) = first_word(status, jail)? {
        return Err(error);
    }
    let terminal = match outside_terminal {
        None if jail.terminal.is_some() => {
            let control = helper.control().map_err(failed("holding the helper"))?;
            Some(crate::terminal::receive(control)?)
        }
        other => other,
    };
    let keyboard = match &terminal {
        Some(screen) => Some(screen.try_clone().map_err(failed("sharing the terminal"))?),
        None => stdin,
    };
    let missing = || SandboxError::InvalidRequest("the command has no output".into());
    let stdout = terminal.or(stdout).ok_or_else(missing)?;
    Ok(Started { helper, stdin: keyboard, stdout, stderr })
}

/// Sets a sandbox up that lasts, in a helper that waits.
///
/// # Errors
/// As [`launch`].
pub(crate) fn furnish(jail: &Jail, mut helper: Helper) -> Result<Helper> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    let null: OwnedFd = null.map_err(SandboxError::io("opening /dev/null"))?.into();
    let (status, inner) = status_pipe().map_err(SandboxError::io("making a pipe"))?;
    let descriptors = descriptors(jail, [&null, &null, &null], &inner);
    helper.begin(attached(jail), &descriptors)?;
    drop(inner);
    match first_word(status, jail)? {
        Some(error) => Err(error),
        None => Ok(helper),
    }
}

fn status_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// What comes with the start itself.
fn attached(jail: &Jail) -> &[u8] {
    match &jail.program {
        Handed::File(_) => &[],
        Handed::Inline(bytes) => bytes,
    }
}

/// The helper's descriptors in their order. The places of the program and the ruleset are always
/// taken, so that no result of a call can come to lie in them.
fn descriptors<'a>(
    jail: &'a Jail,
    streams: [&'a OwnedFd; 3],
    status: &'a OwnedFd,
) -> Vec<BorrowedFd<'a>> {
    let [stdin, stdout, stderr] = streams;
    let program = match &jail.program {
        Handed::File(file) => file,
        Handed::Inline(_) => stdin,
    };
    let ruleset = jail.ruleset.as_ref().unwrap_or(program);
    let fixed = [stdin, stdout, stderr, status, program, ruleset];
    let extra = jail.identity.namespaces.iter().chain(&jail.commands).map(|file| &**file);
    fixed.into_iter().chain(extra).map(AsFd::as_fd).collect()
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
    let step = failure.step as usize;
    let step = match usize::try_from(failure.list).ok().and_then(|list| jail.names.get(list)) {
        Some(names) => names.get(step).map(ToString::to_string),
        None => OWN_STEPS.get(step).map(|&step| step.into()),
    };
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
    let name = jail.name.clone().filter(|_| source.kind() == io::ErrorKind::NotFound);
    match name {
        Some(program) => SandboxError::CommandNotFound { program },
        None => SandboxError::CommandNotExecutable { path, source },
    }
}
