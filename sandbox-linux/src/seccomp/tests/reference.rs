//! What a filter ought to answer, read off the table without trees or programs.

use super::Data;
use crate::seccomp::args::{Check, Cond, Sense, Test, Width};
use crate::seccomp::ruling::Ruling;
use crate::seccomp::{Errno, FilterSpec, numbers, table};

const ALLOW: u32 = 0x7fff_0000;
/// What has the kernel ask whoever listens to the filter.
pub(super) const ASK: u32 = 0x7fc0_0000;

/// The return value for `errno`, or for an allowed call.
pub(super) fn value(errno: Option<Errno>) -> u32 {
    errno.map_or(ALLOW, |errno| 0x0005_0000 + u32::from(errno.number()))
}

/// The ruling for `nr`, by a search through the whole table.
pub(super) fn ruling(spec: &FilterSpec, nr: u32) -> Option<Ruling> {
    let rows = table::TABLE.iter().flat_map(|(class, names)| names.iter().map(move |n| (class, n)));
    rows.filter(|(_, name)| numbers::number(spec.arch, name) == Some(nr))
        .map(|(class, _)| class.ruling(spec))
        .next()
}

/// The return value for `data`, given the ruling for its number.
pub(super) fn judge(spec: &FilterSpec, ruling: Option<&Ruling>, data: &Data) -> u32 {
    if data.arch != spec.arch.audit() {
        return value(Some(Errno::ENOSYS));
    }
    match ruling {
        None => value(Some(Errno::ENOSYS)),
        Some(Ruling::Allow) => value(None),
        Some(Ruling::Fail(errno)) => value(Some(*errno)),
        Some(Ruling::Checked { checks, .. }) => value(failure(checks, data)),
        Some(Ruling::Asked { checks, .. }) => {
            failure(checks, data).map_or(ASK, |errno| value(Some(errno)))
        }
    }
}

/// The error of the first check that fails.
fn failure(checks: &[Check], data: &Data) -> Option<Errno> {
    checks.iter().find(|check| fails(check, &data.args)).map(|check| check.errno)
}

fn fails(check: &Check, args: &[u64; 6]) -> bool {
    let matches = check.rules.iter().any(|rule| rule.iter().all(|cond| holds(cond, args)));
    matches == (check.sense == Sense::Refuse)
}

fn holds(cond: &Cond, args: &[u64; 6]) -> bool {
    let keep = match cond.width {
        Width::Word => 0xffff_ffff,
        Width::Whole => u64::MAX,
    };
    let arg = args[usize::from(cond.arg)] & keep;
    match cond.test {
        Test::Is(value) => arg == value,
        Test::IsNot(value) => arg != value,
        Test::AtLeast(value) => arg >= value,
        Test::AtMost(value) => arg <= value,
        Test::Bits { mask, value } => arg & mask == value,
    }
}
