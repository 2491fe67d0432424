//! The results as a table or as JSON.

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;

use super::stats::{Compared, Summary};

/// A contender's times, or why there are none.
pub(super) struct Measured {
    pub(super) label: &'static str,
    pub(super) outcome: Result<Summary, String>,
}

/// Each contender's times and what they are next to the first one's.
pub(super) fn compared(measured: &[Measured]) -> Vec<(&Measured, Option<(Summary, Compared)>)> {
    let base = measured.first().and_then(|first| first.outcome.as_ref().ok());
    let compare = |summary: &Summary| base.map(|base| (*summary, summary.compared_with(base)));
    measured.iter().map(|it| (it, it.outcome.as_ref().ok().and_then(compare))).collect()
}

pub(super) fn table(measured: &[Measured]) -> String {
    let width = measured.iter().map(|it| it.label.chars().count()).max().unwrap_or(0);
    let mut text = format!("{:width$}   p10 us   p50 us  ratio  added us\n", "");
    for (it, numbers) in compared(measured) {
        // Writing to a String does not fail.
        let _ = match (numbers, &it.outcome) {
            (Some((Summary { p10, p50 }, Compared { ratio, added })), _) => writeln!(
                text,
                "{:width$} {p10:>8.0} {p50:>8.0} {ratio:>6.2} {added:>9.0}",
                it.label
            ),
            (None, Err(why)) => writeln!(text, "{:width$} not run: {why}", it.label),
            (None, Ok(_)) => writeln!(text, "{:width$} nothing to compare with", it.label),
        };
    }
    text
}

pub(super) fn to_json(measured: &[Measured]) -> Result<String> {
    let line = |(it, numbers): (&Measured, Option<(Summary, Compared)>)| match numbers {
        Some((times, compared)) => {
            json!({ "name": it.label, "microseconds": times, "compared": compared })
        }
        None => json!({ "name": it.label, "not_run": it.outcome.as_ref().err() }),
    };
    let lines: Vec<_> = compared(measured).into_iter().map(line).collect();
    Ok(serde_json::to_string_pretty(&lines)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_that_did_not_run_says_why() {
        let measured = [
            Measured { label: "plain", outcome: Ok(Summary { p10: 400.0, p50: 500.0 }) },
            Measured { label: "other", outcome: Ok(Summary { p10: 1000.0, p50: 1100.0 }) },
            Measured { label: "third", outcome: Err("not on PATH".into()) },
        ];
        let table = table(&measured);
        assert!(table.contains("other     1000     1100   2.50       600\n"), "{table}");
        assert!(table.contains("third not run: not on PATH\n"), "{table}");
        assert!(to_json(&measured).unwrap().contains("\"not_run\": \"not on PATH\""));
    }
}
