//! Signals by their names and numbers.

#[cfg(not(unix))]
#[path = "signal/other.rs"]
mod names;
#[cfg(unix)]
#[path = "signal/unix.rs"]
mod names;

use std::str::FromStr;

/// The highest number that a signal has on any system.
const HIGHEST: i32 = 64;

/// A signal, by its number on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal(i32);

impl Signal {
    /// The number.
    pub(super) fn number(self) -> i32 {
        self.0
    }
}

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let known = names::NAMES.iter().find(|(known, _)| *known == name);
        let number = known.map(|(_, number)| *number).or_else(|| text.parse().ok());
        number.filter(|number| (1..=HIGHEST).contains(number)).map(Self).ok_or_else(|| {
            format!("write a name such as TERM, INT, HUP or USR1, or a number from 1 to {HIGHEST}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_and_a_number() {
        for (text, number) in [("TERM", 15), ("term", 15), ("SIGKILL", 9), ("1", 1), ("64", 64)] {
            assert_eq!(text.parse(), Ok(Signal(number)), "{text}");
        }
        for bad in ["", "0", "65", "-9", "SIG", "NONSENSE", "SIGSIGTERM"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad}");
        }
    }
}
