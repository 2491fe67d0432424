//! The calls that confine a process, in order, and the loop that makes them.
//!
//! 1. `unveil(path, permissions)` for every entry, parents first;
//! 2. `unveil(NULL, NULL)`: the list is closed;
//! 3. `pledge(promises, execpromises)`: everything else is closed, for this process and for what it
//!    executes.
//!
//! The list is made before the process is, with every string in the kernel's form, so that carrying
//! it out allocates nothing. The first call that fails ends it: a process that is confined in part
//! must not execute anything.

use std::ffi::{CString, NulError};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use sandbox_core::path::quoted;
use sandbox_core::plan::Plan;

use crate::promises::{self, PromiseError};
use crate::unveil;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// `unveil(path, permissions)`.
    Unveil {
        /// The path.
        path: CString,
        /// Letters of `rwxc`; none hides the path.
        permissions: CString,
    },
    /// `unveil(NULL, NULL)`.
    Lock,
    /// `pledge(promises, execpromises)`.
    Pledge {
        /// For this process.
        promises: CString,
        /// For what it executes.
        execpromises: CString,
    },
}

/// The two system calls, so that a test can stand in for the kernel.
pub trait Kernel {
    /// Makes one call.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn call(&mut self, step: &Step) -> io::Result<()>;
}

/// Why a plan has no recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The policy asks for what promises cannot say.
    #[error(transparent)]
    Promise(#[from] PromiseError),
    /// A path that no system call can carry.
    #[error("a path holds a NUL byte")]
    Path(#[from] NulError),
}

/// The call that failed.
#[derive(Debug, thiserror::Error)]
#[error("step {step} failed: {source}")]
#[non_exhaustive]
pub struct Failed {
    /// Its place in the recipe.
    pub step: usize,
    /// What the kernel said.
    pub source: io::Error,
}

/// Compiles a plan to calls. `own` are folders of this run alone.
///
/// # Errors
/// [`RecipeError`]: what this system cannot say.
pub fn compile(plan: &Plan, own: &[PathBuf]) -> Result<Vec<Step>, RecipeError> {
    let promises = promises::compile(plan)?;
    let mut steps = Vec::new();
    for (path, permissions) in unveil::compile(plan, own).entries {
        let path = text(&path)?;
        steps.push(Step::Unveil { path, permissions: CString::new(permissions)? });
    }
    steps.push(Step::Lock);
    steps.push(Step::Pledge {
        promises: CString::new(promises::text(&promises.own))?,
        execpromises: CString::new(promises::text(&promises.exec))?,
    });
    Ok(steps)
}

fn text(path: &Path) -> Result<CString, NulError> {
    CString::new(path.as_os_str().as_encoded_bytes())
}

/// Makes the calls, up to the first that fails. Allocates nothing.
///
/// # Errors
/// [`Failed`]: the caller must end, not execute.
pub fn carry_out(steps: &[Step], kernel: &mut impl Kernel) -> Result<(), Failed> {
    for (step, call) in steps.iter().enumerate() {
        kernel.call(call).map_err(|source| Failed { step, source })?;
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unveil { path, permissions } => {
                let path = quoted(path.to_string_lossy().as_ref());
                write!(f, "unveil {path} {:?}", permissions.to_string_lossy())
            }
            Self::Lock => f.write_str("unveil nothing more"),
            Self::Pledge { promises, execpromises } => {
                let (own, exec) = (promises.to_string_lossy(), execpromises.to_string_lossy());
                write!(f, "pledge {own:?}, then {exec:?}")
            }
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use sandbox_core::Policy;

    use super::*;
    use crate::forge::plan;

    /// A kernel that keeps the rules which make the order matter, and can fail at one call.
    #[derive(Default)]
    struct Fake {
        calls: Vec<String>,
        locked: bool,
        pledged: bool,
        fail_at: Option<usize>,
    }

    impl Kernel for Fake {
        fn call(&mut self, step: &Step) -> io::Result<()> {
            let refused = || Err(io::Error::from_raw_os_error(1));
            if self.fail_at == Some(self.calls.len()) || self.pledged {
                return refused();
            }
            match step {
                Step::Unveil { .. } | Step::Lock if self.locked => return refused(),
                Step::Unveil { .. } => {}
                Step::Lock => self.locked = true,
                Step::Pledge { execpromises, .. } => {
                    assert!(!execpromises.is_empty(), "an exec would lift everything");
                    self.pledged = true;
                }
            }
            self.calls.push(step.to_string());
            Ok(())
        }
    }

    fn recipe() -> Vec<Step> {
        let policy = Policy::builder().write("/w").unwrap().hide("/w/.ssh").unwrap();
        compile(&plan(policy, &["/w/.ssh/"]), &[]).unwrap()
    }

    #[test]
    fn the_calls_end_in_the_lock_and_the_pledge() {
        let mut kernel = Fake::default();
        carry_out(&recipe(), &mut kernel).unwrap();
        let expected = [
            "unveil /dev/null \"rw\"",
            "unveil /dev/random \"r\"",
            "unveil /dev/urandom \"r\"",
            "unveil /dev/zero \"r\"",
            "unveil /usr \"rx\"",
            "unveil /w \"rwxc\"",
            "unveil /w/.ssh \"\"",
            "unveil nothing more",
            "pledge \"stdio rpath exec\", then \"stdio rpath wpath cpath dpath fattr flock proc exec \
             prot_exec error\"",
        ];
        assert_eq!(kernel.calls, expected);
        assert!(kernel.locked && kernel.pledged);
    }

    #[test]
    fn the_first_failure_ends_it() {
        let steps = recipe();
        for at in 0..steps.len() {
            let mut kernel = Fake { fail_at: Some(at), ..Fake::default() };
            let failed = carry_out(&steps, &mut kernel).unwrap_err();
            assert_eq!((failed.step, kernel.calls.len()), (at, at));
            assert_eq!(failed.source.raw_os_error(), Some(1));
        }
    }

    #[test]
    fn hosts_have_no_recipe() {
        let policy = Policy::builder().allow_hosts(["example.org"]).unwrap();
        let error = compile(&plan(policy, &[]), &[]).unwrap_err();
        assert!(matches!(error, RecipeError::Promise(PromiseError::Hosts)), "{error}");
    }

    #[test]
    fn names_that_a_terminal_would_act_upon_are_shown_escaped() {
        let policy = Policy::builder().read("/w/a\u{1b}[2J").unwrap();
        let steps = compile(&plan(policy, &["/w/a\u{1b}[2J"]), &[]).unwrap();
        assert!(steps.iter().all(|step| !step.to_string().contains('\u{1b}')));
    }
}
