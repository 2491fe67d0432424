//! Names as text: what the store writes down about a name can be read back, whatever bytes it has.
//!
//! Printable characters of ASCII stand for themselves; every other byte, and `%`, is written as
//! `%` and two digits. For `#[serde(with = "text")]`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serializer};

use super::sys;

pub(super) fn serialize<S: Serializer>(name: &OsStr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(name))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<OsString, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no name")))
}

fn encode(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for &byte in name.as_encoded_bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").unwrap_or_else(|_| unreachable!("a text takes all")),
        }
    }
    text
}

fn decode(text: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            rest = after;
            // A sign is no digit, though a number may begin with one.
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
            bytes.push(u8::from_str_radix(digits?, 16).ok()?);
        } else {
            bytes.push(first);
        }
    }
    (!bytes.contains(&0)).then_some(bytes).and_then(sys::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for name in ["a", "", "%", "%2F", "ä\n\u{202e}", "a b/..", "\\"] {
            assert_eq!(decode(&encode(OsStr::new(name))).as_deref(), Some(OsStr::new(name)));
        }
        assert_eq!(encode(OsStr::new("a b%ä")), "a b%25%C3%A4");
    }

    #[test]
    fn what_no_name_was_written_as_is_refused() {
        for text in ["%", "%4", "%zz", "%00", "a%+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
