//! Keys in a row that mean something to us and not to the command.
//!
//! A key that may be the first of them is held back until the next one tells.

/// Looks for keys in what is typed.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    wanted: &'a [u8],
    held: Vec<u8>,
}

impl<'a> Keys<'a> {
    /// Looks for these keys; for none, if there are none.
    pub(super) fn new(wanted: &'a [u8]) -> Self {
        Self { wanted, held: Vec::new() }
    }

    /// Takes what was typed: what is the command's of it, and whether the keys were met. What comes
    /// after them is nobody's.
    pub(super) fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut rest = Vec::with_capacity(typed.len());
        for key in typed {
            self.held.push(*key);
            while !self.wanted.starts_with(&self.held) {
                rest.push(self.held.remove(0));
            }
            if !self.held.is_empty() && self.held == self.wanted {
                self.held.clear();
                return (rest, true);
            }
        }
        (rest, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(wanted: &[u8], typed: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut keys = Keys::new(wanted);
        let mut all = Vec::new();
        for block in typed {
            let (rest, met) = keys.take(block);
            all.extend(rest);
            if met {
                return (all, true);
            }
        }
        (all, false)
    }

    #[test]
    fn the_keys_are_met_in_one_block_or_several() {
        assert_eq!(take(b"pq", &[b"abpqcd"]), (b"ab".to_vec(), true));
        assert_eq!(take(b"pq", &[b"ab", b"p", b"q"]), (b"ab".to_vec(), true));
        assert_eq!(take(b"p", &[b"ap"]), (b"a".to_vec(), true));
    }

    #[test]
    fn keys_that_only_begin_like_them_are_passed_on() {
        assert_eq!(take(b"pq", &[b"apx", b"qp"]), (b"apxq".to_vec(), false));
        assert_eq!(take(b"pq", &[b"ppq"]), (b"p".to_vec(), true));
        assert_eq!(take(b"aab", &[b"aaa", b"ab"]), (b"aa".to_vec(), true));
    }

    #[test]
    fn without_keys_everything_is_passed_on() {
        assert_eq!(take(b"", &[b"abc", b"\x10\x11"]), (b"abc\x10\x11".to_vec(), false));
    }
}
