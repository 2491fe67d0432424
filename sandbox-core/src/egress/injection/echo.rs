//! Secrets in what a server answers: they become what the client sent in their place.
//!
//! What takes the place has the same length, so that nothing else of an answer changes. A server
//! that answers compressed, encoded, or in pieces with something in between is not seen through.

use zeroize::{Zeroize as _, Zeroizing};

/// What must not pass, and what passes instead.
#[derive(Default)]
pub(crate) struct Echoes {
    known: Vec<(Zeroizing<Vec<u8>>, Vec<u8>)>,
    /// The end of what has come, as far as it may be the beginning of a secret.
    held: Vec<u8>,
}

impl Echoes {
    /// Has `secret` become `instead`, cut or filled to the same length.
    pub(crate) fn add(&mut self, secret: &[u8], instead: &[u8]) {
        if self.known.iter().any(|(known, _)| **known == secret) || secret.is_empty() {
            return;
        }
        let filled = instead.iter().copied().chain(std::iter::repeat(b'*'));
        let instead = filled.take(secret.len()).collect();
        self.known.push((Zeroizing::new(secret.to_vec()), instead));
    }

    /// Takes bytes and puts out what is certain of them.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        for (secret, instead) in &self.known {
            replace(&mut self.held, secret, instead);
        }
        let open = self.known.iter().map(|(secret, _)| begun(&self.held, secret)).max();
        let certain = self.held.len() - open.unwrap_or(0);
        out.extend_from_slice(&self.held[..certain]);
        self.held.drain(..certain);
    }

    /// Puts out the rest: what follows is something else.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.held);
        self.held.clear();
    }
}

impl Drop for Echoes {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

impl std::fmt::Debug for Echoes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Echoes").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

/// Replaces each occurrence.
fn replace(text: &mut [u8], secret: &[u8], instead: &[u8]) {
    let mut from = 0;
    while let Some(at) = find(&text[from..], secret) {
        text[from + at..from + at + secret.len()].copy_from_slice(instead);
        from += at + secret.len();
    }
}

/// Where a text is found first.
pub(super) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..text.len().checked_sub(wanted.len())? + 1)?;
        from += rest.iter().position(|byte| *byte == first)?;
        if text[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

/// How much of the end of a text is a beginning of the secret, and not all of it.
fn begun(text: &[u8], secret: &[u8]) -> usize {
    let most = secret.len().saturating_sub(1).min(text.len());
    (1..=most).rev().find(|length| text.ends_with(&secret[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(text: &[u8], piece: usize) -> Vec<u8> {
        let mut echoes = Echoes::default();
        echoes.add(b"aabaac", b"PLACEH");
        echoes.add(b"long-secret", b"short");
        let mut out = Vec::new();
        text.chunks(piece).for_each(|bytes| echoes.push(bytes, &mut out));
        echoes.flush(&mut out);
        out
    }

    #[test]
    fn a_secret_never_passes_whatever_the_pieces() {
        let text = b"x aabaac aabaabaac aab long-secret long-secre";
        let clean = b"x PLACEH aabPLACEH aab short****** long-secre";
        for piece in 1..=text.len() {
            assert_eq!(pass(text, piece), clean, "{piece}");
        }
    }

    #[test]
    fn only_what_may_be_one_is_held() {
        let mut echoes = Echoes::default();
        echoes.add(b"secret", b"other");
        let mut out = Vec::new();
        echoes.push(b"data: x\n\nsecx sec", &mut out);
        assert_eq!(out, b"data: x\n\nsecx ");
        assert!(!format!("{echoes:?}").contains("sec"));
    }
}
