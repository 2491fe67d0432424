use std::time::Duration;

use super::*;

fn check(change: impl FnOnce(&mut ResourceLimits)) -> Result<(), String> {
    let mut limits = ResourceLimits::default();
    change(&mut limits);
    limits.check().map_err(|error| error.to_string())
}

#[test]
fn limits_under_which_nothing_runs_are_refused() {
    let wrong = [
        check(|l| l.wall_time = Some(Duration::ZERO.into())),
        check(|l| l.cpu_time = Some(Duration::ZERO.into())),
        check(|l| l.idle = Some(Duration::ZERO.into())),
        check(|l| l.memory = Some(ByteSize::from_bytes(1023))),
        check(|l| l.processes = Some(0)),
        check(|l| l.open_files = Some(3)),
        check(|l| l.cpu_count = Some(0.0)),
        check(|l| l.cpu_count = Some(-1.0)),
        check(|l| l.cpu_count = Some(f64::NAN)),
        check(|l| l.cpu_count = Some(f64::INFINITY)),
    ];
    assert!(wrong.iter().all(Result::is_err), "{wrong:?}");
}

#[test]
fn the_message_names_limit_value_and_remedy() {
    let message = check(|l| l.open_files = Some(2)).unwrap_err();
    assert_eq!(
        message,
        "the limit open_files is 2, under which nothing can run: leave it out for no limit"
    );
}

#[test]
fn sensible_limits_pass() {
    assert!(check(|_| {}).is_ok());
    let all = check(|l| {
        l.wall_time = Some(Duration::from_millis(1).into());
        l.cpu_count = Some(0.5);
        l.memory = Some(ByteSize::from_mib(1));
        l.processes = Some(1);
        l.open_files = Some(4);
        l.output = Some(ByteSize::from_bytes(0));
    });
    assert!(all.is_ok(), "{all:?}");
}
