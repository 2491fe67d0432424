use proptest::prelude::*;

use super::*;

/// A ClientHello with these server names, each in an extension of its own, as one message.
pub(crate) fn hello(names: &[&str]) -> Vec<u8> {
    let mut extensions = vec![0, 23, 0, 0];
    for name in names {
        let length = u16::try_from(name.len()).unwrap();
        extensions.extend([0, 0]);
        extensions.extend((length + 5).to_be_bytes());
        extensions.extend((length + 3).to_be_bytes());
        extensions.push(0);
        extensions.extend(length.to_be_bytes());
        extensions.extend(name.bytes());
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1][..], &length[1..], &body].concat()
}

/// A message in records of this size.
pub(crate) fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1][..], &length, part].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

/// The verdict over bytes that come one by one, and after how many of them it fell.
fn slowly(bytes: &[u8]) -> Result<Option<(First, usize)>, Malformed> {
    let mut flight = Flight::default();
    for length in 0..=bytes.len() {
        if let Some(first) = flight.judge(&bytes[..length])? {
            return Ok(Some((first, length)));
        }
    }
    Ok(None)
}

fn at_once(bytes: &[u8]) -> Result<Option<First>, Malformed> {
    Flight::default().judge(bytes)
}

fn is_word(bytes: &[u8]) -> bool {
    let mut flight = Flight::default();
    assert!(flight.judge(bytes).unwrap().is_none());
    flight.is_word()
}

