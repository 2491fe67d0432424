use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use super::*;
use crate::egress::Range;

const ROOT_TYPES: [(u16, Verdict); 8] = [
    (255, Verdict::Refused),
    (252, Verdict::Refused),
    (251, Verdict::Refused),
    (250, Verdict::Refused),
    (41, Verdict::Refused),
    (15, Verdict::NoData),
    (16, Verdict::NoData),
    (65, Verdict::NoData),
];

struct Server {
    rules: Rules,
    names: Names,
}

impl Server {
    fn new(rules: &[&str]) -> Self {
        let rules: Vec<_> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Self { rules: Rules::new(&rules), names: Names::new(Range::default()) }
    }

    fn ask(&mut self, query: &[u8]) -> (Verdict, Option<Message>) {
        let answer = answer(query, Transport::Udp, &self.rules, &mut self.names);
        (answer.verdict, answer.message.map(|bytes| Message::from_vec(&bytes).unwrap()))
    }

    fn code(&mut self, query: &[u8]) -> (Verdict, ResponseCode) {
        let (verdict, message) = self.ask(query);
        (verdict, message.unwrap().response_code)
    }
}

fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let words = [0xbeef, flags, counts[0], counts[1], counts[2], counts[3]];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn question(name: &str, kind: u16, class: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    [header(0x0100, [1, 0, 0, 0]), question(name, kind, 1)].concat()
}

/// With an EDNS record of this version, payload and options.
fn edns(name: &str, kind: u16, version: u8, payload: u16, options: &[u8]) -> Vec<u8> {
    let mut bytes = [header(0x0100, [1, 0, 0, 1]), question(name, kind, 1)].concat();
    bytes.extend([0, 0, 41]);
    bytes.extend(payload.to_be_bytes());
    bytes.extend([0, version, 0, 0]);
    bytes.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
    bytes.extend(options);
    bytes
}

const A_TYPE: u16 = 1;
const AAAA_TYPE: u16 = 28;
const PTR_TYPE: u16 = 12;

#[test]
fn a_known_name_has_its_synthetic_addresses() {
    let mut server = Server::new(&["*.example.org"]);
    let (verdict, message) = server.ask(&query("www.example.org", A_TYPE));
    let message = message.unwrap();
    assert_eq!((verdict, message.id), (Verdict::Answered, 0xbeef));
    assert_eq!(
        (message.message_type, message.response_code),
        (MessageType::Response, ResponseCode::NoError)
    );
    assert!(message.recursion_desired && message.recursion_available && !message.truncation);
    assert_eq!(message.answers.len(), 1);
    assert_eq!(message.answers[0].data, RData::A(A::new(198, 18, 0, 16)));
    assert!(message.answers[0].ttl <= 60 && message.edns.is_none());
    let (_, message) = server.ask(&query("www.example.org", AAAA_TYPE));
    assert_eq!(message.unwrap().answers[0].data, RData::AAAA("fd00:5b::10".parse().unwrap()));
    assert_eq!(server.names.len(), 1);
}

#[test]
fn an_unknown_name_does_not_exist() {
    let mut server = Server::new(&["*.example.org", "192.0.43.8"]);
    for name in
        ["example.org", "xexample.org", "example.org.evil.test", "org", "", "a..b", "192.0.43.8"]
    {
        let (verdict, message) = server.ask(&query(name, A_TYPE));
        let message = message.unwrap();
        assert_eq!(verdict, Verdict::Denied, "{name}");
        assert_eq!(message.response_code, ResponseCode::NXDomain, "{name}");
        assert!(message.answers.is_empty() && message.edns.is_none(), "{name}");
    }
    assert!(server.names.is_empty());
}

#[test]
fn who_speaks_edns_is_told_why() {
    let mut server = Server::new(&["example.org"]);
    let (_, message) = server.ask(&edns("example.com", A_TYPE, 0, 4096, b"\0\x0a\0\x08cookies!"));
    let own = message.unwrap().edns.unwrap();
    assert_eq!(own.max_payload(), 1232);
    let Some(EdnsOption::Unknown(15, data)) = own.option(EdnsCode::from(15)) else {
        panic!("no extended error in {own}")
    };
    assert!(data.starts_with(&[0, 18]) && data.ends_with(b"such host"), "{data:?}");
    let (_, message) = server.ask(&edns("example.org", A_TYPE, 0, 4096, b""));
    assert!(message.unwrap().edns.unwrap().options().as_ref().is_empty());
    let (verdict, message) = server.ask(&edns("example.org", A_TYPE, 1, 4096, b""));
    let message = message.unwrap();
    assert_eq!(verdict, Verdict::Refused);
    // Extended codes are written in two parts; 16 is BADVERS.
    assert_eq!(u16::from(message.response_code), 16);
    assert!(message.answers.is_empty());
}

