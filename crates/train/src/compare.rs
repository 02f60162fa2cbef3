//! Two versions side by side: asked the same test rows, with a paired test and the rows on which they differ.
//!
//! The difference of a metric comes with a paired bootstrap over groups; whether one is right more often than the
//! other is tested exactly (McNemar 1947).

use loquat_data::Table;
use loquat_infer::Pipeline;
use loquat_spec::{Metric, Task, Training};
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

use crate::bootstrap::paired;
use crate::error::TrainError;
use crate::evaluate::{Measured, clusters, foreign};
use crate::problem::Problem;
use crate::report::{Report, Score};

/// Characters shown of a row.
const SHOWN: usize = 300;

/// A version to compare.
#[derive(Debug, Clone, Copy)]
pub struct Contender<'a> {
    /// `name:version`.
    pub name: &'a str,
    /// The model.
    pub pipeline: &'a Pipeline,
    /// Its training report, where it has one.
    pub report: Option<&'a Report>,
    /// Hash of the data that it was trained on; empty when unknown.
    pub data_hash: &'a str,
}

/// Two versions on the same rows; `right` is held against `left`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The version compared with.
    pub left: Side,
    /// The version in question.
    pub right: Side,
    /// What both do.
    pub task: Task,
    /// The metric of the training.
    pub metric: Metric,
    /// Test rows asked.
    pub rows: usize,
    /// How much better `right` is, with its 95 % interval; positive is better whatever the metric.
    pub difference: Score,
    /// Every metric of the task.
    pub metrics: Vec<MetricPair>,
    /// Whether one is right more often.
    pub mcnemar: McNemar,
    /// The rows that are answered differently: newly wrong, newly right, wrong in another way.
    pub changed: Vec<ChangedRow>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// `name:version`.
    pub name: String,
    /// Mean score of its nested cross-validation.
    pub outer: Option<f64>,
    /// Bytes of its artifact.
    pub artifact_bytes: Option<u64>,
    /// Bytes of the loaded model.
    pub resident_bytes: u64,
    /// Microseconds for a text, when it was trained.
    pub microseconds_per_text: Option<f64>,
    /// Rows of its data set.
    pub dataset_rows: Option<usize>,
}

/// A metric of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPair {
    /// The metric.
    pub metric: Metric,
    /// Of the version compared with.
    pub left: f64,
    /// Of the version in question.
    pub right: f64,
}

/// McNemar's exact test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct McNemar {
    /// Rows that only `left` answers rightly.
    pub only_left: u64,
    /// Rows that only `right` answers rightly.
    pub only_right: u64,
    /// Probability of a difference at least as large if both were right equally often.
    pub p: f64,
}

/// How the answer to a row changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was right and is wrong.
    Broken,
    /// It was wrong and is right.
    Fixed,
    /// It is wrong in another way.
    Moved,
}

/// A row that the versions answer differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedRow {
    /// How.
    pub change: Change,
    /// Number of the row in the data set as read.
    pub row: usize,
    /// Its `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The start of its text.
    pub text: String,
    /// The true labels.
    pub labels: Vec<String>,
    /// What `left` answers.
    pub left: Vec<String>,
    /// What `right` answers.
    pub right: Vec<String>,
}

impl Comparison {
    /// One page of HTML that needs no network.
    pub fn html(&self) -> String {
        crate::html::comparison(self)
    }

    /// Markdown, for pull requests.
    pub fn markdown(&self) -> String {
        crate::markdown::comparison(self)
    }

    /// The changes of one kind.
    pub fn count(&self, change: Change) -> usize {
        self.changed.iter().filter(|row| row.change == change).count()
    }

    /// The verdict in one sentence.
    pub fn verdict(&self) -> String {
        let (left, right) = (&self.left.name, &self.right.name);
        let Score { value, low, high } = self.difference;
        let verdict = match (low > 0.0, high < 0.0) {
            (true, _) => format!("{right} is better than {left}"),
            (_, true) => format!("{right} is worse than {left}"),
            _ => format!("{right} can't be told apart from {left}"),
        };
        format!("{verdict}: {} {value:+.4} (95 %: {low:+.4} to {high:+.4})", self.metric.as_str())
    }
}

