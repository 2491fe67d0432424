//! Runs the tests of one process, which the standard harness cannot: it has threads before the first
//! of them could change its namespaces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::skip;

/// Why something is not tested.
pub(crate) type Tested = Result<(), String>;

/// A behaviour.
pub(crate) struct Test<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn Fn() -> Tested + Send + Sync + 'a>,
}

#[derive(Default)]
pub(crate) struct Tally {
    passed: AtomicUsize,
    skipped: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Tally {
    /// Runs what the arguments select, some at once.
    pub(crate) fn run(&self, tests: &[Test<'_>], at_once: usize) {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
        let wanted = |test: &&Test<'_>| {
            words.is_empty() || words.iter().any(|word| test.name.contains(*word))
        };
        let left = Mutex::new(tests.iter().filter(wanted));
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let next = left.lock().expect("the tests").next();
                        let Some(test) = next else { break };
                        self.run_one(test);
                    }
                });
            }
        });
    }

    #[expect(clippy::print_stdout, reason = "whoever runs the tests")]
    fn run_one(&self, test: &Test<'_>) {
        let name = &test.name;
        let done = catch_unwind(AssertUnwindSafe(|| {
            (test.run)().inspect_err(|why| skip(&format!("{name}: {why}"))).is_ok()
        }));
        let word = match done {
            Ok(true) => {
                self.passed.fetch_add(1, Ordering::Relaxed);
                "ok"
            }
            Ok(false) => {
                self.skipped.fetch_add(1, Ordering::Relaxed);
                "skipped"
            }
            Err(_) => {
                self.failed.lock().expect("the failures").push(name.clone());
                "FAILED"
            }
        };
        println!("test {name} ... {word}");
    }

    /// Sums up.
    #[expect(clippy::print_stdout, reason = "whoever runs the tests")]
    pub(crate) fn end(&self) -> ExitCode {
        let failed = self.failed.lock().expect("the failures");
        let number = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let (passed, skipped) = (number(&self.passed), number(&self.skipped));
        for name in failed.iter() {
            println!("failed: {name}");
        }
        let word = if failed.is_empty() { "ok" } else { "FAILED" };
        let failures = failed.len();
        println!("\ntest result: {word}. {passed} passed; {failures} failed; {skipped} skipped");
        ExitCode::from(u8::from(!failed.is_empty()))
    }
}
