//! The tests of an internet: their order, and the program that is this one's copy in a sandbox.

mod allowed;
mod capture;
mod denied;
mod harness;
mod inside;
mod killed;
mod live;
mod netlink;
mod programs;
mod rebinding;
mod servers;
mod sockets;
mod sys;
mod world;
mod zone;

use std::process::ExitCode;

use harness::{Tally, Test, Tested};
use world::{MEANS, Means, World};

/// A test that is done with each of the means.
type Trial = fn(&World, Means) -> Tested;

#[rustfmt::skip]
const TRIALS: &[(&str, Trial)] = &[
    ("means_are_what_they_are_called", World::check),
    ("every_port_of_a_host", allowed::every_port_of_a_host),
    ("no_variables_of_proxies", allowed::no_variables),
    ("either_family_leads_to_either", allowed::either_family),
    ("addresses_that_rules_list", allowed::listed_addresses),
    ("curl", programs::curl),
    ("python", programs::python),
    ("node", programs::node),
    ("java", programs::java),
    ("static_c", programs::static_c),
    ("git_clones", allowed::git_clones),
    ("ssh_reaches_a_banner", allowed::ssh_reaches_a_banner),
    ("datagrams_are_echoed", allowed::datagrams_are_echoed),
    ("other_names_in_a_handshake_or_a_request", denied::other_names),
    ("requests_that_hide_another_host", denied::hidden_hosts),
    ("datagrams_that_no_rule_lists", denied::datagrams),
    ("names_that_lead_to_private_addresses", rebinding::private_addresses),
    ("names_that_change_their_mind", rebinding::changing_answers),
    ("sockets_of_other_kinds", sockets::other_kinds),
    ("unix_sockets_of_the_host", sockets::of_the_host),
    ("a_connection_that_is_revoked", live::revoked),
    ("every_decision_is_recorded_once", live::recorded_once),
];

/// What disturbs others, or depends on nobody being at work.
const ALONE: &[(&str, Trial)] = &[
    ("many_connections_at_once", allowed::many_connections),
    ("a_killed_launcher_lets_nothing_through", killed::launchers),
    ("a_killed_owner_of_a_session_lets_nothing_through", killed::owners),
];

pub(crate) fn main() -> ExitCode {
    if inside::is_meant() {
        return inside::main();
    }
    let tally = Tally::default();
    let world = World::enter().map_err(|error| error.to_string());
    let tests = |trials: &'static [(&'static str, Trial)]| {
        let each = trials.iter().flat_map(|&trial| MEANS.map(|means| (trial, means)));
        let world = &world;
        let test = move |((name, trial), means): ((&str, Trial), Means)| Test {
            name: format!("{name}::{}", means.word()),
            run: Box::new(move || {
                let world = world.as_ref().map_err(|why| format!("no internet: {why}"))?;
                world.supports(means)?;
                trial(world, means)
            }),
        };
        each.map(test).collect::<Vec<_>>()
    };
    tally.run(&tests(TRIALS), 3);
    tally.run(&tests(ALONE), 1);
    if let Ok(world) = &world {
        let last = |name: &str, run: fn(&World) -> Tested| Test {
            name: name.into(),
            run: Box::new(move || run(world)),
        };
        tally.run(&[last("nothing_refused_was_sent", denied::nothing_was_sent)], 1);
    }
    tally.end()
}
