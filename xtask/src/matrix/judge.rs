//! The judgement on a run of the battery.
//!
//! The battery writes one verdict per hostile program: HELD, BROKE, NA (this kernel cannot
//! show a difference) or ERR. What BROKE means depends on the program's severity: an escape
//! (E) must hold, of the hardening (H) a handful may be missing, resource limits (R) and the
//! policy (P) must hold but for what is named beforehand. Controls are honest programs that
//! must work, since a sandbox that runs nothing would hold everything.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::outcome::Tally;

/// How many hardening programs may get through.
const HARDENING: usize = 5;

/// Writing into one's own workspace is the purpose of a workspace: files there that a tool of
/// the user's will run later (hooks, editor tasks) are allowed unless the policy says otherwise.
const ALLOWED_GROUP: &str = "persistence";

#[derive(Debug, Deserialize)]
pub(super) struct Results {
    controls: BTreeMap<String, bool>,
    results: Vec<Probe>,
}

#[derive(Debug, Clone, Deserialize)]
struct Probe {
    id: String,
    group: String,
    sev: String,
    verdict: String,
    why: String,
}

/// What the judge found: no findings, no failure.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) tally: Tally,
    pub(super) findings: Vec<String>,
    /// For the log: what got through and was allowed to.
    pub(super) notes: Vec<String>,
}

pub(super) fn parse(json: &str) -> Result<Results> {
    serde_json::from_str(json).context("read the battery's results")
}

/// `gaps` are the ids of programs that are known to get through.
pub(super) fn judge(results: &Results, gaps: &[&str]) -> Judgement {
    let mut judgement = Judgement::default();
    let failed = results.controls.iter().filter(|(_, works)| !**works);
    judgement.findings.extend(failed.map(|(id, _)| format!("control {id} failed")));
    if results.controls.is_empty() {
        judgement.findings.push("no control ran".into());
    }
    for probe in &results.results {
        judgement.weigh(probe, gaps);
    }
    judgement.weigh_hardening(&results.results, gaps);
    judgement.tally.failed = judgement.findings.len() as u64;
    judgement
}

impl Judgement {
    fn weigh(&mut self, probe: &Probe, gaps: &[&str]) {
        let text = format!("{} {} {}: {}", probe.sev, probe.id, probe.verdict, probe.why);
        let allowed = gaps.contains(&probe.id.as_str()) || is_allowed(probe);
        match probe.verdict.as_str() {
            "HELD" => self.tally.passed += 1,
            "NA" => self.tally.skipped += 1,
            "BROKE" if allowed => self.notes.push(text),
            _ => self.findings.push(text),
        }
    }

    fn weigh_hardening(&mut self, probes: &[Probe], gaps: &[&str]) {
        let broke = probes.iter().filter(|probe| probe.sev == "H" && probe.verdict == "BROKE");
        let count = broke.filter(|probe| !gaps.contains(&probe.id.as_str())).count();
        if count > HARDENING {
            self.findings.push(format!("{count} hardening programs got through, over {HARDENING}"));
        }
    }
}

/// Hardening is judged by its number; see [`ALLOWED_GROUP`] for the other case.
fn is_allowed(probe: &Probe) -> bool {
    probe.sev == "H" || (probe.sev == "P" && probe.group == ALLOWED_GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(probes: &[(&str, &str, &str, &str)]) -> Results {
        let probe = |&(id, group, sev, verdict): &(&str, &str, &str, &str)| Probe {
            id: id.into(),
            group: group.into(),
            sev: sev.into(),
            verdict: verdict.into(),
            why: String::new(),
        };
        Results {
            controls: BTreeMap::from([("c01".into(), true)]),
            results: probes.iter().map(probe).collect(),
        }
    }

    fn findings(probes: &[(&str, &str, &str, &str)], gaps: &[&str]) -> Vec<String> {
        judge(&results(probes), gaps).findings
    }

    #[test]
    fn held_and_not_applicable_are_counted() {
        let judgement = judge(
            &results(&[("a", "g", "E", "HELD"), ("b", "g", "H", "NA"), ("c", "g", "R", "HELD")]),
            &[],
        );
        assert_eq!(judgement.tally, Tally { passed: 2, failed: 0, skipped: 1 });
        assert!(judgement.findings.is_empty());
    }

    #[test]
    fn each_severity_has_its_measure() {
        assert_eq!(findings(&[("a", "g", "E", "BROKE")], &[]).len(), 1);
        assert_eq!(findings(&[("a", "g", "R", "BROKE")], &[]).len(), 1);
        assert_eq!(findings(&[("a", "g", "P", "BROKE")], &[]).len(), 1);
        assert_eq!(findings(&[("a", "persistence", "P", "BROKE")], &[]).len(), 0);
        assert_eq!(findings(&[("a", "persistence", "E", "BROKE")], &[]).len(), 1);
        assert_eq!(findings(&[("a", "g", "H", "BROKE"); 5], &[]).len(), 0);
        assert_eq!(findings(&[("a", "g", "H", "BROKE"); 6], &[]).len(), 1);
    }

    #[test]
    fn gaps_are_named_and_errors_are_never_allowed() {
        assert_eq!(findings(&[("q05.disk", "g", "R", "BROKE")], &["q05.disk"]).len(), 0);
        assert_eq!(findings(&[("a", "g", "H", "BROKE"); 6], &["a"]).len(), 0);
        assert_eq!(findings(&[("a", "g", "H", "ERR")], &["a"]).len(), 1);
        assert_eq!(judge(&results(&[("a", "g", "H", "ERR")]), &[]).tally.failed, 1);
    }

    #[test]
    fn a_sandbox_that_runs_nothing_is_found_out() {
        let mut broken = results(&[("a", "g", "E", "HELD")]);
        broken.controls.insert("c02".into(), false);
        assert_eq!(judge(&broken, &[]).findings, ["control c02 failed"]);
        broken.controls.clear();
        assert_eq!(judge(&broken, &[]).findings, ["no control ran"]);
    }

    #[test]
    fn the_file_is_read() {
        let json = r#"{"prefix":"p","uid":0,"controls":{"c01.exec":true},"results":[
            {"id":"w01","group":"write","sev":"E","verdict":"HELD","why":"","s":0.1}]}"#;
        assert_eq!(judge(&parse(json).unwrap(), &[]).tally.passed, 1);
        assert!(parse("{}").is_err());
    }
}
