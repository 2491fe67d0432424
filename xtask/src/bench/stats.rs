//! Order statistics.

use std::time::Duration;

use serde::Serialize;

/// A contender's times in short, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) p10: f64,
    pub(super) p50: f64,
}

/// A contender next to another, by their tenth percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Compared {
    pub(super) ratio: f64,
    pub(super) added: f64,
}

impl Summary {
    pub(super) fn of(times: &[Duration]) -> Self {
        let mut micros: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        micros.sort_by(f64::total_cmp);
        Self { p10: percentile(&micros, 10), p50: percentile(&micros, 50) }
    }

    pub(super) fn compared_with(&self, base: &Self) -> Compared {
        Compared { ratio: self.p10 / base.p10, added: self.p10 - base.p10 }
    }
}

/// The nearest rank: the least value that is no less than so many of a hundred.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(values: impl Iterator<Item = u64>) -> Vec<Duration> {
        values.map(Duration::from_micros).collect()
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        assert_eq!(Summary::of(&micros((1..=100).rev())), Summary { p10: 10.0, p50: 50.0 });
        assert_eq!(Summary::of(&micros(7..=7)), Summary { p10: 7.0, p50: 7.0 });
        assert_eq!(Summary::of(&micros(1..=3)), Summary { p10: 1.0, p50: 2.0 });
    }

    #[test]
    fn comparison_is_by_the_tenth_percentile() {
        let slow = Summary { p10: 30.0, p50: 99.0 };
        let base = Summary { p10: 20.0, p50: 21.0 };
        assert_eq!(slow.compared_with(&base), Compared { ratio: 1.5, added: 10.0 });
    }
}