fn name(first: Option<First>) -> Option<String> {
    match first {
        Some(First::Tls { name }) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_is_found_however_the_hello_is_cut() {
    let message = hello(&["Example.org"]);
    for size in [1, 2, 3, 4, 5, 7, 40, message.len()] {
        let bytes = records(&message, size);
        assert_eq!(name(at_once(&bytes).unwrap()).as_deref(), Some("Example.org"));
        let (first, length) = slowly(&bytes).unwrap().unwrap();
        assert_eq!(name(Some(first)).as_deref(), Some("Example.org"));
        assert_eq!(length, bytes.len(), "no verdict before the last byte");
    }
    let none = records(&hello(&[]), 100);
    assert_eq!(name(at_once(&none).unwrap()), None);
    let early = [records(&message, 4096), vec![23, 3, 3, 0, 1, 0]].concat();
    assert_eq!(name(at_once(&early).unwrap()).as_deref(), Some("Example.org"));
}

#[test]
fn a_hello_with_two_readings_is_malformed() {
    let good = hello(&["example.org"]);
    let two = hello(&["example.org", "evil.example"]);
    let longer = [&good[..], b"x"].concat();
    let mut inner = good.clone();
    // The length of all extensions is one short.
    inner[4 + 2 + 32 + 1 + 4 + 2 + 1] -= 1;
    for message in [two, longer, inner, hello(&[""]), hello(&["a\0b"]), hello(&["a b"])] {
        assert_eq!(at_once(&records(&message, 4096)).err(), Some(Malformed::Hello));
    }
    let whole = records(&good, 4096);
    for (at, byte) in [(0, 23), (1, 2), (3, 0xff), (5, 2)] {
        let mut second = records(&good, 20);
        second[25 * usize::from(at < 5) + at] = byte;
        assert_eq!(at_once(&second).err(), Some(Malformed::Hello), "{at}");
    }
    assert_eq!(at_once(&[22, 3, 1, 0, 0]).err(), Some(Malformed::Hello));
    assert_eq!(at_once(&[22, 3, 1, 0, 4, 1, 1, 0, 0]).err(), Some(Malformed::TooLong));
    assert_eq!(Flight::default().ended(&whole[..20]).err(), Some(Malformed::Hello));
}

#[test]
fn requests_are_found_behind_line_ends_and_with_any_method() {
    for text in [
        "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "\n\nBREW /pot HTTP/1.1\r\nHost: example.org\r\n\r\n",
    ] {
        let (first, length) = slowly(text.as_bytes()).unwrap().unwrap();
        let First::Http(head) = first else { panic!("{first:?}") };
        assert_eq!(head.host().unwrap().to_string(), "example.org");
        assert_eq!(length, text.len());
    }
    let preface = slowly(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap().unwrap();
    assert!(matches!(preface, (First::Http2, 16)));
}

#[test]
fn what_some_server_takes_for_a_request_is_never_opaque() {
    for text in [
        "GET / HTTP/1.1\nHost: evil.example\n\n",
        "GET\t/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET\x0b/\x0bHTTP/1.1\r\nHost: evil.example\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET  /  http/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "X\u{a0}/\u{a0}HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        "PRI * HTTP/2.0\n\n",
        "X /\0 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ] {
        assert!(at_once(text.as_bytes()).is_err(), "{text:?}");
        assert!(slowly(text.as_bytes()).is_err(), "{text:?}");
        assert!(Flight::default().ended(text.as_bytes()).is_err(), "{text:?}");
    }
    for cut in ["GET ", "GET / HTTP/1.1\r\nHost: evil.example\r\n", "X / HTTP/1.1\r\n"] {
        assert!(at_once(cut.as_bytes()).unwrap().is_none());
        assert!(Flight::default().ended(cut.as_bytes()).is_err(), "{cut:?}");
        assert!(!is_word(cut.as_bytes()), "{cut:?}");
    }
}

#[test]
fn other_protocols_are_opaque_as_soon_as_that_is_sure() {
    for (bytes, length) in [
        (&b"SSH-2.0-OpenSSH_9.9\r\n"[..], 21),
        (b"EHLO client.example\r\n", 21),
        (b"*1\r\n$4\r\nPING\r\n", 4),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", 1),
        (b"\x16\0", 2),
        (b"\n\0\0\x01", 2),
        (b"AMQP\0\0\x09\x01", 5),
    ] {
        let (first, after) = slowly(bytes).unwrap().unwrap();
        assert!(matches!(first, First::Opaque), "{bytes:?}");
        assert_eq!(after, length, "{bytes:?}");
    }
    assert!(matches!(Flight::default().ended(b"ping"), Ok(First::Opaque)));
    assert!(matches!(Flight::default().ended(b""), Ok(First::Opaque)));
    assert!(is_word(b"ping") && is_word(b"\r\nhello there"));
    assert!(!is_word(b"\x16\x03") && !is_word(b"GET ") && !is_word(b""));
}

#[test]
fn a_flight_is_bounded() {
    let word = vec![b'a'; MOST];
    assert!(at_once(&word[1..]).unwrap().is_none());
    assert!(matches!(at_once(&word), Ok(Some(First::Opaque))));
    let json = [b"{\"a b\": ".as_slice(), &word].concat();
    assert!(matches!(at_once(&json), Ok(Some(First::Opaque))));
    let target = [b"X /".as_slice(), &word].concat();
    assert_eq!(at_once(&target).err(), Some(Malformed::TooLong));
    let head = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &word].concat();
    assert_eq!(at_once(&head).err(), Some(Malformed::TooLong));
}

proptest! {
    /// Whatever comes: pieces and the whole are judged alike.
    #[test]
    fn pieces_change_nothing(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "[ -~]{0,20}( HTTP/1.[01])?(\r\n[a-zA-Z-]{1,9}: ?[ -~]{0,12}){0,4}(\r\n\r\n)?"
            .prop_map(String::into_bytes),
        (0..3_usize, 1..80_usize, 0..300_usize, any::<u8>()).prop_map(|(count, size, at, byte)| {
            let mut bytes = records(&hello(&["example.org"; 3][..count]), size);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes
        }),
    ]) {
        let whole = at_once(&bytes);
        match slowly(&bytes) {
            // What comes behind a verdict may be read by the verdict at once, and changes nothing.
            Ok(Some((first, length))) => {
                let again = at_once(&bytes[..length]).unwrap().unwrap();
                prop_assert_eq!(format!("{again:?}"), format!("{first:?}"));
            }
            Ok(None) => prop_assert!(matches!(whole, Ok(None))),
            Err(_) => prop_assert!(whole.is_err() || matches!(whole, Ok(Some(_)))),
        }
        let _ = Flight::default().ended(&bytes);
    }
}
