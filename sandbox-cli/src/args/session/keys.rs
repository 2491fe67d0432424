//! The keys that leave a terminal to its task, as people write them.

use std::str::FromStr;

/// Bytes that come from the keyboard in a row; none if nothing leaves the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for DetachKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        keys.map(Self).ok_or_else(|| {
            "write keys with commas between them, such as ctrl-p,ctrl-q or ctrl-a,d; or none".into()
        })
    }
}

/// One key: a character, or `ctrl-` and a letter or one of `@[\]^_`.
fn key(text: &str) -> Option<u8> {
    let single = |text: &str| match text.as_bytes() {
        [byte @ b'!'..=b'~'] => Some(*byte),
        _ => None,
    };
    match text.strip_prefix("ctrl-") {
        None => single(text),
        // A terminal sends the letter without its upper bits.
        Some(key) => match single(key)?.to_ascii_uppercase() {
            byte @ b'@'..=b'_' => Some(byte & 0x1f),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_a_terminal_sends() {
        for (text, bytes) in [
            ("ctrl-p,ctrl-q", &[0x10, 0x11][..]),
            ("ctrl-P", &[0x10]),
            ("ctrl-a,d", &[1, b'd']),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-]", &[0, 0x1b, 0x1c, 0x1d]),
            ("~,.", b"~."),
            ("none", &[]),
        ] {
            assert_eq!(text.parse::<DetachKeys>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in
            ["", ",", "ctrl-p,", "ctrl-", "ctrl-1", "ctrl-pq", "pq", "ä", "ctrl-ä", "alt-p", " "]
        {
            assert!(bad.parse::<DetachKeys>().is_err(), "{bad}");
        }
    }
}
