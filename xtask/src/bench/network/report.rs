//! What was found, as a table or as JSON. Times become rates here.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::stats::Summary;

/// Bytes of one long stream.
pub(super) const STREAM: usize = 512 << 20;
/// Short connections one after another.
pub(super) const IN_TURN: usize = 300;
/// Clients that connect at once, and how often each does.
pub(super) const AT_ONCE: usize = 16;
pub(super) const EACH: usize = 40;
/// Bytes that go there and back, one after another.
pub(super) const ROUND_TRIPS: usize = 3000;
/// Connections that are open while memory is read.
pub(super) const HELD: usize = 400;

/// The first way is what the others are compared with.
const WAYS: [&str; 3] = ["plain veth", "gateway", "HTTP proxy"];

/// Something that clients are asked for in each way.
pub(super) struct Measure {
    pub(super) label: &'static str,
    pub(super) request: &'static str,
    unit: Unit,
}

/// How the time that a request took is told.
#[derive(Clone, Copy)]
enum Unit {
    /// For so many bytes: 10^6 bytes a second.
    Megabytes(usize),
    /// For so many connections: connections a second.
    Connections(usize),
    /// For so many round trips: microseconds.
    RoundTrips(usize),
}

pub(super) const MEASURES: &[Measure] = &[
    Measure { label: "one stream down", request: "down", unit: Unit::Megabytes(STREAM) },
    Measure { label: "one stream up", request: "up", unit: Unit::Megabytes(STREAM) },
    Measure {
        label: "connections, one after another",
        request: "in-turn",
        unit: Unit::Connections(IN_TURN),
    },
    Measure {
        label: "connections, 16 at once",
        request: "at-once",
        unit: Unit::Connections(AT_ONCE * EACH),
    },
    Measure {
        label: "round trip of a byte",
        request: "round-trips",
        unit: Unit::RoundTrips(ROUND_TRIPS),
    },
];

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Megabytes(_) => "MB/s",
            Self::Connections(_) => "per second",
            Self::RoundTrips(_) => "us",
        }
    }

    /// What a time in microseconds comes to.
    fn of(self, micros: f64) -> f64 {
        match self {
            Self::Megabytes(bytes) => bytes as f64 / micros,
            Self::Connections(count) => count as f64 * 1e6 / micros,
            Self::RoundTrips(count) => micros / count as f64,
        }
    }
}

/// What the gateway's process holds resident, in KiB.
#[derive(Serialize)]
pub(super) struct Memory {
    pub(super) before: u64,
    /// With all connections open.
    pub(super) idle: u64,
    /// And with traffic on all of them behind it.
    pub(super) after: u64,
}

/// Everything that was measured.
pub(super) struct Findings {
    pub(super) rounds: usize,
    /// For each measure the time of each way.
    pub(super) times: Vec<Vec<Summary>>,
    /// Of launches without a network and with a host list.
    pub(super) launches: [Summary; 2],
    pub(super) memory: Memory,
}

/// One way in one measure: rates, or times, of the p10 and the p50 of the times.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    p10: f64,
    p50: f64,
    /// To the first way, by the p10.
    ratio: f64,
}

fn lines(unit: Unit, times: &[Summary]) -> Vec<Line> {
    let base = times.first().map_or(f64::NAN, |first| unit.of(first.p10));
    let line = |(name, time): (&&'static str, &Summary)| {
        let (p10, p50) = (unit.of(time.p10), unit.of(time.p50));
        Line { name, p10, p50, ratio: p10 / base }
    };
    WAYS.iter().zip(times).map(line).collect()
}

impl Findings {
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:38} {:>8} {:>8} {:>7}\n", "", "p10", "p50", "ratio");
        // Writing to a String does not fail.
        for (measure, times) in MEASURES.iter().zip(&self.times) {
            let _ = writeln!(text, "{}, {}", measure.label, measure.unit.name());
            for Line { name, p10, p50, ratio } in lines(measure.unit, times) {
                let _ = writeln!(text, "  {name:36} {p10:>8.1} {p50:>8.1} {ratio:>7.2}");
            }
        }
        let [denied, hosts] = &self.launches;
        let _ = writeln!(text, "launch of `true`, us");
        for (name, it) in [("no network", denied), ("a host list", hosts)] {
            let ratio = it.compared_with(denied).ratio;
            let _ = writeln!(text, "  {name:36} {:>8.0} {:>8.0} {ratio:>7.2}", it.p10, it.p50);
        }
        let added = hosts.compared_with(denied).added;
        let _ = writeln!(text, "  {:36} {added:>8.0}", "added");
        let _ = writeln!(text, "memory of the gateway, KiB");
        let Memory { before, idle, after } = self.memory;
        for (name, it) in [
            ("before".to_owned(), before),
            (format!("{HELD} connections, idle"), idle),
            (format!("{HELD} connections, after traffic on all"), after),
        ] {
            let _ = writeln!(text, "  {name:36} {it:>8}");
        }
        text
    }

    pub(super) fn to_json(&self) -> Result<String> {
        let measure = |(measure, times): (&Measure, &Vec<Summary>)| {
            json!({
                "name": measure.label,
                "unit": measure.unit.name(),
                "ways": lines(measure.unit, times),
            })
        };
        let [denied, hosts] = &self.launches;
        let all: Value = json!({
            "rounds": self.rounds,
            "measures": MEASURES.iter().zip(&self.times).map(measure).collect::<Vec<_>>(),
            "launch_microseconds": {
                "no_network": denied,
                "host_list": hosts,
                "compared": hosts.compared_with(denied),
            },
            "memory_kib": { "connections": HELD, "resident": self.memory },
        });
        Ok(serde_json::to_string_pretty(&all)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(p10: f64, p50: f64) -> Summary {
        Summary { p10, p50 }
    }

    #[test]
    fn times_become_rates() {
        assert_eq!(Unit::Megabytes(2_000_000).of(1000.0), 2000.0);
        assert_eq!(Unit::Connections(300).of(1e6), 300.0);
        assert_eq!(Unit::RoundTrips(1000).of(5000.0), 5.0);
    }

    #[test]
    fn who_takes_twice_the_time_has_half_the_rate() {
        let times = [summary(100.0, 110.0), summary(200.0, 220.0)];
        let rates = lines(Unit::Connections(1), &times);
        assert_eq!((rates[1].name, rates[1].ratio), ("gateway", 0.5));
        assert_eq!(lines(Unit::RoundTrips(1), &times)[1].ratio, 2.0);
    }

    #[test]
    fn the_table_has_each_way_of_each_measure() {
        let findings = Findings {
            rounds: 1,
            times: vec![vec![summary(1.0, 2.0); WAYS.len()]; MEASURES.len()],
            launches: [summary(3000.0, 3100.0), summary(4500.0, 4700.0)],
            memory: Memory { before: 5000, idle: 7000, after: 8000 },
        };
        let table = findings.table();
        assert_eq!(table.matches("HTTP proxy").count(), MEASURES.len());
        assert!(table.contains("a host list                              4500     4700    1.50\n"));
        assert!(table.contains("added                                    1500\n"), "{table}");
        let json = findings.to_json().unwrap();
        assert!(json.contains("\"idle\": 7000") && json.contains("\"added\": 1500.0"), "{json}");
    }
}
