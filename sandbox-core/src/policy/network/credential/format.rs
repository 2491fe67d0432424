//! What a header's value looks like around a secret.

use std::fmt;

/// A header's value, with a gap for the secret.
///
/// # Security
/// A value has to be the format as a whole, so a command cannot put the secret where a server takes
/// it for something else, and says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A text before and behind it. A word before a blank, the scheme, is compared without case.
    Around {
        /// What is before it.
        before: String,
        /// What is behind it.
        behind: String,
    },
    /// The scheme `Basic` (RFC 7617): the secret is the whole user or the whole password of a pair.
    Basic,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("basic {}") {
            return Ok(Self::Basic);
        }
        let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        match text.split_once("{}") {
            Some((before, behind)) if printable && !behind.contains("{}") => {
                let (before, behind) = (before.trim_start().into(), behind.trim_end().into());
                Ok(Self::Around { before, behind })
            }
            _ => Err(format!("{text:?} is no format: write \"{{}}\" once, in printable text")),
        }
    }

    /// The formats of a header that nothing is said of.
    pub(super) fn defaults(header: &str) -> Vec<Self> {
        let around = |before: &str| Self::Around { before: before.into(), behind: String::new() };
        match header {
            super::HEADER => vec![around("Bearer "), around("token "), Self::Basic],
            _ => vec![around("")],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Around { before, behind } => write!(f, "{before}{{}}{behind}"),
            Self::Basic => f.write_str("Basic {}"),
        }
    }
}
