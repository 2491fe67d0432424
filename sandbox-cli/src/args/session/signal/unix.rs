//! The names that every Unix has; some of the numbers differ.

use rustix::process::Signal;

/// Names without `SIG`.
pub(super) const NAMES: [(&str, i32); 18] = [
    ("HUP", Signal::HUP.as_raw()),
    ("INT", Signal::INT.as_raw()),
    ("QUIT", Signal::QUIT.as_raw()),
    ("ABRT", Signal::ABORT.as_raw()),
    ("KILL", Signal::KILL.as_raw()),
    ("USR1", Signal::USR1.as_raw()),
    ("USR2", Signal::USR2.as_raw()),
    ("PIPE", Signal::PIPE.as_raw()),
    ("ALRM", Signal::ALARM.as_raw()),
    ("TERM", Signal::TERM.as_raw()),
    ("CHLD", Signal::CHILD.as_raw()),
    ("CONT", Signal::CONT.as_raw()),
    ("STOP", Signal::STOP.as_raw()),
    ("TSTP", Signal::TSTP.as_raw()),
    ("TTIN", Signal::TTIN.as_raw()),
    ("TTOU", Signal::TTOU.as_raw()),
    ("URG", Signal::URG.as_raw()),
    ("WINCH", Signal::WINCH.as_raw()),
];
