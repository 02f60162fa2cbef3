//! Metrics of single-label and multi-label answers, as scikit-learn defines them.
//!
//! `macro-f1` and `weighted-f1` average over the labels that stand in the truth or in the predictions when
//! every row has one label (`f1_score` with its default `labels`), and over all declared labels when rows
//! have sets of labels (`f1_score` of indicator matrices). A ratio with nothing below the line is 0.
//! Spans of tokens are counted as `seqeval` 1.2.2 does in its default mode: one is right when its kind and both its ends are,
//! all kinds together. `token-accuracy` compares BIO tags. `log-loss` clips probabilities at [`SMALLEST_PROBABILITY`], in nats. Row weights do not enter.

use loquat_spec::Metric;

use crate::likeness::{self, Likeness};

/// Probabilities below this count as this in `log-loss` (the spacing of `f32` at 1, as scikit-learn does for
/// `f32`).
pub(crate) const SMALLEST_PROBABILITY: f64 = f32::EPSILON as f64;

/// The truth and the answers for some rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    pub(crate) classes: usize,
    pub(crate) multi_label: bool,
    /// Whether labels are spans of tokens, each a number made of its place and its kind.
    pub(crate) entities: bool,
    /// True labels of each row.
    pub(crate) truth: Vec<Vec<u32>>,
    /// Predicted labels of each row, sorted; labels past `classes` are labels that the truth cannot hold.
    pub(crate) predicted: Vec<Vec<u32>>,
    /// Negative log-probability of the truth of each row; empty when unknown.
    pub(crate) losses: Vec<f64>,
    /// Confidence of each span predicted; empty for other labels.
    pub(crate) scores: Vec<Vec<f32>>,
    /// Tokens of each row that have their true tag, and all; empty for other labels.
    pub(crate) tokens: Vec<(u32, u32)>,
    /// What each row gave where rows are pairs of texts and have no labels.
    pub(crate) likeness: Vec<Likeness>,
}

/// Precision, recall, F1 and support of one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassScores {
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    pub(crate) f1: f64,
    pub(crate) support: u64,
}

/// Sums from which every metric follows; rows may be added several times.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    correct: Vec<u64>,
    predicted: Vec<u64>,
    actual: Vec<u64>,
    exact: u64,
    rows: u64,
    loss: f64,
    tokens: (u64, u64),
    likeness: Vec<Likeness>,
    multi_label: bool,
}

impl Answers {
    /// Answers to rows that are pairs of texts.
    pub(crate) fn of_pairs(likeness: Vec<Likeness>) -> Self {
        let none = vec![Vec::new(); likeness.len()];
        Self { truth: none.clone(), predicted: none, likeness, ..Self::default() }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.truth.len()
    }

    /// The metric over all rows.
    pub(crate) fn value(&self, metric: Metric) -> f64 {
        self.value_of(metric, 0..self.len())
    }

    /// The metric over `rows`, which may repeat.
    pub(crate) fn value_of(&self, metric: Metric, rows: impl Iterator<Item = usize>) -> f64 {
        let mut tally = Tally::new(self);
        rows.for_each(|row| tally.add(self, row));
        tally.value(metric)
    }

    /// The rows that `keep` accepts.
    pub(crate) fn subset(&self, keep: impl Fn(usize) -> bool) -> Self {
        let rows: Vec<usize> = (0..self.len()).filter(|row| keep(*row)).collect();
        fn of<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|row| values.get(*row)).cloned().collect()
        }
        Self {
            classes: self.classes,
            multi_label: self.multi_label,
            entities: self.entities,
            truth: of(&self.truth, &rows),
            predicted: of(&self.predicted, &rows),
            losses: of(&self.losses, &rows),
            scores: of(&self.scores, &rows),
            tokens: of(&self.tokens, &rows),
            likeness: of(&self.likeness, &rows),
        }
    }

    /// Place of a label among the declared ones, or the place behind them; of a span that of its kind.
    pub(crate) fn class_of(&self, label: u32) -> usize {
        let label = label as usize;
        if self.entities { label % (self.classes + 1) } else { label.min(self.classes) }
    }

    /// Scores of each declared label, in their order.
    pub(crate) fn per_class(&self) -> Vec<ClassScores> {
        let mut tally = Tally::new(self);
        (0..self.len()).for_each(|row| tally.add(self, row));
        (0..self.classes).map(|class| tally.class(class)).collect()
    }
}

impl Tally {
    pub(crate) fn new(answers: &Answers) -> Self {
        // One more place than classes: it collects predictions of labels that the truth cannot hold.
        let zeros = vec![0; answers.classes + 1];
        Self {
            correct: zeros.clone(),
            predicted: zeros.clone(),
            actual: zeros,
            exact: 0,
            rows: 0,
            loss: 0.0,
            tokens: (0, 0),
            likeness: Vec::new(),
            multi_label: answers.multi_label,
        }
    }

    pub(crate) fn add(&mut self, answers: &Answers, row: usize) {
        let (truth, predicted) = (&answers.truth[row], &answers.predicted[row]);
        let place = |label: u32| answers.class_of(label);
        truth.iter().for_each(|label| self.actual[place(*label)] += 1);
        for label in predicted {
            self.predicted[place(*label)] += 1;
            self.correct[place(*label)] += u64::from(truth.contains(label));
        }
        let same = truth.len() == predicted.len() && predicted.iter().all(|label| truth.contains(label));
        self.exact += u64::from(same);
        self.rows += 1;
        self.loss += answers.losses.get(row).copied().unwrap_or(0.0);
        let (right, all) = answers.tokens.get(row).copied().unwrap_or_default();
        self.tokens = (self.tokens.0 + u64::from(right), self.tokens.1 + u64::from(all));
        self.likeness.extend(answers.likeness.get(row));
    }

