//! The payload's own list: from a process of the helper's to the command, with nothing left.
//!
//! The order is the argument. Whatever needs a right comes before the right is given up, and the
//! filter comes last, because what precedes it must still be allowed to happen. What needs no right
//! and no policy the helper did ahead, and its children inherit it: an empty bounding set, a keyring
//! of their own, and on the Landlock tier, where the filter allows all of this list, the filter.
//!
//! 1. a session of its own, so that no terminal of the caller can be opened or fed; in a sandbox that
//!    lasts, where the process is born before its command is known, it has begun one then;
//! 2. what a process inherits and is seldom thought of: signal mask, umask, personality;
//! 3. resource limits;
//! 4. another user for a root caller, then no capability in any set and no way back to one; and the
//!    end together with the helper, which becoming another user would undo;
//! 5. Landlock, the descriptors, the filter;
//! 6. the command.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use sandbox_core::path::quoted;
use sandbox_core::plan::Plan;
use sandbox_core::{Result, SandboxError};

use crate::abi::fd;
use crate::filters::INSTRUCTION;
use crate::jail::Variables;
use crate::program::{Phase, Program};

/// The longest single argument or variable that `execve` takes, with its NUL.
const LONGEST_ARGUMENT: usize = 32 * 4096;

/// Everything about the payload's process that is not a mount.
pub(crate) struct Payload<'a> {
    pub(crate) candidates: &'a [std::path::PathBuf],
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
    pub(crate) cwd: &'a Path,
    /// The user and group that a root caller's payload becomes.
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) rlimits: &'a [(u32, u64, u64)],
    pub(crate) affinity: Option<u64>,
    pub(crate) landlock: bool,
    /// Whether the process was born ahead, and leads a session already.
    pub(crate) in_session: bool,
    pub(crate) terminal: bool,
    /// The system-call filter, as the kernel reads it.
    pub(crate) filter: Option<&'a [u8]>,
    /// Whether anything is given up at all; without, only the environment is.
    pub(crate) confined: bool,
}

pub(crate) fn compile(program: &mut Program, payload: &Payload<'_>) {
    session(program, payload.in_session, payload.terminal);
    inherited(program);
    limits(program, payload);
    if payload.confined {
        privileges(program, payload.user);
    }
    // Without a pid namespace of the command's own, a helper that is killed takes at least its child
    // along. Another user would not have inherited this.
    let arguments = [libc::PR_SET_PDEATHSIG.into(), libc::SIGKILL.into()];
    program.call(Phase::Payload, "end with the helper", libc::SYS_prctl, &arguments);
    let cwd = program.path(payload.cwd);
    let text = format!("go to {}", quoted(payload.cwd));
    program.call(Phase::Payload, text, libc::SYS_chdir, &[cwd.into()]);
    if payload.landlock {
        let arguments = [fd::RULESET.into(), 0.into()];
        let call = libc::SYS_landlock_restrict_self;
        program.call(Phase::Payload, "enter the Landlock domain", call, &arguments);
    }
    descriptors(program);
    if let Some(filter) = payload.filter {
        seccomp_filter(program, filter);
    }
    execute(program, payload);
}

fn session(program: &mut Program, in_session: bool, terminal: bool) {
    if !in_session {
        program.call(Phase::Payload, "start a session", libc::SYS_setsid, &[]);
    }
    if terminal {
        let arguments = [0.into(), libc::TIOCSCTTY.into(), 0.into()];
        program.call(Phase::Payload, "take the terminal", libc::SYS_ioctl, &arguments);
    }
}

fn inherited(program: &mut Program) {
    let none = program.words(&[0]);
    let arguments = [libc::SIG_SETMASK.into(), none.into(), 0.into(), 8.into()];
    program.call(Phase::Payload, "unblock signals", libc::SYS_rt_sigprocmask, &arguments);
    program.call(Phase::Payload, "set the umask", libc::SYS_umask, &[0o022.into()]);
    program.call(Phase::Payload, "reset the personality", libc::SYS_personality, &[0.into()]);
}

fn limits(program: &mut Program, payload: &Payload<'_>) {
    for &(resource, soft, hard) in payload.rlimits {
        let limit = program.words(&[soft, hard]);
        let text = format!("limit {} to {soft}", crate::rlimit::name(resource));
        let arguments = [0.into(), resource.into(), limit.into(), 0.into()];
        program.call(Phase::Payload, text, libc::SYS_prlimit64, &arguments);
    }
    if let Some(mask) = payload.affinity {
        let bits = program.words(&[mask]);
        let arguments = [0.into(), 8.into(), bits.into()];
        program.call(Phase::Payload, "choose CPUs", libc::SYS_sched_setaffinity, &arguments);
    }
}

