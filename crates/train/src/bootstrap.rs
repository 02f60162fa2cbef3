//! Percentile bootstrap intervals (Efron 1979) of metrics, plain and paired.
//!
//! What is drawn are clusters (the rows of one group, one row where there are no groups), so that rows which
//! are translations or follow-ups of each other do not make the interval look narrower than it is.

use loquat_spec::Metric;
use rayon::prelude::*;

use crate::linear::Random;
use crate::metrics::{Answers, Tally, utility};
use crate::random::mix;

const RESAMPLES: u64 = 1000;

/// Rows that belong together, by their position in the answers.
#[derive(Debug, Clone)]
pub(crate) struct Clusters(Vec<Vec<usize>>);

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// How much better one set of answers is than another on the same rows; positive is better whatever the
/// metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Difference {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Clusters {
    /// Clusters by the group of each row.
    pub(crate) fn new(groups: impl Iterator<Item = u32>) -> Self {
        let mut by_group: std::collections::BTreeMap<u32, Vec<usize>> = std::collections::BTreeMap::new();
        for (row, group) in groups.enumerate() {
            by_group.entry(group).or_default().push(row);
        }
        Self(by_group.into_values().collect())
    }

    /// Every row by itself.
    #[cfg(test)]
    pub(crate) fn singles(rows: usize) -> Self {
        Self::new(0..rows as u32)
    }

    fn draw(&self, seed: u64, mut use_row: impl FnMut(usize)) {
        let mut random = Random::new(seed);
        for _ in 0..self.0.len() {
            self.0[random.below(self.0.len())].iter().for_each(|row| use_row(*row));
        }
    }
}

/// The metric with its 95 % interval.
pub(crate) fn interval(answers: &Answers, metric: Metric, clusters: &Clusters, seed: u64) -> Interval {
    let resample = |index: u64| {
        let mut tally = Tally::new(answers);
        clusters.draw(mix(seed, &[index]), |row| tally.add(answers, row));
        tally.value(metric)
    };
    let (low, high) = percentiles((0..RESAMPLES).into_par_iter().map(resample).collect());
    Interval { value: answers.value(metric), low, high }
}

/// The mean of a value of each row, with its 95 % interval.
pub(crate) fn mean_interval(values: &[f64], clusters: &Clusters, seed: u64) -> Interval {
    let mean = |(sum, count): (f64, usize)| sum / count.max(1) as f64;
    let resample = |index: u64| {
        let mut drawn = (0.0, 0);
        clusters.draw(mix(seed, &[index]), |row| drawn = (drawn.0 + values[row], drawn.1 + 1));
        mean(drawn)
    };
    let (low, high) = percentiles((0..RESAMPLES).into_par_iter().map(resample).collect());
    Interval { value: mean((values.iter().sum(), values.len())), low, high }
}

/// How much better `challenger` is than `champion`, drawn on the same rows.
pub(crate) fn paired(
    challenger: &Answers,
    champion: &Answers,
    metric: Metric,
    clusters: &Clusters,
    seed: u64,
) -> Difference {
    let resample = |index: u64| {
        let (mut left, mut right) = (Tally::new(challenger), Tally::new(champion));
        clusters.draw(mix(seed, &[index]), |row| {
            left.add(challenger, row);
            right.add(champion, row);
        });
        utility(metric, left.value(metric)) - utility(metric, right.value(metric))
    };
    let (low, high) = percentiles((0..RESAMPLES).into_par_iter().map(resample).collect());
    let value = utility(metric, challenger.value(metric)) - utility(metric, champion.value(metric));
    Difference { value, low, high }
}

/// The 2.5 and 97.5 percentiles, with numpy's linear interpolation.
fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let (below, rest) = (place.floor() as usize, place.fract());
        let above = (below + 1).min(values.len() - 1);
        values[below] * (1.0 - rest) + values[above] * rest
    };
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(correct: usize, rows: usize) -> Answers {
        let predicted = (0..rows).map(|row| vec![u32::from(row >= correct)]).collect();
        Answers { classes: 2, truth: vec![vec![0]; rows], predicted, ..Answers::default() }
    }

    #[test]
    fn covers_the_normal_approximation() {
        // Accuracy 0.8 of 400 rows: standard error 0.02, interval 0.76 to 0.84.
        let interval = interval(&answers(320, 400), Metric::Accuracy, &Clusters::singles(400), 1);
        assert!(
            (interval.low - 0.7608).abs() < 0.006 && (interval.high - 0.8392).abs() < 0.006,
            "{interval:?}"
        );
    }

    #[test]
    fn clusters_widen_the_interval() {
        let answers = answers(320, 400);
        let plain = interval(&answers, Metric::Accuracy, &Clusters::singles(400), 1);
        let grouped = interval(&answers, Metric::Accuracy, &Clusters::new((0..400).map(|row| row / 10)), 1);
        assert!(grouped.high - grouped.low > 2.0 * (plain.high - plain.low), "{grouped:?} {plain:?}");
    }

    #[test]
    fn the_mean_of_rights_is_accuracy() {
        let clusters = Clusters::singles(400);
        let values: Vec<f64> = (0..400).map(|row| f64::from(u8::from(row < 320))).collect();
        let of_values = mean_interval(&values, &clusters, 1);
        let of_answers = interval(&answers(320, 400), Metric::Accuracy, &clusters, 1);
        for (one, other) in [
            (of_values.value, of_answers.value),
            (of_values.low, of_answers.low),
            (of_values.high, of_answers.high),
        ] {
            assert!((one - other).abs() < 1e-12, "{of_values:?} {of_answers:?}");
        }
    }

    #[test]
    fn pairing_sees_small_differences() {
        let clusters = Clusters::singles(400);
        let difference = paired(&answers(330, 400), &answers(320, 400), Metric::Accuracy, &clusters, 4);
        assert!((difference.value - 0.025).abs() < 1e-12 && difference.low > 0.0, "{difference:?}");
        let none = paired(&answers(320, 400), &answers(320, 400), Metric::Accuracy, &clusters, 4);
        assert_eq!((none.low, none.high), (0.0, 0.0));
    }
}
