//! What a client of the proxy shows: on a machine that others share, whoever reaches the port is not
//! yet one of the sandbox's programs.
//!
//! The key travels in the variables that name the proxy, where every client reads it, and comes back
//! as the name and the password of HTTP's Basic scheme (RFC 7617) or of SOCKS5 (RFC 1929).

use std::fmt;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The name that goes with every password.
const NAME: &str = "sandbox";

/// A secret that clients of one proxy have to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// As it stands in a URL.
    pair: String,
    /// As it stands in a field of HTTP, behind the scheme.
    encoded: String,
}

impl Key {
    /// How many bytes of randomness a key is made of.
    pub const SIZE: usize = 20;

    /// The key of these bytes.
    ///
    /// # Security
    /// Take them from the system's source of randomness, for each proxy anew: who guesses them is a
    /// client.
    #[must_use]
    pub fn new(random: [u8; Self::SIZE]) -> Self {
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let pair = format!("{NAME}:{password}");
        let encoded = STANDARD.encode(&pair);
        Self { pair, encoded }
    }

    /// Name and password, as they stand in front of the host in a proxy's URL.
    #[must_use]
    pub fn userinfo(&self) -> &str {
        &self.pair
    }

    /// Whether these are the name and the password, with a colon between them.
    pub(super) fn is_pair(&self, shown: &[u8]) -> bool {
        is_same(self.pair.as_bytes(), shown)
    }

    /// Whether this is what a field of HTTP says that shows the key.
    pub(super) fn is_field(&self, shown: &str) -> bool {
        let (scheme, rest) = shown.split_once(' ').unwrap_or_default();
        scheme.eq_ignore_ascii_case("basic")
            && is_same(self.encoded.as_bytes(), rest.trim_ascii().as_bytes())
    }
}

/// Compares in a time that tells nothing of the content.
fn is_same(known: &[u8], shown: &[u8]) -> bool {
    if known.len() != shown.len() {
        return false;
    }
    let differing = known.iter().zip(shown).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    differing == 0
}

/// Keys appear in no message.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_same_in_a_url_and_in_a_field() {
        let key = Key::new([0xab; Key::SIZE]);
        assert_eq!(key.userinfo(), format!("sandbox:{}", "ab".repeat(20)));
        let field = format!("bASIC  {}", STANDARD.encode(key.userinfo()));
        assert!(key.is_pair(key.userinfo().as_bytes()) && key.is_field(&field));
        assert_eq!(format!("{key:?}"), "Key");
    }

    #[test]
    fn what_differs_anywhere_is_another_key() {
        let key = Key::new([7; Key::SIZE]);
        let right = key.userinfo().as_bytes();
        for at in 0..right.len() {
            let mut wrong = right.to_vec();
            wrong[at] ^= 1;
            let field = format!("Basic {}", STANDARD.encode(&wrong));
            assert!(!key.is_pair(&wrong) && !key.is_field(&field), "{at}");
        }
        let longer = [right, b"0"].concat();
        for wrong in [&right[1..], &longer, b"", b":", b"sandbox:"] {
            assert!(!key.is_pair(wrong));
            assert!(!key.is_field(&format!("Basic {}", STANDARD.encode(wrong))));
        }
        for wrong in ["", "Basic", "Basic ", "Bearer x", &STANDARD.encode(right)] {
            assert!(!key.is_field(wrong), "{wrong}");
        }
    }
}