fn privileges(program: &mut Program, user: Option<(u32, u32)>) {
    // NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, each locked.
    const SECUREBITS: u64 = 0b1110_1111;
    let refused = &[libc::EPERM];
    let arguments = [libc::PR_SET_SECUREBITS.into(), SECUREBITS.into()];
    // Only a caller that had the right to change them could have set them otherwise.
    program
        .call(Phase::Payload, "lock the secure bits", libc::SYS_prctl, &arguments)
        .tolerate(refused);
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL;
    let arguments = [libc::PR_CAP_AMBIENT.into(), clear.into(), 0.into(), 0.into(), 0.into()];
    program.call(Phase::Payload, "clear ambient capabilities", libc::SYS_prctl, &arguments);
    if let Some((user, group)) = user {
        program.call(
            Phase::Payload,
            "leave all groups",
            libc::SYS_setgroups,
            &[0.into(), 0.into()],
        );
        let group = [group.into(), group.into(), group.into()];
        program.call(Phase::Payload, "become the group", libc::SYS_setresgid, &group);
        let user = [user.into(), user.into(), user.into()];
        program.call(Phase::Payload, "become the user", libc::SYS_setresuid, &user);
    }
    let header = program.words(&[0x2008_0522]);
    let nothing = program.words(&[0, 0, 0]);
    let arguments = [header.into(), nothing.into()];
    program.call(Phase::Payload, "give up every capability", libc::SYS_capset, &arguments);
    let arguments = [libc::PR_SET_NO_NEW_PRIVS.into(), 1.into(), 0.into(), 0.into(), 0.into()];
    program.call(Phase::Payload, "gain nothing by exec", libc::SYS_prctl, &arguments);
}

/// The control socket and everything above the status pipe, which closes itself at the exec.
fn descriptors(program: &mut Program) {
    let control = [fd::CONTROL.into(), fd::CONTROL.into(), 0.into()];
    let close = libc::SYS_close_range;
    program.call(Phase::Payload, "close the control socket", close, &control);
    let rest = [(fd::STATUS + 1).into(), u32::MAX.into(), 0.into()];
    program.call(Phase::Payload, "close every other descriptor", close, &rest);
}

fn seccomp_filter(program: &mut Program, filter: &[u8]) {
    const SECCOMP_SET_MODE_FILTER: i32 = 1;
    let instructions = program.bytes(filter);
    // struct sock_fprog: the length, then the address.
    let count = filter.len() / INSTRUCTION;
    let description = program.words(&[count as u64, instructions.address()]);
    let arguments = [SECCOMP_SET_MODE_FILTER.into(), 0.into(), description.into()];
    let text = format!("filter system calls ({count} instructions)");
    program.call(Phase::Payload, text, libc::SYS_seccomp, &arguments);
}

fn execute(program: &mut Program, payload: &Payload<'_>) {
    let arguments = program.texts(&payload.arguments);
    let environment = program.texts(&payload.environment);
    for candidate in payload.candidates {
        let path = program.path(candidate);
        let text = format!("execute {}", quoted(candidate));
        let call = [path.into(), arguments.into(), environment.into()];
        program
            .call(Phase::Payload, text, libc::SYS_execve, &call)
            .tolerate(&[libc::ENOENT, libc::EACCES, libc::ENOTDIR])
            .remember();
    }
}

/// The command's name, where nobody could tell before whether there is such a file.
pub(crate) fn searched(plan: &Plan) -> Option<OsString> {
    let named = plan.arguments.first()?;
    let searched = plan.lasting && !named.as_encoded_bytes().contains(&b'/');
    searched.then(|| named.clone())
}

/// The arguments, as the kernel takes them.
///
/// # Errors
/// One is longer than it takes.
pub(crate) fn arguments(plan: &Plan) -> Result<Vec<Vec<u8>>> {
    let texts = plan.arguments.iter().map(|argument| argument.as_bytes().to_vec());
    check_lengths(texts.collect(), "an argument")
}

/// The variables, as the kernel takes them.
///
/// # Errors
/// As [`arguments`].
pub(crate) fn environment(env: Variables) -> Result<Vec<Vec<u8>>> {
    let join = |(name, value): (OsString, OsString)| {
        let mut text = name.into_vec();
        text.push(b'=');
        text.extend(value.into_vec());
        text
    };
    check_lengths(env.into_iter().map(join).collect(), "a variable")
}

fn check_lengths(texts: Vec<Vec<u8>>, what: &str) -> Result<Vec<Vec<u8>>> {
    match texts.iter().find(|text| text.len() >= LONGEST_ARGUMENT) {
        None => Ok(texts),
        Some(text) => Err(SandboxError::InvalidRequest(format!(
            "{what} has {} bytes, and Linux takes at most {} in one: pass it in a file or on \
             standard input",
            text.len(),
            LONGEST_ARGUMENT - 1
        ))),
    }
}
