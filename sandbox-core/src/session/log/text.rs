//! The characters at the two edges of a piece of text.

/// The most bytes that continue a character after its first.
const CONTINUING: usize = 3;

/// `bytes` without the rest of a character at the beginning, if the beginning is `cut` off, and
/// without the beginning of one at the end. Bytes that belong to no character stay.
pub(super) fn whole(bytes: &[u8], cut: bool) -> &[u8] {
    let continues = |byte: &&u8| (0x80..0xc0).contains(*byte);
    let begin = if cut { bytes.iter().take(CONTINUING).take_while(continues).count() } else { 0 };
    let bytes = &bytes[begin..];
    let last = bytes.iter().rev().take(CONTINUING).take_while(continues).count() + 1;
    let Some(at) = bytes.len().checked_sub(last) else { return bytes };
    match std::str::from_utf8(&bytes[at..]) {
        // Without a length the error says that bytes are missing, not that one is wrong.
        Err(error) if error.error_len().is_none() => &bytes[..at],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    /// Whole characters of every length, in a row.
    const TEXT: &str = "a\u{e9}\u{20ac}\u{1f600}b\u{1f600}\u{20ac}\u{e9}";

    #[test]
    fn every_part_of_a_text_is_text_and_loses_no_whole_character() {
        let all = TEXT.as_bytes();
        for start in 0..=all.len() {
            for end in start..=all.len() {
                let part = whole(&all[start..end], start > 0);
                let text = std::str::from_utf8(part).unwrap();
                let first = (start..=end).find(|at| TEXT.is_char_boundary(*at));
                let last = (start..=end).rev().find(|at| TEXT.is_char_boundary(*at));
                let whole = first.zip(last).map_or("", |(first, last)| &TEXT[first..last]);
                assert_eq!(text, whole, "{start}..{end}");
            }
        }
    }

    #[test]
    fn what_is_no_text_stays() {
        for bytes in [&b"\xff\xfe"[..], b"\xc0", b"a\xf8\x80", b"\x80\x80\x80\x80", b""] {
            assert_eq!(whole(bytes, false), bytes);
        }
        assert_eq!(whole(b"\x80\x80\x80\x80\x80a", true), b"\x80\x80a");
        assert_eq!(whole(b"\xffa", true), b"\xffa");
    }
}
