//! A secret, from where it is read to where it is dropped.

use std::fmt;
use std::fs::File;
use std::io::Read as _;

use zeroize::Zeroizing;

use crate::policy::network::Source;

/// The bytes of a secret, zeroed when dropped. It is neither cloned nor printed nor written.
pub(super) struct Secret(Zeroizing<String>);

/// How long a secret may be: enough to be told from other text, and what servers take in a header.
const LEAST: usize = 8;
const MOST: usize = 8 << 10;

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// Why there is none; nothing of what was read is in it.
    pub(super) fn read(source: &Source) -> Result<Self, String> {
        let text = match source {
            Source::Env(name) => {
                let value = std::env::var_os(name);
                let value = value.ok_or_else(|| format!("the variable {name} is not set"))?;
                let why = |_| format!("the variable {name} is not text");
                Zeroizing::new(value.into_string().map_err(why)?)
            }
            Source::File(path) => {
                let path = path.as_path();
                let why = |error| format!("{}: {error}", crate::path::quoted(path));
                let file = File::open(path).map_err(why)?;
                // With room for all of it, so that no part is left behind by growing.
                let mut text = Zeroizing::new(String::with_capacity(MOST + 3));
                file.take(MOST as u64 + 3).read_to_string(&mut text).map_err(why)?;
                text
            }
        };
        let bare = text.strip_suffix('\n').unwrap_or(&text);
        Self::new(bare.strip_suffix('\r').unwrap_or(bare))
    }

    fn new(text: &str) -> Result<Self, String> {
        if !(LEAST..=MOST).contains(&text.len()) {
            return Err(format!("it has {} bytes, and {LEAST} to {MOST} can be used", text.len()));
        }
        match text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(Zeroizing::new(text.to_owned()))),
            false => Err("a header holds printable ASCII without blanks alone".into()),
        }
    }

    /// The secret itself.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
