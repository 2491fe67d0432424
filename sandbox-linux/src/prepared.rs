//! A command, compiled once, to be launched many times.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use sandbox_core::plan::Plan;
use sandbox_core::{Exit, Result, SandboxError};

use crate::TierChoice;
use crate::cgroup::Cgroup;
use crate::facts::Facts;
use crate::helper::{Birth, Ends, Spare};
use crate::jail::{self, Jail, Tier};
use crate::launch::launch;
use crate::report::Groups;

/// A plan, compiled: what is left for each launch is the launch.
///
/// From the first launch on an empty sandbox waits for the next one, as a process that has run
/// nothing; it ends with this value, or with the calling process.
///
/// Its commands read end of file and their output is dropped; for streams, use the
/// [backend](crate::backend). So for policies that list hosts: a way out takes a runtime. On the Landlock tier all launches share one private folder.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    jail: Jail,
    facts: Facts,
    birth: Birth,
    spare: Spare,
}

impl Prepared {
    /// Compiles a plan.
    ///
    /// # Errors
    /// What no launch could carry out; [`SandboxError::Unsupported`] for a policy that lists hosts.
    pub fn new(plan: Plan, choice: TierChoice) -> Result<Self> {
        let facts = Facts::ask();
        let tier = match choice {
            TierChoice::Landlock => Tier::Landlock,
            TierChoice::Auto | TierChoice::Namespaces => Tier::Namespaces,
        };
        let (held, cpus) = Cgroup::would_hold();
        let jail = Jail::compile(&plan, tier, &facts, Groups { held, cpus }, None, None)?;
        let birth = crate::ns::birth(&plan, tier, &facts, false);
        if birth.sockets.is_some() || jail::is_proxied(&plan, tier, &facts) {
            let operation = "host lists of prepared commands: use the backend".into();
            return Err(SandboxError::Unsupported { backend: "linux".into(), operation });
        }
        Ok(Self { plan, jail, facts, birth, spare: Spare::default() })
    }

    /// Launches the command and waits for the end of everything it started. Blocks the thread.
    ///
    /// # Errors
    /// The step of the launch that failed.
    pub fn status(&self) -> Result<Exit> {
        let cgroup = Cgroup::create(&self.plan.limits);
        let helper = self.spare.take(self.birth, &self.facts, &cgroup)?;
        let started = launch(&self.jail, helper)?;
        drop((started.stdin, started.stdout, started.stderr));
        // While the command runs there is time to spare.
        self.spare.put_and_wait(self.birth, &self.facts);
        let held = SandboxError::io("holding the helper");
        let Ends { pidfd, control } = started.helper.release().map_err(held)?;
        let mut wait = [PollFd::new(&control, PollFlags::IN)];
        while poll(&mut wait, None).is_err() {}
        Ok(crate::process::conclude(control.as_fd(), pidfd, cgroup).exit)
    }
}
