//! Limits of a single process, and what stands in for limits of the tree.

use rustix::process::{Resource, getrlimit};
use sandbox_core::{ByteSize, ResourceLimits};

/// Open files that a program gets at first, and the most that it can ask for.
const OPEN_FILES: (u64, u64) = (1024, 4096);
/// Memory that can be kept from being swapped out.
const LOCKED: u64 = 8 << 20;

/// The processes of a sandbox that lasts beside a command's own: the first one, the command's helper,
/// and the two that wait for the next command.
pub(crate) const LASTING: u32 = 4;

/// What holds the limits of the tree, where something does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) memory: bool,
    pub(crate) processes: bool,
}

/// The limits of a payload: resource, soft, hard. `others` is the number of processes that the
/// payload's user has already, where the kernel counts them together.
pub(crate) fn compile(limits: &ResourceLimits, held: Held, others: u64) -> Vec<(u32, u64, u64)> {
    let mut all = Vec::new();
    let mut set = |resource: Resource, number: u32, soft: u64, hard: u64| {
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        all.push((number, soft.min(most), hard.min(most)));
    };
    set(Resource::Core, libc::RLIMIT_CORE, 0, 0);
    let files = limits.open_files.map(|files| (u64::from(files), u64::from(files)));
    let (soft, hard) = files.unwrap_or(OPEN_FILES);
    set(Resource::Nofile, libc::RLIMIT_NOFILE, soft, hard);
    set(Resource::Memlock, libc::RLIMIT_MEMLOCK, LOCKED, LOCKED);
    set(Resource::Nice, libc::RLIMIT_NICE, 0, 0);
    set(Resource::Rtprio, libc::RLIMIT_RTPRIO, 0, 0);
    let size = [limits.file_size, limits.disk].into_iter().flatten().min();
    if let Some(size) = size.map(ByteSize::bytes) {
        set(Resource::Fsize, libc::RLIMIT_FSIZE, size, size);
    }
    if let Some(time) = limits.cpu_time {
        let seconds = time.duration().as_millis().div_ceil(1000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        set(Resource::Cpu, libc::RLIMIT_CPU, seconds, seconds.saturating_add(1));
    }
    if let Some(memory) = limits.memory.filter(|_| !held.memory) {
        set(Resource::Data, libc::RLIMIT_DATA, memory.bytes(), memory.bytes());
    }
    if let Some(processes) = limits.processes.filter(|_| !held.processes) {
        // One more for the helper.
        let processes = u64::from(processes) + 1 + others;
        set(Resource::Nproc, libc::RLIMIT_NPROC, processes, processes);
    }
    all
}

/// The resource's name, as `ulimit`'s readers know it.
pub(crate) fn name(resource: u32) -> &'static str {
    match resource {
        libc::RLIMIT_CORE => "core files",
        libc::RLIMIT_NOFILE => "open files",
        libc::RLIMIT_MEMLOCK => "locked memory",
        libc::RLIMIT_NICE => "niceness",
        libc::RLIMIT_RTPRIO => "real-time priority",
        libc::RLIMIT_FSIZE => "file size",
        libc::RLIMIT_CPU => "CPU seconds",
        libc::RLIMIT_DATA => "data",
        libc::RLIMIT_NPROC => "processes",
        _ => "a resource",
    }
}

/// The first CPUs of those that the caller may use.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked by the policy"
)]
pub(crate) fn affinity(count: f64) -> u64 {
    let wanted = (count.ceil() as usize).max(1);
    let allowed = rustix::thread::sched_getaffinity(None);
    let usable = |cpu: &usize| allowed.as_ref().map_or(*cpu == 0, |set| set.is_set(*cpu));
    (0..64).filter(usable).take(wanted).fold(0, |mask, cpu| mask | 1 << cpu)
}
