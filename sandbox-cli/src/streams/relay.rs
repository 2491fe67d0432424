//! What becomes of a signal: a judgement that needs no kernel.
//!
//! Every signal is passed on, because the command may want to handle it. A person who asks for the
//! end twice within a second means it: then the whole tree is ended. Whoever asks yet again, or
//! asks when the command has ended and only a blocked reader is left, gets this process's end.

use std::time::{Duration, Instant};

/// Two requests to end that come within this time are one urgent request.
const URGENT: Duration = Duration::from_secs(1);

/// A signal, by its meaning. The number is the operating system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Asks for the end.
    End(i32),
    /// Means something to the command alone.
    Pass(i32),
    /// Stops the job.
    Suspend(i32),
    /// The terminal has another size.
    Resize,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Forward(i32),
    Kill,
    GiveUp(i32),
    Suspend(i32),
    Resize,
}

/// Remembers what was asked before.
#[derive(Debug, Default)]
pub(super) struct Relay {
    asked: Option<Instant>,
    over: bool,
}

impl Relay {
    /// Notes that the command has ended.
    pub(super) fn command_ended(&mut self) {
        self.over = true;
    }

    /// Judges an event at a moment.
    pub(super) fn judge(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::End(number) if self.over => Action::GiveUp(number),
            Event::End(number) => {
                let before = self.asked.replace(now);
                if before.is_some_and(|before| now.duration_since(before) <= URGENT) {
                    self.over = true;
                    return Action::Kill;
                }
                Action::Forward(number)
            }
            Event::Pass(number) => Action::Forward(number),
            Event::Suspend(number) => Action::Suspend(number),
            Event::Resize => Action::Resize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn two_urgent_requests_kill_and_a_third_gives_up() {
        let (mut relay, start) = (Relay::default(), Instant::now());
        assert_eq!(relay.judge(Event::End(2), start), Action::Forward(2));
        assert_eq!(relay.judge(Event::End(15), at(start, 900)), Action::Kill);
        assert_eq!(relay.judge(Event::End(2), at(start, 5000)), Action::GiveUp(2));
    }

    #[test]
    fn two_calm_requests_are_both_passed_on() {
        let (mut relay, start) = (Relay::default(), Instant::now());
        assert_eq!(relay.judge(Event::End(2), start), Action::Forward(2));
        assert_eq!(relay.judge(Event::End(2), at(start, 1001)), Action::Forward(2));
        assert_eq!(relay.judge(Event::End(2), at(start, 1500)), Action::Kill);
    }

    #[test]
    fn other_signals_never_end_anything() {
        let (mut relay, start) = (Relay::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(relay.judge(Event::Pass(10), start), Action::Forward(10));
            assert_eq!(relay.judge(Event::Suspend(20), start), Action::Suspend(20));
            assert_eq!(relay.judge(Event::Resize, start), Action::Resize);
        }
    }

    #[test]
    fn after_the_end_one_request_is_enough() {
        let mut relay = Relay::default();
        relay.command_ended();
        assert_eq!(relay.judge(Event::End(15), Instant::now()), Action::GiveUp(15));
    }
}
