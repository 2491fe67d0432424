//! As whom a cell runs.
//!
//! The ordinary user is a number that no account has: what works for it works for anyone, and
//! no file of a real user can be touched. Root becomes that user through setpriv(1), which
//! drops the groups and the inheritable capabilities as well.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::{sys, workspace};

/// Also the number of its group.
pub(super) const ORDINARY: u32 = 61_234;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Root,
    User,
}

impl Identity {
    /// Why this process cannot run something as that user.
    pub(super) fn out_of_reach(self) -> Option<&'static str> {
        (self == Self::Root && !sys::is_root()).then_some("needs root")
    }

    /// The user id to give files to, if it is not our own.
    pub(super) fn other_id(self) -> Option<u32> {
        (self == Self::User && sys::is_root()).then_some(ORDINARY)
    }

    /// A command that runs `program` as that user, with nothing of our environment.
    pub(super) fn command(self, program: &OsStr) -> Result<Command> {
        let mut command = match self.other_id() {
            None => Command::new(program),
            Some(id) => {
                ensure!(workspace::on_path("setpriv").is_some(), "setpriv is not on PATH");
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={id}")).arg(format!("--regid={id}"));
                command.args(["--clear-groups", "--inh-caps=-all", "--"]).arg(program);
                command
            }
        };
        command.env_clear();
        Ok(command)
    }
}

/// For tests: setpriv is Linux's, and so are the cells that need it.
#[cfg(all(test, unix))]
pub(super) fn can_become_user() -> bool {
    std::env::consts::OS == "linux" || !sys::is_root()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_user_has_no_rights_and_no_environment() {
        if !can_become_user() {
            return;
        }
        let mut command = Identity::User.command(OsStr::new("/bin/sh")).unwrap();
        let output = command.args(["-c", "id -u; id -G; echo ${HOME-none}"]).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(!output.starts_with("0\n"), "{output}");
        assert!(output.ends_with("none\n"), "{output}");
    }
}
