//! Old whole or new whole, wherever a save or a restore is stopped.

use std::path::Path;
use std::sync::Arc;

use super::stage::{Content, Failing, Fault, Stage, State, named};
use crate::snapshot::Store;

const FAULTS: [Fault; 3] = [Fault::Killed, Fault::Failed, Fault::Full];
const CONTENTS: [Content; 3] = [Content::Plain, Content::Levels, Content::Closed];

/// Each fault with each content.
fn cases(contents: &[Content]) -> impl Iterator<Item = (Fault, Content)> {
    FAULTS.into_iter().flat_map(|fault| contents.iter().map(move |content| (fault, *content)))
}

fn names(store: &Store) -> Vec<String> {
    let list = store.list().expect("the store is whole");
    list.into_iter().map(|snapshot| snapshot.name.to_string()).collect()
}

/// Runs a case for every step of the work, until the work ends before the step.
fn at_every_step(fault: Fault, case: impl Fn(&Arc<Failing>) -> bool) {
    let mut steps = 0;
    loop {
        let failing = Failing::new(fault, steps);
        let succeeded = case(&failing);
        if !failing.hit() {
            assert!(succeeded, "{fault:?} {steps}: nothing has failed");
            assert!(steps > 30, "{fault:?}: only {steps} steps");
            return;
        }
        steps += 1;
    }
}

#[test]
fn a_save_is_whole_or_absent() {
    // Who is not root cannot save what is closed to everybody.
    for (fault, content) in cases(&CONTENTS[..2]) {
        at_every_step(fault, |failing| {
            let stage = Stage::new(content);
            let saved = stage.save(&stage.open_failing(failing), "second");
            assert_eq!(stage.state(), stage.second, "{fault:?}: saving changes nothing");
            let store = stage.open();
            let names = names(&store);
            let is_there = names == ["first", "second"];
            assert!(is_there || names == ["first"], "{fault:?}: {names:?}");
            assert!(is_there || saved.is_err(), "{fault:?}: it was said to be saved");
            assert_eq!(stage.stored().len(), names.len(), "{fault:?}: {:?}", stage.stored());
            let is_secret = |line: &String| line.contains("secret\"");
            assert!(!stage.copies().values().any(is_secret), "{fault:?}: {:#?}", stage.copies());
            for (name, state) in [("first", &stage.first), ("second", &stage.second)] {
                if names.iter().any(|there| there == name) {
                    stage.restore(&store, name).expect("what is listed is whole");
                    assert_eq!(stage.state(), *state, "{fault:?}: {name}");
                }
            }
            saved.is_ok()
        });
    }
}

#[test]
fn a_removal_is_done_or_not() {
    for fault in FAULTS {
        let mut steps = 0;
        loop {
            let failing = Failing::new(fault, steps);
            let stage = Stage::new(Content::Plain);
            let removed = stage.open_failing(&failing).remove(&named("first"));
            let store = stage.open();
            let names = names(&store);
            assert!(removed.is_err() || names.is_empty(), "{fault:?}");
            assert_eq!(stage.stored().len(), names.len(), "{fault:?}: {:?}", stage.stored());
            if !names.is_empty() {
                stage.restore(&store, "first").expect("what is listed is whole");
                assert_eq!(stage.state(), stage.first);
            }
            if !failing.hit() {
                break;
            }
            steps += 1;
        }
    }
}

#[test]
fn a_restore_is_whole_or_undone() {
    for (fault, content) in cases(&CONTENTS) {
        at_every_step(fault, |failing| {
            let stage = Stage::new(content);
            let restored = stage.restore(&stage.open_failing(failing), "first");
            if fault != Fault::Killed {
                check(&stage, restored.is_ok(), false);
            }
            let store = stage.open();
            check(&stage, restored.is_ok(), true);
            assert_eq!(stage.stored(), ["1"], "{fault:?}");
            drop(store);
            restored.is_ok()
        });
    }
}

/// Both folders are in the same state, and nothing lies in them that belongs to neither. When
/// clearing up has failed, that is true but for what it would have cleared.
fn check(stage: &Stage, succeeded: bool, cleared: bool) {
    let strip = |state: &State| {
        state.clone().map(|mut folder| {
            let is_left = |path: &Path| stage.is_level(path) || is_in_working_folder(path);
            folder.retain(|path, _| cleared || !is_left(path));
            folder
        })
    };
    let [seen, first, second] = [&stage.state(), &stage.first, &stage.second].map(strip);
    let is_whole = seen == first || (seen == second && !succeeded);
    assert!(is_whole, "{seen:#?}\nis neither {first:#?}\nnor {second:#?}, {succeeded}");
    assert!(stage.is_same(), "what has to stay was moved, {succeeded}");
}

fn is_in_working_folder(path: &Path) -> bool {
    path.iter().any(|name| name.as_encoded_bytes().starts_with(b".sandbox-restore-"))
}

/// Recovery is stopped as well, at each of its steps.
#[test]
fn a_recovery_can_be_stopped_and_begun_again() {
    CONTENTS.into_iter().for_each(recoveries);
}

fn recoveries(content: Content) {
    for at in (20..).step_by(9) {
        let failing = Failing::new(Fault::Killed, at);
        let stage = Stage::new(content);
        let restored = stage.restore(&stage.open_failing(&failing), "first");
        if restored.is_ok() {
            assert!(at > 100, "only {at} steps");
            return;
        }
        for steps in (0..).step_by(2) {
            let failing = Failing::new(Fault::Killed, steps);
            let opened = stage.reopen_failing(&failing);
            if !failing.hit() {
                opened.expect("nothing has failed");
                break;
            }
        }
        check(&stage, false, true);
        assert_eq!(stage.stored(), ["1"]);
    }
}

/// A folder or a level that is gone keeps its part of the exchange until it is back.
#[test]
fn a_folder_that_is_gone_is_waited_for() {
    for gone in ["one", "two", "one/vault", "two/vault/inner", "one/shared"] {
        let mut waited = 0;
        for at in (0..).step_by(3) {
            let stage = Stage::new(Content::Levels);
            let failing = Failing::new(Fault::Killed, at);
            if stage.restore(&stage.open_failing(&failing), "first").is_ok() {
                break;
            }
            let half = ["1", "restore-swap.json"];
            if stage.stored() != half {
                continue;
            }
            waited += 1;
            stage.without(gone, || {
                for _ in 0..2 {
                    let Err(error) = stage.reopen_failing(&Failing::new(Fault::Killed, usize::MAX))
                    else {
                        panic!("{gone} {at}: it was opened")
                    };
                    assert!(error.to_string().contains("cannot be completed"), "{error}");
                    assert_eq!(stage.stored(), half, "{gone} {at}");
                }
            });
            drop(stage.open());
            check(&stage, true, true);
        }
        assert!(waited > 10, "{gone}: only {waited} steps");
    }
}
