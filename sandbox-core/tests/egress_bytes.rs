//! Runs the fuzzer's check over examples that are cut, mixed and broken at random.

#[path = "egress_bytes/judge.rs"]
mod judge;

use proptest::prelude::*;

const EXAMPLES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"PUT / HTTP/1.0\r\nContent-Length: 3\r\nConnection: x\r\n\r\nabc",
    b"GET http://example.org:81/x HTTP/1.1\r\nHost: example.org:81\r\nUpgrade: websocket\r\n\r\n",
    b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n\x16\x03\x01",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.org\x01\xbb",
    b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50SSH-2.0-x\r\n",
    b"\x16\x03\x01\x00\x41\x01\x00\x00\x3d\x03\x0300000000000000000000000000000000\x00\x00\x02\x13\x01\
      \x01\x00\x00\x12\x00\x00\x00\x0e\x00\x0c\x00\x00\x09localhost",
    b"\nHost: evil.example\r\n host : evil.example\r\n\r\n",
];

#[test]
fn examples_hold() {
    EXAMPLES.iter().for_each(|example| judge::check(example));
}

proptest! {
    #[test]
    fn broken_examples_hold(
        parts in proptest::collection::vec((0..EXAMPLES.len(), 0..120_usize, 0..120_usize), 1..4),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        signs in proptest::collection::vec((any::<usize>(), 0..8_usize), 0..3),
    ) {
        let mut bytes = Vec::new();
        for (example, from, to) in parts {
            let example = EXAMPLES[example];
            let (from, to) = (from.min(example.len()), to.min(example.len()));
            bytes.extend_from_slice(&example[from.min(to)..from.max(to)]);
            bytes.extend_from_slice(if from > to { example } else { b"" });
        }
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
        }
        for (at, sign) in signs {
            bytes.insert(at % (bytes.len() + 1), b"\r\n :\t\0,;"[sign]);
        }
        judge::check(&bytes);
    }
}