    pub(crate) fn value(&self, metric: Metric) -> f64 {
        let sum = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
        match metric {
            Metric::MacroF1 => self.macro_f1(),
            Metric::WeightedF1 => self.weighted_f1(),
            Metric::EntityPrecision => ratio(sum(&self.correct), sum(&self.predicted)),
            Metric::EntityRecall => ratio(sum(&self.correct), sum(&self.actual)),
            Metric::TokenAccuracy => ratio(self.tokens.0 as f64, self.tokens.1 as f64),
            Metric::MicroF1 | Metric::EntityF1 => {
                ratio(2.0 * sum(&self.correct), sum(&self.predicted) + sum(&self.actual))
            }
            Metric::Accuracy | Metric::ExactMatch => ratio(self.exact as f64, self.rows as f64),
            Metric::LogLoss => ratio(self.loss, self.rows as f64),
            _ if !self.likeness.is_empty() => likeness::value(&self.likeness, metric),
            // The remaining metrics belong to tasks that `Request` refuses before any row is scored.
            _ => f64::NAN,
        }
    }

    fn class(&self, class: usize) -> ClassScores {
        let (correct, predicted, actual) =
            (self.correct[class] as f64, self.predicted[class] as f64, self.actual[class] as f64);
        ClassScores {
            precision: ratio(correct, predicted),
            recall: ratio(correct, actual),
            f1: ratio(2.0 * correct, predicted + actual),
            support: self.actual[class],
        }
    }

    fn macro_f1(&self) -> f64 {
        let counted = |class: &usize| {
            let unknown = *class + 1 == self.actual.len();
            self.predicted[*class] + self.actual[*class] > 0 || (self.multi_label && !unknown)
        };
        let classes: Vec<usize> = (0..self.actual.len()).filter(counted).collect();
        ratio(classes.iter().map(|class| self.class(*class).f1).sum(), classes.len() as f64)
    }

    fn weighted_f1(&self) -> f64 {
        let weighted = |class: usize| self.class(class).f1 * self.actual[class] as f64;
        let support: u64 = self.actual.iter().sum();
        ratio((0..self.actual.len()).map(weighted).sum(), support as f64)
    }
}

fn ratio(above: f64, below: f64) -> f64 {
    if below == 0.0 { 0.0 } else { above / below }
}

/// Turns a metric so that larger is better.
pub(crate) fn utility(metric: Metric, value: f64) -> f64 {
    if metric.lower_is_better() { -value } else { value }
}

/// The loss of one row whose true label got `probability`.
pub(crate) fn row_loss(probability: f32) -> f64 {
    -libm::log(f64::from(probability).clamp(SMALLEST_PROBABILITY, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(truth: &[u32], predicted: &[u32], classes: usize) -> Answers {
        let sets = |labels: &[u32]| labels.iter().map(|label| vec![*label]).collect();
        Answers { classes, truth: sets(truth), predicted: sets(predicted), ..Answers::default() }
    }

    struct Case {
        name: &'static str,
        answers: Answers,
        expected: Vec<(Metric, f64)>,
    }

    #[test]
    fn agree_with_scikit_learn() {
        // Values of sklearn.metrics 1.9.1: f1_score(average=…), accuracy_score.
        let cases = [
            Case {
                name: "three classes",
                answers: single(&[0, 0, 1, 1, 2, 2, 2], &[0, 1, 1, 1, 2, 0, 2], 3),
                // f1: 0.5, 0.8, 0.8
                expected: vec![
                    (Metric::MacroF1, 0.7),
                    (Metric::MicroF1, 5.0 / 7.0),
                    (Metric::WeightedF1, (0.5 * 2.0 + 0.8 * 2.0 + 0.8 * 3.0) / 7.0),
                    (Metric::Accuracy, 5.0 / 7.0),
                ],
            },
            Case {
                name: "a declared class that is neither true nor predicted is left out",
                answers: single(&[0, 0, 1], &[0, 0, 1], 3),
                expected: vec![(Metric::MacroF1, 1.0)],
            },
            Case {
                name: "a class predicted but never true counts as zero",
                answers: single(&[0, 0, 1], &[0, 2, 1], 3),
                expected: vec![
                    (Metric::MacroF1, (2.0 / 3.0 + 1.0) / 3.0),
                    (Metric::WeightedF1, (4.0 / 3.0 + 1.0) / 3.0),
                ],
            },
            Case {
                name: "sets of labels average over every declared label",
                answers: Answers {
                    classes: 3,
                    multi_label: true,
                    truth: vec![vec![0], vec![0, 1], vec![]],
                    predicted: vec![vec![0], vec![0], vec![1]],
                    ..Answers::default()
                },
                expected: vec![
                    (Metric::MacroF1, 1.0 / 3.0),
                    (Metric::MicroF1, 4.0 / 6.0),
                    (Metric::ExactMatch, 1.0 / 3.0),
                ],
            },
        ];
        for case in cases {
            for (metric, expected) in case.expected {
                let value = case.answers.value(metric);
                assert!(
                    (value - expected).abs() < 1e-12,
                    "{}: {metric:?} {value} is not {expected}",
                    case.name
                );
            }
        }
    }

    #[test]
    fn report_each_class() {
        let scores = single(&[0, 0, 1, 1, 2, 2, 2], &[0, 1, 1, 1, 2, 0, 2], 3).per_class();
        assert_eq!(scores[1], ClassScores { precision: 2.0 / 3.0, recall: 1.0, f1: 0.8, support: 2 });
    }

    #[test]
    fn clip_the_loss_of_impossible_answers() {
        assert!(row_loss(1.0).abs() < 1e-12);
        assert!((row_loss(0.0) - 15.942_385).abs() < 1e-5);
    }
}
