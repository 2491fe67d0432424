//! What must hold for every message that reaches the DNS server of a sandbox. Run by the fuzzer over
//! whatever it finds, and by this crate's tests over arbitrary and mutated messages.

use sandbox_core::egress::dns::{Transport, Verdict, answer};
use sandbox_core::egress::{HostRule, Names, Range, Rules};

/// No message makes it panic, answer what no rule knows, or say more than the transport takes; and
/// no answer is a question.
pub(crate) fn check(message: &[u8]) {
    let rules = ["www.example.org", "*.example.com"];
    let rules: Vec<HostRule> =
        rules.iter().map(|rule| rule.parse().expect("the rule is legal")).collect();
    let rules = Rules::new(&rules);
    let mut names = Names::with_limit(Range::default(), 2);
    let asked_before = "www.example.org".parse().expect("the name is legal");
    names.address_of(&asked_before).expect("there is room");
    let first = answer(message, Transport::Udp, &rules, &mut names);
    let known = first.asked.as_ref().and_then(|asked| asked.name.parse().ok());
    let known = known.is_some_and(|name| rules.knows(&name));
    let reverse = first.asked.as_ref().is_some_and(|asked| asked.kind == "PTR");
    match first.verdict {
        Verdict::Answered => assert!(known || reverse),
        Verdict::NoData => assert!(known && names.len() == 1),
        _ => assert!(names.len() == 1),
    }
    assert_eq!(answer(message, Transport::Udp, &rules, &mut names), first);
    assert_eq!(answer(message, Transport::Tcp, &rules, &mut names).verdict, first.verdict);
    let Some(reply) = first.message else {
        assert_eq!(first.verdict, Verdict::Malformed);
        return;
    };
    assert!((12..=512).contains(&reply.len()), "{} bytes", reply.len());
    assert_eq!(reply[..2], message[..2]);
    assert_eq!((reply[2] & 0x80, reply[2] & 0x78), (0x80, message[2] & 0x78));
    let code = reply[3] & 0xf;
    let expected = match first.verdict {
        Verdict::Answered | Verdict::NoData => [0].contains(&code),
        Verdict::Denied => code == 3,
        Verdict::Full => code == 2,
        // BADVERS is 16: its lower half is 0.
        Verdict::Refused => [0, 4, 5].contains(&code),
        _ => code == 1,
    };
    assert!(expected, "{:?} is told as {code}", first.verdict);
    let again = answer(&reply, Transport::Udp, &rules, &mut names);
    assert!(again.message.is_none(), "an answer is answered");
}
