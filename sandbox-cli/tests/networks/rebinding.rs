//! Listed names whose owner has them lead elsewhere.

use super::harness::Tested;
use super::world::{Means, World};
use super::zone::REBINDING;

const RULE: &[&str] = &["*.rebind.test:80"];

pub(crate) fn private_addresses(world: &World, means: Means) -> Tested {
    let names = REBINDING.iter().map(|(label, _)| *label).chain(["alias"]);
    let orders: Vec<String> = names.map(|label| format!("get {label}.rebind.test")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    let told = world.inside(means, RULE, &orders);
    let told: Vec<_> = orders.iter().zip(&told).map(|it| format!("{it:?}")).collect();
    let expected: Vec<_> = orders.iter().map(|it| format!("{:?}", (it, "reset"))).collect();
    assert_eq!(told, expected);
    Ok(())
}

/// Public at one time and private at another, or both at once: what was judged is what is dialled.
pub(crate) fn changing_answers(world: &World, means: Means) -> Tested {
    let told = world.inside(means, RULE, &["get mixed.rebind.test"; 3]);
    assert_eq!(told, ["mixed.rebind.test /"; 3]);
    let told = world.inside(means, RULE, &["get flip.rebind.test"; 10]);
    let (good, bad): (Vec<_>, Vec<_>) = told.iter().partition(|it| *it == "flip.rebind.test /");
    assert!(!good.is_empty() && !bad.is_empty(), "{told:?}");
    assert!(bad.iter().all(|it| *it == "reset"), "{told:?}");
    Ok(())
}
