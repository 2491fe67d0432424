//! Signals that the launcher receives on behalf of the command.

use std::io;
use std::task::Poll;

use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::sys::is_ignored;
use crate::streams::relay::Event;

/// Makes the event of a signal's number.
type Meaning = fn(i32) -> Event;

/// Every signal that is passed on, and what it means.
const EVENTS: [(Signal, Meaning); 9] = [
    (Signal::INT, Event::End),
    (Signal::TERM, Event::End),
    (Signal::HUP, Event::Pass),
    (Signal::QUIT, Event::Pass),
    (Signal::USR1, Event::Pass),
    (Signal::USR2, Event::Pass),
    (Signal::CONT, Event::Pass),
    // The command has no job control of its own, where a stop that can be ignored would be lost.
    (Signal::TSTP, |_| Event::Suspend(Signal::STOP.as_raw())),
    (Signal::WINCH, |_| Event::Resize),
];

/// The signals that arrive.
pub(crate) struct Signals(Vec<(Stream, Event)>);

impl Signals {
    /// Starts to listen. A signal that was ignored when this process began stays ignored: the
    /// caller (`nohup`, a shell with background jobs) wanted it so.
    pub(crate) fn listen() -> io::Result<Self> {
        let wanted = EVENTS.iter().map(|(signal, event)| (signal.as_raw(), event));
        let wanted = wanted.filter(|(number, _)| !is_ignored(*number));
        let stream = |(number, event): (i32, &Meaning)| {
            Ok((signal(SignalKind::from_raw(number))?, event(number)))
        };
        wanted.map(stream).collect::<io::Result<_>>().map(Self)
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| {
            let arrived = |(stream, event): &mut (Stream, Event)| {
                matches!(stream.poll_recv(cx), Poll::Ready(Some(()))).then_some(*event)
            };
            self.0.iter_mut().find_map(arrived).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Stops this process, as its terminal asked, until it is continued.
pub(crate) fn stop_self() {
    // A process may always stop itself.
    let _ = kill_process(getpid(), Signal::STOP);
}
