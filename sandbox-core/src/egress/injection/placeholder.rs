//! What stands for a secret inside: random, and shaped like what it stands for, since programs look
//! at the beginning of a token or at its length before they use it.

use ring::rand::{SecureRandom, SystemRandom};

/// Beginnings that tell a token's kind and nothing else; longer ones first.
const KINDS: [&str; 24] = [
    "sk-ant-api03-",
    "sk-ant-oat01-",
    "github_pat_",
    "sk-proj-",
    "sk-ant-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "dop_v1_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "pypi-",
    "glsa_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "npm_",
    "AIza",
    "hf_",
    "sk-",
];

/// The beginning of the others.
const PLAIN: &str = "sbx_";

/// So many characters of 62 are 128 bits.
const RANDOM: usize = 22;

/// The longest that is made.
const LONGEST: usize = 256;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes one: as long as the secret, as far as 128 bits fit.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn make(secret: &str, random: &SystemRandom) -> Result<String, String> {
    let kind = KINDS.iter().find(|kind| secret.starts_with(**kind)).unwrap_or(&PLAIN);
    let length = secret.len().min(LONGEST).max(kind.len() + RANDOM);
    let mut text = (*kind).to_owned();
    while text.len() < length {
        let mut bytes = [0; 64];
        random.fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
        // Those that would make some characters likelier are left out.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let wanted = length - text.len();
        text.extend(fair.take(wanted).map(|byte| char::from(ALPHABET[usize::from(*byte) % 62])));
    }
    Ok(text)
}
