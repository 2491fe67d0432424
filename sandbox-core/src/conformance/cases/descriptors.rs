//! Nothing that the caller has open is open inside.

use std::os::fd::AsRawFd;

use crate::capability::Feature::Descriptors;
use crate::conformance::context::{Context, ensure};
use crate::conformance::{Case, Verdict};

pub(super) const CASES: &[Case] =
    &[Case::promise("descriptors::only_the_standard_three_are_open", &[Descriptors], only_three)];

fn only_three(cx: &Context<'_>) -> Verdict {
    let answer = cx.ask_one(cx.policy()?, &["descriptors"])?;
    let number = cx.stage.inherited.as_raw_fd();
    ensure(answer.allowed()? == "[0, 1, 2]", || {
        format!("open inside: {:?}; the caller's canary is {number}", answer.said)
    })
}
