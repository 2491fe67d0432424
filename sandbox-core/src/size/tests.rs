use proptest::prelude::*;

use super::*;

fn size(text: &str) -> Result<u64, AmountError> {
    text.parse::<ByteSize>().map(ByteSize::bytes)
}

fn span(text: &str) -> Result<u64, AmountError> {
    text.parse::<Span>().map(|span| u64::try_from(span.duration().as_millis()).unwrap())
}

#[test]
fn sizes_are_read_with_every_unit() {
    for (text, bytes) in [
        ("0", 0),
        ("7", 7),
        ("7b", 7),
        ("1k", 1 << 10),
        ("1K", 1 << 10),
        ("1KB", 1 << 10),
        ("1KiB", 1 << 10),
        ("512M", 512 << 20),
        ("3gib", 3 << 30),
        ("2T", 2 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for text in
        ["", "M", "-1", "+1", " 1", "1 ", "1 M", "1.5M", "1e3", "1X", "1MM", "1iB", "0x10", "１M"]
    {
        assert!(matches!(size(text), Err(AmountError::Size { .. })), "{text}");
    }
    for text in ["18446744073709551616", "99999999999T", "18014398509481984K"] {
        assert!(matches!(size(text), Err(AmountError::TooLarge { .. })), "{text}");
    }
}

#[test]
fn mebibytes_saturate() {
    assert_eq!(ByteSize::from_mib(u64::MAX).bytes(), u64::MAX);
    assert_eq!(ByteSize::from_mib(3).bytes(), 3 << 20);
}

#[test]
fn spans_are_read_with_every_unit() {
    for (text, millis) in [
        ("0s", 0),
        ("250ms", 250),
        ("30s", 30_000),
        ("1m30s", 90_000),
        ("2h", 7_200_000),
        ("1d1h1m1s1ms", 90_061_001),
    ] {
        assert_eq!(span(text), Ok(millis), "{text}");
    }
}

#[test]
fn what_is_no_span_is_refused() {
    for text in ["", "30", "s", "-1s", "1.5s", "1 s", "1S", "1min", "1m 30s", "1s30", "٣s"] {
        assert!(matches!(span(text), Err(AmountError::Span { .. })), "{text}");
    }
    for text in ["18446744073709551616ms", "18446744073709551615s", "999999999999999999d"] {
        assert!(matches!(span(text), Err(AmountError::TooLarge { .. })), "{text}");
    }
}

#[test]
fn a_short_time_is_never_none() {
    assert_eq!(Span::from(Duration::from_nanos(1)).to_string(), "1ms");
    assert_eq!(Span::from(Duration::ZERO).to_string(), "0s");
    assert_eq!(Span::from(Duration::MAX).duration(), Duration::from_millis(u64::MAX));
}

proptest! {
    #[test]
    fn sizes_survive_being_written(bytes: u64) {
        let size = ByteSize::from_bytes(bytes);
        prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
    }

    #[test]
    fn spans_survive_being_written(nanos in 0..u64::MAX) {
        let span = Span::from(Duration::from_nanos(nanos));
        prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in any::<String>()) {
        let _ = (text.parse::<ByteSize>(), text.parse::<Span>());
    }
}