#[test]
fn the_case_of_the_question_survives() {
    let mut server = Server::new(&["www.example.org"]);
    let asked = query("wWw.EXAMPLE.oRg", A_TYPE);
    let answer = answer(&asked, Transport::Udp, &server.rules, &mut server.names);
    let bytes = answer.message.unwrap();
    assert_eq!(bytes[12..asked.len()], asked[12..]);
    assert_eq!(answer.asked.unwrap().name, "wWw.EXAMPLE.oRg");
    assert_eq!(server.names.len(), 1);
    server.ask(&query("www.example.org", A_TYPE));
    assert_eq!(server.names.len(), 1);
}

#[test]
fn types_have_their_answers() {
    let mut server = Server::new(&["example.org"]);
    for (kind, verdict) in ROOT_TYPES {
        let code = match verdict {
            Verdict::NoData => ResponseCode::NoError,
            _ => ResponseCode::Refused,
        };
        let (found, message) = server.ask(&query("example.org", kind));
        let message = message.unwrap();
        assert_eq!((found, message.response_code), (verdict, code), "type {kind}");
        assert!(message.answers.is_empty());
    }
    assert_eq!(server.code(&query("example.org", PTR_TYPE)).0, Verdict::NoData);
    assert_eq!(server.code(&query("example.com", 65)).1, ResponseCode::NXDomain);
    // What is not asked for by address takes no address.
    assert!(server.names.is_empty());
}

#[test]
fn addresses_lead_back_to_names() {
    let mut server = Server::new(&["example.org"]);
    let v4 = "16.0.18.198.in-addr.arpa";
    let v6 = "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.5.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(server.code(&query(v4, PTR_TYPE)).0, Verdict::Denied);
    server.ask(&query("example.org", A_TYPE));
    for name in [v4, v6, "16.0.18.198.IN-ADDR.ARPA"] {
        let (verdict, message) = server.ask(&query(name, PTR_TYPE));
        assert_eq!(verdict, Verdict::Answered, "{name}");
        let expected = RData::PTR(PTR(Name::from_ascii("example.org.").unwrap()));
        assert_eq!(message.unwrap().answers[0].data, expected);
    }
    for name in [
        "0.18.198.in-addr.arpa",
        &v6[2..],
        "17.0.18.198.in-addr.arpa",
        "8.8.8.8.in-addr.arpa",
        "arpa",
    ] {
        assert_eq!(server.code(&query(name, PTR_TYPE)).0, Verdict::Denied, "{name}");
    }
    // A rule that is gone takes the name with it.
    server.rules = Rules::default();
    assert_eq!(server.code(&query(v4, PTR_TYPE)).0, Verdict::Denied);
}

#[test]
fn other_questions_are_refused() {
    let mut server = Server::new(&["example.org"]);
    for class in [2, 3, 4, 254, 255] {
        let query = [header(0x0100, [1, 0, 0, 0]), question("example.org", A_TYPE, class)].concat();
        assert_eq!(server.code(&query), (Verdict::Refused, ResponseCode::Refused), "class {class}");
    }
    for operation in 1..16_u16 {
        let flags = operation << 11;
        let query = [header(flags, [1, 0, 0, 0]), question("example.org", A_TYPE, 1)].concat();
        assert_eq!(server.code(&query), (Verdict::Refused, ResponseCode::NotImp), "{operation}");
    }
}

#[test]
fn what_is_no_question_is_malformed() {
    let mut server = Server::new(&["example.org", "*.example.org"]);
    let one = question("example.org", A_TYPE, 1);
    let malformed = [
        header(0x0100, [0, 0, 0, 0]),
        header(0x0100, [1, 0, 0, 0]),
        header(0x0100, [0xffff, 0xffff, 0xffff, 0xffff]),
        [header(0x0100, [2, 0, 0, 0]), one.clone(), one.clone()].concat(),
        [header(0x0100, [1, 1, 0, 0]), one.clone()].concat(),
        [header(0x0100, [1, 0, 1, 0]), one.clone()].concat(),
        [header(0x0100, [1, 0, 0, 1]), one.clone()].concat(),
        [header(0x0300, [1, 0, 0, 0]), one.clone()].concat(),
        [header(0x0100, [1, 0, 0, 0]), one.clone(), vec![0]].concat(),
        query("example.org", A_TYPE)[..28].to_vec(),
        // The record is no EDNS.
        [header(0x0100, [1, 0, 0, 1]), one.clone(), vec![0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]].concat(),
        // The options are longer than the message.
        [header(0x0100, [1, 0, 0, 1]), one, vec![0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 9]].concat(),
        edns("example.org", A_TYPE, 0, 4096, &[0; LONGEST]),
    ];
    for query in malformed {
        let shown = &query[..query.len().min(60)];
        assert_eq!(server.code(&query), (Verdict::Malformed, ResponseCode::FormErr), "{shown:x?}");
    }
    let longest = LONGEST - edns("example.org", A_TYPE, 0, 4096, b"").len();
    let (verdict, _) = server.ask(&edns("example.org", A_TYPE, 0, 4096, &vec![0; longest]));
    assert_eq!(verdict, Verdict::Answered);
}

