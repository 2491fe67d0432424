use std::io;
use std::sync::Arc;

use super::super::{Ask, End, Entry, Reason};
use super::*;
use crate::egress::{Rules, Target};

fn ask(target: &str, port: u16, protocol: Protocol) -> Ask {
    Ask { target: target.parse::<Target>().unwrap(), port, protocol }
}

fn entry(log: &Arc<Log>, ask: &Ask) -> Entry {
    Entry::new(log, &Arc::from("s1"), ask)
}

/// What was written, for a test that looks at it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_entry_is_recorded_once_however_it_ends() {
    let written = Shared::default();
    let log = Arc::new(Log::to(written.clone()));
    let ask = ask("example.org", 443, Protocol::Tcp);
    entry(&log, &ask).end(End::Closed);
    entry(&log, &ask).deny(Reason::Tunnel);
    let mut cut = entry(&log, &ask);
    cut.count(3, 4);
    drop(cut);
    let ends: Vec<_> = log.recent().iter().map(|one| (one.verdict, one.end)).collect();
    let expected = [
        (Verdict::Allow, Some(End::Closed)),
        (Verdict::Deny, None),
        (Verdict::Allow, Some(End::Stopped)),
    ];
    assert_eq!((log.total(), ends.as_slice()), (3, &expected[..]));
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["reason"]["code"], "tunnel");
    assert_eq!((&lines[2]["bytes_up"], &lines[2]["bytes_down"]), (&3.into(), &4.into()));
    assert_eq!((&lines[0]["session"], &lines[0]["protocol"]), (&"s1".into(), &"tcp".into()));
}

#[test]
fn denials_say_which_rule_would_have_allowed_them() {
    let rules = Rules::new(&["listed.example".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
    let log = Arc::new(Log::new());
    for (target, port, protocol, rule) in [
        ("example.org", 443, Protocol::Tcp, "example.org"),
        ("example.org", 22, Protocol::Tcp, "example.org:22"),
        ("example.org", 53, Protocol::Udp, "example.org:53/udp"),
        ("listed.example", 22, Protocol::Tcp, "listed.example:22"),
        ("2606:4700::1", 22, Protocol::Tcp, "[2606:4700::1]:22"),
        ("10.1.2.3", 80, Protocol::Tcp, "{\"host\":\"10.1.2.3\",\"private\":true}"),
    ] {
        let ask = ask(target, port, protocol);
        for _ in 0..2 {
            let refusal = ask.allowing(&rules).unwrap_err();
            entry(&log, &ask).deny(refusal.into());
        }
        let denied = log.denied();
        let one = denied.iter().find(|one| (&*one.host, one.port) == (target, port)).unwrap();
        assert_eq!((one.count, one.rule.as_deref()), (2, Some(rule)));
        // What is suggested is a rule, and allows it.
        let suggested = match rule.starts_with('{') {
            true => serde_json::from_str(rule).unwrap(),
            false => rule.parse().unwrap(),
        };
        assert!(ask.allowing(&Rules::new(&[suggested])).is_ok(), "{rule}");
    }
    assert_eq!(log.suggestions().len(), 6);
    let strange = ask("strange.example", 80, Protocol::Tcp);
    entry(&log, &strange).deny(Reason::HiddenHosts);
    assert_eq!(log.suggestions().len(), 6);
    entry(&log, &strange).deny(Reason::OtherHost { named: "$(reboot)".into() });
    assert_eq!(log.suggestions().len(), 6);
}

#[test]
fn a_log_is_bounded() {
    let log = Arc::new(Log::new());
    for number in 0..Log::HOSTS + 10 {
        let ask = ask(&format!("h{number}.example"), 80, Protocol::Tcp);
        entry(&log, &ask).deny(Reason::NotApproved);
    }
    assert_eq!(log.recent().len(), Log::RECENT);
    assert_eq!(log.denied().len(), Log::HOSTS);
    assert_eq!((log.uncounted(), log.total()), (10, Log::HOSTS as u64 + 10));
    assert_eq!(log.recent()[0].host, "h10.example");
}

#[test]
fn a_sink_that_fails_is_left_alone() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Arc::new(Log::to(Broken));
    let ask = ask("example.org", 80, Protocol::Tcp);
    for _ in 0..3 {
        entry(&log, &ask).end(End::Closed);
    }
    assert_eq!((log.lost(), log.total()), (3, 3));
}

#[test]
fn a_writer_that_comes_late_gets_what_is_remembered_first() {
    let log = Arc::new(Log::new());
    let ask = ask("example.org", 443, Protocol::Tcp);
    log.belongs_to("s2");
    Entry::new(&log, &Arc::from(""), &ask).end(End::Closed);
    let written = Shared::default();
    log.write_to(written.clone());
    entry(&log, &ask).end(End::Reset);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = lines.iter().map(|line| (&line["session"], &line["end"])).collect();
    assert_eq!(said, [(&"s2".into(), &"closed".into()), (&"s1".into(), &"reset".into())]);
    assert_eq!(log.lost(), 0);
}

#[test]
fn decisions_are_told_after_those_that_were_seen() {
    let log = Arc::new(Log::new());
    let ask = ask("example.org", 443, Protocol::Tcp);
    for count in 0..Log::RECENT as u64 + 2 {
        assert_eq!(log.since(count).len(), 0, "{count}");
        entry(&log, &ask).end(End::Closed);
        assert_eq!(log.since(count).len(), 1, "{count}");
    }
    let total = log.total();
    assert_eq!(log.since(total - 3).len(), 3);
    assert_eq!((log.since(0).len(), log.since(u64::MAX).len()), (Log::RECENT, 0));
}

#[test]
fn a_decision_is_the_same_when_it_is_read_again() {
    let log = Arc::new(Log::new());
    let ask = ask("10.0.0.1", 5432, Protocol::Udp);
    entry(&log, &ask).end(End::Revoked);
    entry(&log, &ask).deny(Reason::OtherHost { named: "\u{1b}x".into() });
    for decision in log.recent() {
        let line = decision.to_line();
        let back: Decision = serde_json::from_str(&line).unwrap();
        assert_eq!(back.to_line(), line);
        let reasons =
            [&decision, &back].map(|it| it.reason.as_ref().map(|it| it.code().to_owned()));
        assert_eq!(reasons[0], reasons[1]);
    }
    let schema = serde_json::to_value(schemars::schema_for!(crate::session::SessionNetwork));
    let properties = &schema.unwrap()["properties"];
    for name in ["policy", "level", "total", "denied", "uncounted", "decisions"] {
        assert!(properties[name].is_object() || properties[name] == true, "{name}: {properties}");
    }
}
