//! Thresholds over which a label of a multi-label task is answered, fitted on out-of-fold probabilities.
//!
//! `micro-f1` and `exact-match` are served by one threshold for all labels. `macro-f1` is the mean of the
//! labels' own F1, so each label has its own threshold, drawn towards the common one the more the fewer
//! positives it has: the best cut of a rare label is mostly luck.

use loquat_spec::Metric;

use crate::metrics::Answers;

/// Positives at which a label's own threshold and the common one count the same.
const SHRINKAGE: f32 = 20.0;
/// Common thresholds tried, in steps of 0.01.
const COMMON: std::ops::RangeInclusive<u32> = 2..=90;

/// Probabilities `[rows, classes]` with their true labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probabilities<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) truth: &'a [&'a [u32]],
    pub(crate) classes: usize,
}

/// One threshold per label that serves `metric`.
pub(crate) fn fit(probabilities: Probabilities<'_>, metric: Metric) -> Vec<f32> {
    let columns: Vec<Column> =
        (0..probabilities.classes).map(|label| Column::new(probabilities, label)).collect();
    let common = match metric {
        Metric::ExactMatch => common_exact(probabilities),
        Metric::MicroF1 => common_by(|threshold| {
            let sums = columns
                .iter()
                .map(|column| column.counts(threshold))
                .fold((0, 0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1, sum.2 + counts.2));
            f1(sums)
        }),
        _ => common_by(|threshold| columns.iter().map(|column| f1(column.counts(threshold))).sum()),
    };
    let own = |column: &Column| {
        let positives = column.positives as f32;
        (positives * column.best_cut(common) + SHRINKAGE * common) / (positives + SHRINKAGE)
    };
    if metric == Metric::MacroF1 { columns.iter().map(own).collect() } else { vec![common; columns.len()] }
}

/// Labels whose probability reaches their threshold.
pub(crate) fn over(probabilities: &[f32], thresholds: &[f32]) -> Vec<u32> {
    let reached =
        probabilities.iter().zip(thresholds).enumerate().filter(|(_, (p, threshold))| p >= threshold);
    reached.map(|(label, _)| label as u32).collect()
}

/// A label's probabilities, largest first, with whether the row has the label.
struct Column {
    sorted: Vec<(f32, bool)>,
    /// Positives among the first `n` rows.
    before: Vec<u32>,
    positives: u32,
}

impl Column {
    fn new(probabilities: Probabilities<'_>, label: usize) -> Self {
        let mut sorted: Vec<(f32, bool)> = probabilities
            .values
            .chunks_exact(probabilities.classes)
            .zip(probabilities.truth)
            .map(|(row, truth)| (row[label], truth.contains(&(label as u32))))
            .collect();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut before = vec![0];
        before.extend(sorted.iter().scan(0, |sum, (_, positive)| {
            *sum += u32::from(*positive);
            Some(*sum)
        }));
        let positives = before[sorted.len()];
        Self { sorted, before, positives }
    }

    /// Correct, predicted and actual positives at a threshold.
    fn counts(&self, threshold: f32) -> (u64, u64, u64) {
        let predicted = self.sorted.partition_point(|(p, _)| *p >= threshold);
        (u64::from(self.before[predicted]), predicted as u64, u64::from(self.positives))
    }

    /// The threshold of the best F1, in the middle between two neighbouring probabilities.
    fn best_cut(&self, otherwise: f32) -> f32 {
        let mut best = (0.0, otherwise);
        for taken in 1..=self.sorted.len() {
            let last = self.sorted[taken - 1].0;
            let next = self.sorted.get(taken).map_or(0.0, |(p, _)| *p);
            let score = f1((u64::from(self.before[taken]), taken as u64, u64::from(self.positives)));
            if next < last && score > best.0 {
                best = (score, 0.5 * (last + next));
            }
        }
        best.1
    }
}

fn f1((correct, predicted, actual): (u64, u64, u64)) -> f64 {
    if predicted + actual == 0 { 0.0 } else { 2.0 * correct as f64 / (predicted + actual) as f64 }
}

fn common_by(score: impl Fn(f32) -> f64) -> f32 {
    let mut best = (f64::NEG_INFINITY, 0.5);
    for threshold in COMMON.map(|step| step as f32 / 100.0) {
        let value = score(threshold);
        if value > best.0 {
            best = (value, threshold);
        }
    }
    best.1
}

fn common_exact(probabilities: Probabilities<'_>) -> f32 {
    let truth: Vec<Vec<u32>> = probabilities.truth.iter().map(|labels| labels.to_vec()).collect();
    common_by(|threshold| {
        let thresholds = vec![threshold; probabilities.classes];
        let rows = probabilities.values.chunks_exact(probabilities.classes);
        let predicted = rows.map(|row| over(row, &thresholds)).collect();
        let classes = probabilities.classes;
        Answers { classes, multi_label: true, truth: truth.clone(), predicted, ..Answers::default() }
            .value(Metric::ExactMatch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Random;

    #[test]
    fn a_cut_lies_where_f1_is_largest() {
        let values = [0.9, 0.8, 0.3, 0.25, 0.1];
        let truth: Vec<&[u32]> = vec![&[0], &[0], &[0], &[], &[]];
        let column = Column::new(Probabilities { values: &values, truth: &truth, classes: 1 }, 0);
        assert!((column.best_cut(0.5) - 0.275).abs() < 1e-6);
        assert_eq!(column.counts(0.275), (3, 3, 3));
    }

    #[test]
    fn a_rare_label_leans_on_the_common_threshold() {
        // Label 0 is frequent and best cut at 0.3; label 1 has one positive whose probability is 0.01.
        let mut random = Random::new(2);
        let mut values = Vec::new();
        let mut labels: Vec<Vec<u32>> = Vec::new();
        for row in 0..400 {
            let p = random.unit() as f32;
            values.extend([p, if row == 7 { 0.01 } else { 0.005 * random.unit() as f32 }]);
            let mut row_labels = Vec::new();
            if p > 0.3 {
                row_labels.push(0);
            }
            if row == 7 {
                row_labels.push(1);
            }
            labels.push(row_labels);
        }
        let truth: Vec<&[u32]> = labels.iter().map(Vec::as_slice).collect();
        let thresholds = fit(Probabilities { values: &values, truth: &truth, classes: 2 }, Metric::MacroF1);
        assert!((thresholds[0] - 0.3).abs() < 0.03, "{thresholds:?}");
        assert!(thresholds[1] > 0.2, "{thresholds:?}");
    }

    #[test]
    fn micro_f1_has_one_threshold() {
        let values = [0.9, 0.2, 0.6, 0.7, 0.4, 0.1];
        let truth: Vec<&[u32]> = vec![&[0], &[0, 1], &[0]];
        let thresholds = fit(Probabilities { values: &values, truth: &truth, classes: 2 }, Metric::MicroF1);
        assert_eq!(thresholds[0], thresholds[1]);
        assert_eq!(over(&[0.9, 0.2], &thresholds), [0]);
    }
}
