use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::confine::Launched;
use crate::egress::Level;
use crate::policy::network::MinimumLevel;

/// A confinement that launches nothing, and remembers whether it was asked to.
#[derive(Default)]
struct Paper {
    asked: AtomicBool,
}

impl Confinement for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }

    fn capabilities(&self) -> SandboxCapabilities {
        let absent = Enforcement::absent("paper is thin");
        SandboxCapabilities::new("paper", [(Feature::Memory, absent)])
    }

    fn assess(&self, plan: &Plan) -> Result<Report> {
        let memory = (Feature::Memory, Enforcement::absent("paper is thin"));
        let holes = (Feature::NetworkDeny, Enforcement::partial("paper", "holes"));
        let asked = plan.limits.memory.is_some();
        let report = Report::new("paper", [holes].into_iter().chain(asked.then_some(memory)));
        Ok(report.egress(plan.network.lists_hosts().then_some(Level::ProxyAwareOnly)))
    }

    fn explain(&self, _: &Plan) -> Result<Explanation> {
        Ok(Explanation::default())
    }

    fn launch(&self, _: &Plan) -> Result<Launched> {
        self.asked.store(true, Ordering::Relaxed);
        Err(SandboxError::InvalidRequest("paper launches nothing".into()))
    }
}

fn spawn(level: EnforcementLevel) -> (SandboxError, bool) {
    let paper = Arc::new(Paper::default());
    let backend = LocalBackend::new(Arc::clone(&paper));
    let policy = Policy::read_only().memory("64M".parse().unwrap()).enforcement(level);
    let error = backend.spawn(&policy.build().unwrap(), &ExecRequest::new("/usr/bin/env"));
    let error = error.err().expect("nothing can be launched");
    (error, paper.asked.load(Ordering::Relaxed))
}

#[test]
fn what_is_required_and_absent_is_an_error_before_anything_starts() {
    let (error, asked) = spawn(EnforcementLevel::Required);
    assert_eq!(error.to_string(), "memory cannot be enforced by paper: paper is thin");
    assert!(!asked);
}

#[test]
fn best_effort_goes_on() {
    for level in [EnforcementLevel::BestEffort, EnforcementLevel::Off] {
        let (error, asked) = spawn(level);
        assert!(asked, "{error}");
    }
}

#[test]
fn a_level_that_is_demanded_and_not_reached_is_an_error_before_anything_starts() {
    let attempt = |minimum, level| {
        let paper = Arc::new(Paper::default());
        let policy = Policy::read_only().allow_hosts(["example.org"]).unwrap();
        let policy = policy.minimum_level(minimum).enforcement(level).build().unwrap();
        let backend = LocalBackend::new(Arc::clone(&paper));
        let error = backend.spawn(&policy, &ExecRequest::new("/usr/bin/env")).err().unwrap();
        (error.to_string(), paper.asked.load(Ordering::Relaxed))
    };
    for level in [EnforcementLevel::Required, EnforcementLevel::BestEffort] {
        let (error, asked) = attempt(MinimumLevel::Transparent, level);
        assert!(
            !asked && error.starts_with("paper does not reach the level transparent"),
            "{error}"
        );
        assert!(attempt(MinimumLevel::ProxyAwareOnly, level).1);
    }
    assert!(attempt(MinimumLevel::Transparent, EnforcementLevel::Off).1);
}

#[test]
fn what_the_launcher_enforces_is_claimed_and_reported() {
    let backend = LocalBackend::new(Arc::new(Paper::default())).erased();
    for feature in [Feature::WallTime, Feature::Idle, Feature::Output] {
        let claim = &backend.capabilities().features[&feature];
        assert!(matches!(claim, Enforcement::Full { .. }), "{feature}");
    }
    let policy = Policy::read_only().wall_time(std::time::Duration::from_secs(1)).build().unwrap();
    let (_, report) = backend.plan(&policy, &ExecRequest::new("/usr/bin/env")).unwrap();
    assert!(report.enforced.contains_key(&Feature::WallTime));
    assert!(!report.enforced.contains_key(&Feature::Idle), "nobody asked for it");
    let gaps: Vec<_> = report.gaps().iter().map(|gap| (gap.feature, gap.absent)).collect();
    assert_eq!(gaps, [(Feature::NetworkDeny, false)]);
}
