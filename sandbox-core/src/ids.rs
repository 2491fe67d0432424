//! Names that people give: of sessions and of snapshots. Checked once, also when they are read
//! back from a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A session's identifier of another form.
    #[error(
        "{0:?} is no session identifier: write 1 to 63 lower-case letters, digits, - or _, the \
         first a letter or digit"
    )]
    Session(String),
    /// A snapshot's name of another form.
    #[error(
        "{0:?} is no name of a snapshot: write 1 to 100 characters without slashes, backslashes, \
         colons and control characters, the first neither a dot nor a hyphen nor a space"
    )]
    Snapshot(String),
}

/// A session's identifier: 1 to 63 lower-case letters, digits, `-` or `_`, the first a letter or
/// digit. So it can be a file's name, a label of a host and an argument on every system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The most characters.
    pub const LONGEST: usize = 63;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError::Session`].
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let legal = |byte: u8| alphanumeric(byte) || byte == b'-' || byte == b'_';
        let starts = name.bytes().next().is_some_and(alphanumeric);
        if starts && name.len() <= Self::LONGEST && name.bytes().all(legal) {
            Ok(Self(name))
        } else {
            Err(NameError::Session(name))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A snapshot's name, which may be a sentence: 1 to 100 characters without `/`, `\`, `:` and
/// control characters, the first neither a dot nor a hyphen nor a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName(String);

impl SnapshotName {
    /// The most characters.
    pub const LONGEST: usize = 100;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError::Snapshot`].
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let starts = name.chars().next().is_some_and(|first| !matches!(first, '.' | '-' | ' '));
        let legal =
            |character: char| !character.is_control() && !matches!(character, '/' | '\\' | ':');
        if starts && name.chars().count() <= Self::LONGEST && name.chars().all(legal) {
            Ok(Self(name))
        } else {
            Err(NameError::Snapshot(name))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! checked_name {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<&str> for $type {
            type Error = NameError;

            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}
checked_name!(SessionId);
checked_name!(SnapshotName);

#[cfg(test)]
mod tests {
    use super::{SessionId, SnapshotName};

    #[test]
    fn a_session_is_named_by_what_every_system_takes() {
        for good in ["a", "0", "a-b_c", &"x".repeat(63)] {
            assert!(SessionId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a.b", "a/b", "..", "a b", "ä", "a\n", &"x".repeat(64)] {
            assert!(SessionId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_snapshot_is_named_by_a_sentence() {
        for good in ["before codemod", "a", "ä ö", "1.2", &"x".repeat(100)] {
            assert!(SnapshotName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "a:b", "-a", " a", "a\nb", &"x".repeat(101)] {
            assert!(SnapshotName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_checked_when_they_are_read_back() {
        assert!(serde_json::from_str::<SessionId>("\"a\"").is_ok());
        assert!(serde_json::from_str::<SessionId>("\"../a\"").is_err());
        assert!(serde_json::from_str::<SnapshotName>("\"a:b\"").is_err());
    }
}
