//! What a command is held to while it runs: what the helper watches, and limits of a process.

use sandbox_core::plan::Plan;

use super::{Context, Tier};
use crate::program::Program;
use crate::rlimit::{self, Held};

/// What the helper watches, and how it ends what it does not see.
pub(super) fn supervise(program: &mut Program, plan: &Plan, tier: Tier, held: Held) {
    program.pid_namespace = tier == Tier::Namespaces;
    if tier == Tier::Off {
        return;
    }
    if let Some(time) = plan.limits.cpu_time {
        program.cpu_limit = u64::try_from(time.duration().as_micros()).unwrap_or(u64::MAX);
        program.watch_interval = 50;
    }
    if let Some(memory) = plan.limits.memory.filter(|_| !held.memory) {
        program.memory_limit = memory.bytes();
        program.watch_interval = 10;
    }
}

/// The limits that each process has by itself.
pub(super) fn rlimits(plan: &Plan, context: &Context<'_>) -> Vec<(u32, u64, u64)> {
    let held = context.groups.held;
    let own_count = context.tier == Tier::Namespaces && !context.facts.privileged;
    let needed = plan.limits.processes.is_some() && !held.processes && !own_count;
    let user = context.user.map_or(context.facts.user, |(user, _)| user);
    let others = match (needed, context.forked) {
        (true, _) => crate::facts::tasks_of(user),
        // The helper is counted in any case.
        (false, true) => u64::from(rlimit::LASTING) - 1,
        (false, false) => 0,
    };
    rlimit::compile(&plan.limits, held, others)
}
