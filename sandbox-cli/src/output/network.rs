//! What a session or a run reached: notes, tables, JSON.

use std::collections::BTreeMap;

use sandbox_core::egress::decision::{Decision, Denied, Summary, Verdict};
use sandbox_core::path::quoted;
use sandbox_core::session::{SandboxSession, SessionNetwork};
use sandbox_core::{Enforcement, Feature, SessionId};
use serde::Serialize;

use super::doctor::enforced;
use super::policy;
use super::session_table::{Cell, age, plain, table};
use super::style::{BAD, GOOD};
use super::text::Text;

/// The most hosts that are named after a run.
const NAMED: usize = 3;

/// What was denied in a run, in a line or a few, and what would allow it.
pub(crate) fn denied(summary: &Summary) -> Vec<String> {
    let known = summary.denied.iter().collect();
    lines(known, summary.uncounted, "--allow-host", "--net-log FILE or --json tells all")
}

/// The same of a session, as far as it was denied at or after `since`, in milliseconds since 1970.
pub(crate) fn denied_since(summary: &Summary, since: u64, id: &SessionId) -> Vec<String> {
    let known = summary.denied.iter().filter(|one| one.last_ms >= since).collect();
    let network = format!("sandbox session network {id}");
    lines(known, 0, &format!("{network} --allow"), &format!("{network} --log tells all"))
}

fn lines(mut known: Vec<&Denied>, uncounted: u64, option: &str, how: &str) -> Vec<String> {
    // What a rule allows comes first: it can be helped.
    known.sort_by_key(|one| one.rule.is_none());
    let mut lines: Vec<String> = known.iter().take(NAMED).map(|one| line(one, option)).collect();
    let more = known.len().saturating_sub(NAMED) as u64 + uncounted;
    if more > 0 {
        lines.push(format!("network: {more} more were denied; {how}"));
    }
    lines
}

fn line(denied: &Denied, option: &str) -> String {
    let (place, times) = (place(denied), times(denied.count));
    match &denied.rule {
        Some(rule) => {
            format!("network: {place} was denied{times}; {option} {} allows it", word(rule))
        }
        None => format!("network: {place} was denied{times}: {}", quoted(&denied.reason)),
    }
}

fn times(count: u64) -> String {
    if count > 1 { format!(" {count} times") } else { String::new() }
}

/// A host and its port, as far as they were named.
fn place(denied: &Denied) -> String {
    let host = match &*denied.host {
        "" => "a client that named no host".into(),
        host if host.contains(':') => format!("[{}]", quoted(host)),
        host => quoted(host),
    };
    match denied.port {
        0 => host,
        port => format!("{host}:{port}"),
    }
}

/// A rule as a shell takes it. No rule has a quote in it.
fn word(rule: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    if rule.chars().all(is_plain) { rule.to_owned() } else { format!("'{rule}'") }
}

/// A rule as it is, which is an object of JSON at times; anything else as other names.
fn legible(rule: &str) -> String {
    match rule.chars().all(|c| c.is_ascii_graphic()) {
        true => rule.to_owned(),
        false => quoted(rule),
    }
}

/// The network of a session, and by what that holds.
#[derive(Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    network: SessionNetwork,
    features: BTreeMap<Feature, Enforcement>,
}

impl Shown {
    /// Of a session, the features that are the network's.
    pub(crate) fn new(network: SessionNetwork, session: &SandboxSession) -> Self {
        let features = [Feature::NetworkDeny, Feature::NetworkAllowList, Feature::UnixSockets];
        let known = |feature| Some((feature, session.report.enforced.get(&feature)?.clone()));
        Self { network, features: features.into_iter().filter_map(known).collect() }
    }

    /// The same for people.
    pub(crate) fn text(&self) -> String {
        let (mut text, network) = (Text::default(), &self.network);
        let mut facts = vec![("network".to_owned(), policy::network(&network.policy))];
        facts.extend(network.level.as_ref().map(|level| ("level".into(), level.to_string())));
        for (feature, enforcement) in &self.features {
            let (mark, said) = enforced(enforcement);
            facts.push((feature.to_string(), format!("{mark}  {said}")));
        }
        facts.push(("decisions".into(), network.summary.total.to_string()));
        text.pairs(facts);
        let summary = &network.summary;
        if summary.denied.is_empty() {
            return text.finish();
        }
        text.title("Denied");
        let rows: Vec<[Cell; 4]> = summary.denied.iter().map(row).collect();
        let more = summary.uncounted;
        let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
        text.finish() + &table(["TIMES", "PLACE", "REASON", "ALLOWED BY"], &rows) + &more
    }
}

