//! The DNS server of a sandbox against arbitrary and broken messages.

#[path = "egress/questions.rs"]
mod questions;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Messages that clients send, to be broken.
fn seeds() -> Vec<Vec<u8>> {
    let names: [&[u8]; 5] = [
        b"\x03www\x07example\x03org\0",
        b"\x01a\x01b\x07eXample\x03COM\0",
        b"\x07example\x03com\0",
        b"\x0216\x010\x0218\x03198\x07in-addr\x04arpa\0",
        b"\0",
    ];
    let edns = b"\0\0\x29\x04\xd0\0\0\x80\0\0\x0c\0\x0a\0\x08abcdefgh";
    let mut seeds = Vec::new();
    for name in names {
        for kind in [1, 28, 12, 65, 255] {
            let question = [name, &[0, kind, 0, 1]].concat();
            seeds.push([b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0", &question[..]].concat());
            seeds.push([b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01", &question[..], edns].concat());
        }
    }
    seeds
}

/// One change to a message.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Double(Index),
}

fn any_change() -> impl Strategy<Value = Change> {
    let telling = select(vec![0_u8, 1, 0x0c, 0x29, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff]);
    let byte = prop_oneof![telling, any::<u8>()];
    prop_oneof![
        4 => (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), prop::collection::vec(byte, 1..5))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => any::<Index>().prop_map(Change::Double),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let place = |at: Index| at.index(bytes.len() + 1);
    match change {
        Change::Set(at, byte) if !bytes.is_empty() => *at.get_mut(bytes) = byte,
        Change::Set(..) => {}
        Change::Cut(at) => bytes.truncate(place(at)),
        Change::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new)),
        Change::Double(at) => bytes.extend_from_within(place(at)..),
    }
}

#[test]
fn messages_of_clients_hold() {
    for seed in seeds() {
        for length in 0..=seed.len() {
            questions::check(&seed[..length]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn broken_messages_hold(
        seed in select(seeds()),
        changes in prop::collection::vec(any_change(), 1..6),
    ) {
        let mut bytes = seed;
        for change in changes {
            apply(&mut bytes, change);
        }
        questions::check(&bytes);
    }

    #[test]
    fn arbitrary_messages_hold(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        questions::check(&bytes);
    }

    /// A header that looks right, and anything behind it.
    #[test]
    fn arbitrary_questions_hold(
        additional in 0_u8..2,
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), 0_u8..70, any::<u8>()], 0..300),
    ) {
        let header = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
        questions::check(&[&header[..], &bytes].concat());
    }
}
