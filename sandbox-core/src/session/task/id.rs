//! Numbers of tasks: `t1`, `t2`, ...

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A task's identifier, written `t1`: never given twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

/// A text that is no [`TaskId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no task: write \"t\" and its number, such as \"t1\"")]
pub struct TaskIdError {
    text: String,
}

impl TaskId {
    /// The task of this number; they begin with 1.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        let number = text.strip_prefix('t').and_then(|digits| digits.parse().ok()).map(Self);
        // One task, one text: no sign, no leading zero.
        let same = number.filter(|id| id.to_string() == text);
        same.ok_or_else(|| TaskIdError { text: text.to_owned() })
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::TaskId;

    #[test]
    fn ids_are_written_and_read_back_in_one_form() {
        for number in [1, 42, u64::MAX] {
            let id = TaskId::new(number);
            assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<TaskId>(&json).unwrap(), id);
        }
        for bad in ["", "t", "1", "T1", "t01", "t+1", "t-1", "t 1", "t1 ", "t18446744073709551616"]
        {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }
}