#[test]
fn names_that_point_anywhere_are_malformed() {
    let mut server = Server::new(&["example.org", "*.example.org"]);
    let tail = [0, 1, 0, 1];
    let names: [&[u8]; 7] = [
        b"\xc0\x0c",         // at itself
        b"\xc0\x0e\xc0\x0c", // at each other
        b"\x01a\xc0\x0c",    // at its own beginning
        b"\xc0\x0a",         // into the header, where it reads like a name
        b"\xc0\x00",         // into the header
        b"\xff\xff",         // beyond the end
        b"\x40aaaa\0",       // a reserved kind of label
    ];
    for name in names {
        let query = [&header(0x0100, [1, 0, 0, 0])[..], name, &tail].concat();
        assert_eq!(server.code(&query), (Verdict::Malformed, ResponseCode::FormErr), "{name:x?}");
    }
}

#[test]
fn responses_and_scraps_are_not_answered() {
    let mut server = Server::new(&["example.org"]);
    let response = [header(0x8100, [1, 0, 0, 0]), question("example.org", A_TYPE, 1)].concat();
    for scrap in [&response[..], &[], &[0], &query("example.org", A_TYPE)[..11]] {
        assert_eq!(server.ask(scrap), (Verdict::Malformed, None), "{scrap:x?}");
    }
}

/// A label may hold any byte, also a dot; text cannot tell that from two labels.
#[test]
fn a_dot_in_a_label_is_no_separator() {
    let mut server = Server::new(&["www.example.org"]);
    let name = b"\x0bwww.example\x03org\0";
    let query = [&header(0x0100, [1, 0, 0, 0])[..], name, &[0, 1, 0, 1]].concat();
    assert_eq!(server.code(&query).0, Verdict::Denied);
    let name = b"\x03www\x07exam\0le\x03org\0";
    let query = [&header(0x0100, [1, 0, 0, 0])[..], name, &[0, 1, 0, 1]].concat();
    let answer = answer(&query, Transport::Udp, &server.rules, &mut server.names);
    assert_eq!(answer.asked.unwrap().name, "www.exam\\000le.org");
    assert_eq!(answer.verdict, Verdict::Denied);
}

#[test]
fn the_longest_name_fits() {
    let name = [vec!["a".repeat(63); 3].join("."), "b".repeat(57), "org".into()].join(".");
    assert_eq!(name.len(), HostName::LONGEST);
    let mut server = Server::new(&["*.org"; 0]);
    let rule = format!("*.{}.org", "b".repeat(57));
    server.rules = Rules::new(&[rule.parse().unwrap()]);
    for query in [query(&name, A_TYPE), edns(&name, AAAA_TYPE, 0, 0, b"")] {
        let (verdict, message) = server.ask(&query);
        assert_eq!((verdict, message.unwrap().answers.len()), (Verdict::Answered, 1));
    }
    let longer = query(&format!("{name}x"), A_TYPE);
    assert_eq!(server.code(&longer).0, Verdict::Malformed);
}

/// No real answer is that long, so a long one is made.
#[test]
fn what_does_not_fit_is_truncated() {
    let bytes = query("www.example.org", A_TYPE);
    let query = read::query(&bytes).ok().unwrap();
    let long = |transport| {
        let data = RData::TXT(hickory_proto::rr::rdata::TXT::new(vec!["x".repeat(250); 3]));
        let response = Response::to(&query, ResponseCode::NoError).data(Some(data));
        let bytes = response.write(transport).unwrap();
        (bytes.len(), Message::from_vec(&bytes).unwrap())
    };
    let (length, message) = long(Transport::Udp);
    assert!(length <= 512 && message.truncation && message.answers.is_empty(), "{length}");
    let (length, message) = long(Transport::Tcp);
    assert!(length > 512 && !message.truncation && message.answers.len() == 1, "{length}");
}

#[test]
fn too_many_names_are_a_servers_failure() {
    let mut server = Server::new(&["*.example.org"]);
    server.names = Names::with_limit(Range::default(), 1);
    assert_eq!(server.code(&query("a.example.org", A_TYPE)).0, Verdict::Answered);
    let full = (Verdict::Full, ResponseCode::ServFail);
    assert_eq!(server.code(&query("b.example.org", A_TYPE)), full);
    assert_eq!(server.code(&query("a.example.org", AAAA_TYPE)).0, Verdict::Answered);
}

#[test]
fn without_ipv6_there_are_no_addresses_of_it() {
    let mut server = Server::new(&["example.org"]);
    server.names = Names::new(Range::default().without_v6());
    let code = server.code(&query("example.org", AAAA_TYPE));
    assert_eq!(code, (Verdict::NoData, ResponseCode::NoError));
    assert_eq!(server.code(&query("example.org", A_TYPE)).0, Verdict::Answered);
}
