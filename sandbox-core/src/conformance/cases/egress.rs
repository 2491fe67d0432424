//! Where a policy lists hosts, programs are told of a refusal at once, and private addresses stay closed.

use crate::capability::Feature::NetworkAllowList;
use crate::conformance::context::{Answer, Context, ensure};
use crate::conformance::greeter::Greeter;
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] = &[
    Case::promise("egress::what_is_not_listed_is_refused_at_once", &[NetworkAllowList], unlisted),
    Case::promise(
        "egress::a_private_address_takes_a_private_rule",
        &[NetworkAllowList],
        not_private,
    ),
];

fn unlisted(cx: &Context<'_>) -> Verdict {
    let (one, other) = (Greeter::start()?, Greeter::start()?);
    let policy = cx.policy()?.allow_hosts([one.rule()])?;
    for command in ["tcp", "reach"] {
        let answer = cx.ask_one(policy.clone(), &[command, &other.address()])?;
        answer.refused()?;
        at_once(&answer)?;
    }
    ensure(other.came() == 0, || "the host's server was reached".into())
}

fn not_private(cx: &Context<'_>) -> Verdict {
    let greeter = Greeter::start()?;
    let policy = cx.policy()?.allow_hosts([greeter.address()])?;
    for command in ["tcp", "reach"] {
        let answer = cx.ask_one(policy.clone(), &[command, &greeter.address()])?;
        answer.refused()?;
        at_once(&answer)?;
    }
    ensure(greeter.came() == 0, || "the host's server was reached".into())
}

/// A program that waits for its patience to end was not told.
fn at_once(answer: &Answer) -> Verdict {
    let late = |why: &String| why.contains("timed out") || why.contains("(os error 11)");
    let late = answer.said.as_ref().is_err_and(late);
    ensure(!late, || format!("it was left waiting: {:?}", answer.said))
}