/// Asks both for the test rows of `table`, which are split as `training`'s data set says.
pub fn compare(
    [left, right]: [Contender<'_>; 2],
    training: &Training,
    table: &Table,
    threads: usize,
) -> Result<Comparison, TrainError> {
    let problem = Problem::new(training, table)?;
    if problem.test.is_empty() {
        return Err(TrainError::NothingToCompare);
    }
    let threads = threads.max(1);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| TrainError::Threads { threads, source })?;
    let ask = |contender: Contender<'_>| pool.install(|| foreign(&problem, contender.pipeline, threads));
    let answers = [ask(left)?, ask(right)?];
    let clusters = clusters(&problem, &problem.test);
    let seed = training.search.seed;
    let found = pool.install(|| paired(&answers[1], &answers[0], problem.metric, &clusters, seed));
    let pair = |metric: &Metric| MetricPair {
        metric: *metric,
        left: answers[0].value(*metric),
        right: answers[1].value(*metric),
    };
    let [left_answers, right_answers] = answers.clone();
    let measured = |answers| Measured { rows: problem.test.clone(), answers, probabilities: Vec::new() };
    let (changed, mcnemar) = changes(&problem, &measured(left_answers), &measured(right_answers));
    Ok(Comparison {
        left: side(left),
        right: side(right),
        task: table.task,
        metric: problem.metric,
        rows: problem.test.len(),
        difference: Score { value: found.value, low: found.low, high: found.high },
        metrics: problem.metrics().iter().map(pair).collect(),
        mcnemar,
        changed,
        notes: notes([left, right], table),
    })
}

fn side(contender: Contender<'_>) -> Side {
    let cost = contender.report.and_then(|report| report.cost);
    Side {
        name: contender.name.to_owned(),
        outer: contender.report.and_then(|report| report.outer.mean),
        artifact_bytes: cost.map(|cost| cost.artifact_bytes),
        resident_bytes: contender.pipeline.resident_bytes(),
        microseconds_per_text: cost.map(|cost| cost.microseconds_per_text),
        dataset_rows: contender.report.map(|report| report.dataset.rows),
    }
}

fn notes(contenders: [Contender<'_>; 2], table: &Table) -> Vec<String> {
    let others = contenders.iter().filter(|contender| contender.data_hash != table.hash);
    let note = |contender: &Contender<'_>| {
        format!("{} was trained on other data, which may hold some of these rows", contender.name)
    };
    others.map(note).collect()
}

fn changes(problem: &Problem<'_>, left: &Measured, right: &Measured) -> (Vec<ChangedRow>, McNemar) {
    let (mut only_left, mut only_right) = (0, 0);
    let mut changed = Vec::new();
    for (place, row) in left.rows.iter().enumerate() {
        let (before, after) = (&left.answers.predicted[place], &right.answers.predicted[place]);
        if before == after {
            continue;
        }
        let truth = &left.answers.truth[place];
        let change = match (before == truth, after == truth) {
            (true, _) => Change::Broken,
            (_, true) => Change::Fixed,
            _ => Change::Moved,
        };
        only_left += u64::from(change == Change::Broken);
        only_right += u64::from(change == Change::Fixed);
        let names = |labels: &[u32]| problem.shown(*row, labels);
        let (text, row) = (problem.text(*row), &problem.table.rows[*row]);
        changed.push(ChangedRow {
            change,
            row: row.number,
            id: row.id.clone(),
            text: text.chars().take(SHOWN).collect(),
            labels: names(truth),
            left: names(before),
            right: names(after),
        });
    }
    changed.sort_by_key(|row| (row.change, row.row));
    (changed, McNemar { only_left, only_right, p: exact(only_left, only_right) })
}

/// Two-sided probability of a split at least as uneven as `a` to `b`, when both sides are equally likely.
fn exact(a: u64, b: u64) -> f64 {
    let total = (a + b) as f64;
    let log_factorial = |n: f64| libm::lgamma(n + 1.0);
    let term = |k: u64| {
        let k = k as f64;
        let ways = log_factorial(total) - log_factorial(k) - log_factorial(total - k);
        libm::exp(ways - total * std::f64::consts::LN_2)
    };
    (2.0 * (0..=a.min(b)).map(term).sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_test_agrees_with_scipy() {
        // scipy.stats.binomtest(k, n).pvalue of scipy 1.17.
        for (a, b, expected) in
            [(10, 20, 0.098_737_146_7), (0, 5, 0.0625), (7, 7, 1.0), (3, 40, 3.021_341_4e-9)]
        {
            let found = exact(a, b);
            assert!((found / expected - 1.0).abs() < 1e-6, "{a} {b}: {found}");
        }
        assert!((exact(0, 0) - 1.0).abs() < 1e-12);
    }
}
