//! The lines in which test binaries sum themselves up.
//!
//! Both our own harness and the standard one write `test result: ok. 3 passed; 0 failed; ...`;
//! the former says `skipped` where the latter says `ignored`.

use super::outcome::Tally;

/// The sum over all such lines; `None` if there is not one.
pub(super) fn sum(output: &str) -> Option<Tally> {
    let mut found = None;
    for tally in output.lines().filter_map(one) {
        *found.get_or_insert_with(Tally::default) += tally;
    }
    found
}

fn one(line: &str) -> Option<Tally> {
    // A test that prints without a newline can push the line to the right.
    let (_, counts) = line.split_once("test result: ")?;
    let (_verdict, counts) = counts.split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split(';') {
        let Some((number, word)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "passed" => tally.passed += number,
            "failed" => tally.failed += number,
            "ignored" | "skipped" => tally.skipped += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_harnesses_are_read() {
        let output = "\
running 2 tests
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s
some noise test result: FAILED. 3 passed; 2 failed; 4 skipped
";
        assert_eq!(sum(output), Some(Tally { passed: 15, failed: 2, skipped: 5 }));
    }

    #[test]
    fn no_line_is_not_zero_tests() {
        assert_eq!(sum("Segmentation fault\n"), None);
        assert_eq!(sum("test result: ok. 0 passed; 0 failed"), Some(Tally::default()));
    }
}