fn row(denied: &Denied) -> [Cell; 4] {
    let rule = denied.rule.as_deref().map(word).unwrap_or_default();
    [
        plain(denied.count.to_string()),
        plain(place(denied)),
        plain(quoted(&denied.reason)),
        plain(rule),
    ]
}

/// The decisions as a table.
pub(crate) fn decisions(decisions: &[Decision]) -> String {
    let row = |it: &Decision| {
        let (style, verdict) = match it.verdict {
            Verdict::Allow => (GOOD, "allow"),
            Verdict::Deny => (BAD, "deny"),
        };
        let why = it.reason.as_ref().map(|reason| quoted(reason.code()));
        [
            plain(age(it.time_ms / 1000)),
            (style, verdict.into()),
            plain(it.protocol.to_string()),
            plain(format!("{}:{}", quoted(&it.host), it.port)),
            plain(it.bytes_up.to_string()),
            plain(it.bytes_down.to_string()),
            plain(why.or_else(|| it.rule.as_deref().map(legible)).unwrap_or_default()),
        ]
    };
    let titles = ["AGE", "VERDICT", "PROTOCOL", "PLACE", "UP", "DOWN", "BY"];
    table(titles, &decisions.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(denied: &str, uncounted: u64) -> Summary {
        let text = format!(r#"{{"total":1,"uncounted":{uncounted},"denied":[{denied}]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn one(host: &str, port: u16, count: u64, rule: Option<&str>) -> String {
        serde_json::json!({
            "host": host, "port": port, "protocol": "tcp", "count": count,
            "reason": "a_reason", "rule": rule,
        })
        .to_string()
    }

    #[test]
    fn a_note_names_the_place_and_the_option_that_allows_it() {
        for (denied, line) in [
            (
                one("api.example.org", 0, 1, Some("api.example.org")),
                "api.example.org was denied; --allow-host api.example.org allows it",
            ),
            (
                one("2001:db8::1", 22, 3, Some("[2001:db8::1]:22")),
                "[2001:db8::1]:22 was denied 3 times; --allow-host '[2001:db8::1]:22' allows it",
            ),
            (
                one("db", 80, 1, Some(r#"{"host":"db","private":true}"#)),
                r#"db:80 was denied; --allow-host '{"host":"db","private":true}' allows it"#,
            ),
            (one("169.254.169.254", 80, 1, None), "169.254.169.254:80 was denied: a_reason"),
            (one("", 0, 1, None), "a client that named no host was denied: a_reason"),
        ] {
            assert_eq!(self::denied(&summary(&denied, 0)), [format!("network: {line}")]);
        }
        assert!(self::denied(&Summary::default()).is_empty());
    }

    #[test]
    fn many_hosts_are_few_lines_and_what_can_be_helped_comes_first() {
        let mut all: Vec<_> = (0..40).map(|n| one(&format!("h{n}"), 80, 1, None)).collect();
        all.push(one("last", 80, 1, Some("last")));
        let lines = self::denied(&summary(&all.join(","), 7));
        assert_eq!(lines.len(), NAMED + 1);
        assert!(lines[0].contains("--allow-host last"), "{lines:?}");
        assert!(lines[NAMED].contains("45 more"), "{lines:?}");
    }

    #[test]
    fn a_session_tells_what_was_denied_lately() {
        let mut all =
            summary(&format!("{},{}", one("old", 1, 1, None), one("new", 2, 1, Some("new:2"))), 3);
        (all.denied[0].last_ms, all.denied[1].last_ms) = (99, 100);
        let lines = denied_since(&all, 100, &"s".parse().unwrap());
        let line = "network: new:2 was denied; sandbox session network s --allow new:2 allows it";
        assert_eq!(lines, [line]);
    }

    #[test]
    fn what_a_command_named_reaches_no_terminal_raw() {
        let evil = "\u{7}\r\u{9b}\u{202e}";
        let notes = denied(&summary(&one(evil, 80, 1, None), 0)).concat();
        let decision = serde_json::json!({
            "time_ms": 0, "session": evil, "rule": evil, "host": evil, "port": 1,
            "protocol": "tcp", "verdict": "deny", "end": null, "bytes_up": 0, "bytes_down": 0,
            "duration_ms": 0, "reason": {"code": evil, "text": evil},
        });
        let mut told: Decision = serde_json::from_value(decision).unwrap();
        let mut table = decisions(std::slice::from_ref(&told));
        told.reason = None;
        table += &decisions(&[told]);
        let is_raw = |c: char| evil.contains(c);
        assert!(!notes.contains(is_raw) && !table.contains(is_raw), "{notes:?} {table:?}");
    }
}
