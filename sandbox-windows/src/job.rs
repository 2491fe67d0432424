//! Limits as settings of a job object.
//!
//! Every process of the run is in one job, and nothing may leave it. The job ends all of them when
//! its last handle is closed, so also when the launcher dies. What Windows cannot hold, or holds in
//! part, is listed beside the settings, so that no report can forget it.

use std::time::Duration;

use sandbox_core::{Feature, ResourceLimits};

/// `JOB_OBJECT_LIMIT_JOB_TIME`.
const LIMIT_JOB_TIME: u32 = 0x4;
/// `JOB_OBJECT_LIMIT_ACTIVE_PROCESS`.
const LIMIT_ACTIVE_PROCESS: u32 = 0x8;
/// `JOB_OBJECT_LIMIT_JOB_MEMORY`.
const LIMIT_JOB_MEMORY: u32 = 0x200;
/// `JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION`: no dialogue that nobody sees.
const LIMIT_DIE_ON_UNHANDLED_EXCEPTION: u32 = 0x400;
/// `JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE`.
const LIMIT_KILL_ON_JOB_CLOSE: u32 = 0x2000;

/// All of `JOB_OBJECT_UILIMIT_*`: no handles of other windows, no clipboard, no system parameters,
/// no display settings, no global atoms, no other desktop, no logging off.
const ALL_UI_LIMITS: u32 = 0xff;

/// A rate of 100 %, in the unit of `CpuRate`.
const WHOLE_RATE: f64 = 10_000.0;

/// What a job object is told, in the kernel's own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobSettings {
    /// `LimitFlags`: which of the fields below hold, and how the job ends.
    pub flags: u32,
    /// `PerJobUserTimeLimit`: user-mode time of all processes together, in 100 ns.
    pub user_time: i64,
    /// `ActiveProcessLimit`.
    pub processes: u32,
    /// `JobMemoryLimit`: committed bytes of all processes together.
    pub memory: u64,
    /// `CpuRate` with a hard cap: hundredths of a per cent of all processors together.
    pub cpu_rate: Option<u32>,
    /// `UIRestrictionsClass`.
    pub ui: u32,
}

/// The settings, and what they do not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// What the job object is told.
    pub settings: JobSettings,
    /// Limits that were asked for and that a job holds in part only, with what it lets through.
    pub partial: Vec<(Feature, &'static str)>,
    /// Limits that were asked for and that no job holds.
    pub absent: Vec<Feature>,
}

/// Compiles limits for a machine with so many processors.
#[must_use]
pub fn compile(limits: &ResourceLimits, processors: u32) -> Job {
    let mut flags = LIMIT_KILL_ON_JOB_CLOSE | LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
    for (asked, flag) in [
        (limits.cpu_time.is_some(), LIMIT_JOB_TIME),
        (limits.processes.is_some(), LIMIT_ACTIVE_PROCESS),
        (limits.memory.is_some(), LIMIT_JOB_MEMORY),
    ] {
        if asked {
            flags |= flag;
        }
    }
    let settings = JobSettings {
        flags,
        user_time: limits.cpu_time.map_or(0, |span| ticks(span.duration())),
        processes: limits.processes.unwrap_or(0),
        memory: limits.memory.map_or(0, |size| size.bytes()),
        cpu_rate: limits.cpu_count.and_then(|count| rate(count, processors)),
        ui: ALL_UI_LIMITS,
    };
    Job { settings, partial: partial(limits), absent: absent(limits) }
}

/// A duration in units of 100 ns; what does not fit is as good as no limit.
fn ticks(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(100)).unwrap_or(i64::MAX)
}

/// CPUs as a share of the machine. As many as there are, or more, need no cap.
fn rate(count: f64, processors: u32) -> Option<u32> {
    let share = (count / f64::from(processors) * WHOLE_RATE).floor();
    // A rate of 0 is invalid, so the smallest share is one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10000")]
    (share < WHOLE_RATE).then_some(share.max(1.0) as u32)
}

fn partial(limits: &ResourceLimits) -> Vec<(Feature, &'static str)> {
    let time = limits.cpu_time.map(|_| (Feature::CpuTime, "time in the kernel does not count"));
    let processes = limits.processes.map(|_| (Feature::Processes, "threads do not count"));
    time.into_iter().chain(processes).collect()
}

fn absent(limits: &ResourceLimits) -> Vec<Feature> {
    let asked = [
        (Feature::OpenFiles, limits.open_files.is_some()),
        (Feature::FileSize, limits.file_size.is_some()),
        (Feature::Disk, limits.disk.is_some()),
    ];
    asked.into_iter().filter(|(_, asked)| *asked).map(|(feature, _)| feature).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(change: impl FnOnce(&mut ResourceLimits)) -> ResourceLimits {
        let mut limits = ResourceLimits::default();
        change(&mut limits);
        limits
    }

    #[test]
    fn a_job_without_limits_still_ends_with_its_launcher() {
        let job = compile(&ResourceLimits::default(), 8);
        assert_eq!(job.settings.flags, 0x2400);
        assert_eq!(job.settings.ui, 0xff);
        assert_eq!(job.settings.cpu_rate, None);
        assert!(job.partial.is_empty() && job.absent.is_empty());
    }

    #[test]
    fn each_limit_has_its_flag_and_its_unit() {
        let asked = limits(|limits| {
            limits.cpu_time = Some(Duration::from_millis(1500).into());
            limits.processes = Some(32);
            limits.memory = Some("512M".parse().unwrap());
        });
        let Job { settings, partial, .. } = compile(&asked, 8);
        assert_eq!(settings.flags, 0x2400 | 0x4 | 0x8 | 0x200);
        assert_eq!(settings.user_time, 15_000_000);
        assert_eq!((settings.processes, settings.memory), (32, 512 << 20));
        let gaps: Vec<_> = partial.iter().map(|(feature, _)| *feature).collect();
        assert_eq!(gaps, [Feature::CpuTime, Feature::Processes]);
    }

    #[test]
    fn nothing_may_leave_the_job() {
        let asked = limits(|limits| limits.processes = Some(1));
        // JOB_OBJECT_LIMIT_BREAKAWAY_OK and JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK.
        assert_eq!(compile(&asked, 1).settings.flags & 0x1800, 0);
    }

    #[test]
    fn processors_become_a_share_of_the_machine() {
        let rate = |count, processors| {
            compile(&limits(|limits| limits.cpu_count = Some(count)), processors).settings.cpu_rate
        };
        assert_eq!(rate(1.0, 4), Some(2500));
        assert_eq!(rate(0.5, 8), Some(625));
        assert_eq!(rate(0.01, 256), Some(1));
        assert_eq!((rate(4.0, 4), rate(9.0, 4), rate(2.0, 0)), (None, None, None));
    }

    #[test]
    fn what_windows_cannot_hold_is_named() {
        let asked = limits(|limits| {
            limits.open_files = Some(64);
            limits.disk = Some("1G".parse().unwrap());
            limits.file_size = Some("1M".parse().unwrap());
            limits.wall_time = Some(Duration::from_secs(1).into());
        });
        let expected = [Feature::OpenFiles, Feature::FileSize, Feature::Disk];
        assert_eq!(compile(&asked, 1).absent, expected);
    }

    #[test]
    fn endless_time_does_not_wrap() {
        let asked = limits(|limits| limits.cpu_time = Some(Duration::MAX.into()));
        assert_eq!(compile(&asked, 1).settings.user_time, i64::MAX);
    }
}
