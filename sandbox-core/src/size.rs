//! Amounts as people write them: `512M` for bytes, `1m30s` for time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes. Written as a number with an optional unit `K`, `M`, `G` or `T`, each 1024
/// times the one before; `KiB`, `MB` and the like mean the same.
///
/// ```
/// use sandbox_core::ByteSize;
/// assert_eq!("96M".parse::<ByteSize>()?.bytes(), 96 << 20);
/// assert_eq!(ByteSize::from_bytes(1536).to_string(), "1536");
/// # Ok::<(), sandbox_core::size::AmountError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A length of time. Written as numbers with the units `ms`, `s`, `m`, `h`, `d`: `30s`, `1m30s`,
/// `250ms`. A bare number is refused, because its unit would be a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Not a number of bytes.
    #[error("{text:?} is no size: write a whole number with K, M, G or T, such as \"512M\"")]
    Size {
        /// The text as it was written.
        text: String,
    },
    /// Not a length of time.
    #[error(
        "{text:?} is no length of time: write numbers with ms, s, m, h or d, such as \"1m30s\""
    )]
    Span {
        /// The text as it was written.
        text: String,
    },
    /// Larger than 64 bits can hold.
    #[error("{text:?} is too large")]
    TooLarge {
        /// The text as it was written.
        text: String,
    },
}

impl ByteSize {
    /// A size from plain bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size from mebibytes; at most what 64 bits can hold.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Span {
    /// The span as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    /// Whole milliseconds, rounded up: what is written can be read back, and a short time is never
    /// none.
    fn from(duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

impl FromStr for ByteSize {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError::Size { text: text.to_owned() };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = match &text[..digits] {
            "" => return Err(wrong()),
            number => {
                number.parse().map_err(|_| AmountError::TooLarge { text: text.to_owned() })?
            }
        };
        let unit = text[digits..].to_ascii_lowercase();
        let shift = match unit.as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(wrong()),
        };
        let bytes = number.checked_mul(1 << shift);
        bytes.map(Self).ok_or_else(|| AmountError::TooLarge { text: text.to_owned() })
    }
}

impl FromStr for Span {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError::Span { text: text.to_owned() };
        let large = || AmountError::TooLarge { text: text.to_owned() };
        let mut rest = text;
        let mut total = 0u64;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            if digits == 0 {
                return Err(wrong());
            }
            let number: u64 = rest[..digits].parse().map_err(|_| large())?;
            rest = &rest[digits..];
            let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let millis = match &rest[..unit] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            rest = &rest[unit..];
            let part = number.checked_mul(millis).ok_or_else(large)?;
            total = total.checked_add(part).ok_or_else(large)?;
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        for (size, unit) in
            [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")]
        {
            if millis >= size {
                write!(f, "{}{unit}", millis / size)?;
                millis %= size;
            }
        }
        Ok(())
    }
}

/// Text in, text out: both amounts are strings in every file format.
macro_rules! as_text {
    ($type:ident, $pattern:literal, $meaning:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $meaning })
            }
        }
    };
}

as_text!(
    ByteSize,
    "^[0-9]+([KkMmGgTt]([Ii]?[Bb])?|[Bb])?$",
    "A number of bytes, such as \"512M\"."
);
as_text!(Span, "^([0-9]+(ms|s|m|h|d))+$", "A length of time, such as \"1m30s\".");

#[cfg(test)]
mod tests;
