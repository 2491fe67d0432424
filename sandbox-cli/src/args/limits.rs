//! The options that limit what a command uses.

use clap::Args;
use sandbox_core::{ByteSize, ResourceLimits, Span};

/// Limits; each replaces the policy file's.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitOptions {
    /// End the command after this much elapsed time, such as 1m30s
    #[arg(long, value_name = "TIME")]
    wall: Option<Span>,
    /// End the command after this much CPU time of all its processes
    #[arg(long, value_name = "TIME")]
    cpu_time: Option<Span>,
    /// How many CPUs can be used at once; fractions are allowed
    #[arg(long, value_name = "N")]
    cpus: Option<f64>,
    /// Memory of all processes together, such as 512M
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Processes and threads together
    #[arg(long, value_name = "N")]
    pids: Option<u32>,
    /// Open files in one process
    #[arg(long, value_name = "N")]
    open_files: Option<u32>,
    /// Size of any one file that is written
    #[arg(long, value_name = "SIZE")]
    file_size: Option<ByteSize>,
    /// Bytes in private places such as /tmp, and in the workspace where it can be bounded
    #[arg(long, value_name = "SIZE")]
    disk: Option<ByteSize>,
    /// Bytes of output, both streams together, that are kept or passed on; the rest is dropped
    #[arg(long, value_name = "SIZE")]
    output: Option<ByteSize>,
    /// End the command after this much elapsed time without output
    #[arg(long, value_name = "TIME")]
    idle: Option<Span>,
}

impl LimitOptions {
    /// Replaces the limits that were named.
    pub(super) fn apply(&self, limits: &mut ResourceLimits) {
        replace(&mut limits.wall_time, self.wall);
        replace(&mut limits.cpu_time, self.cpu_time);
        replace(&mut limits.cpu_count, self.cpus);
        replace(&mut limits.memory, self.memory);
        replace(&mut limits.processes, self.pids);
        replace(&mut limits.open_files, self.open_files);
        replace(&mut limits.file_size, self.file_size);
        replace(&mut limits.disk, self.disk);
        replace(&mut limits.output, self.output);
        replace(&mut limits.idle, self.idle);
    }
}

fn replace<T>(limit: &mut Option<T>, named: Option<T>) {
    if named.is_some() {
        *limit = named;
    }
}
