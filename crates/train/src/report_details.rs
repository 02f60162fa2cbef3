//! The parts of a report that show how a model answers: what it confuses, how it does at other thresholds, its worst
//! mistakes, what more data would give, and where it comes from.

use loquat_spec::Explanation;
use serde::{Deserialize, Serialize};

use crate::report::Score;

/// How the model answers rows that it was not fitted on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The rows: `test`, or `out-of-fold` where there is no test split.
    pub on: String,
    /// `[truth, answer, rows]` of every pair that occurs, as positions in `perClass`; empty for sets of labels. Of spans the
    /// kinds of those that share tokens.
    pub confusion: Vec<(u32, u32, u32)>,
    /// Answers at other thresholds, all labels together.
    pub thresholds: ThresholdCurve,
    /// The same for each label that occurs, in the order of `perClass`.
    pub label_thresholds: Vec<ThresholdCurve>,
    /// Wrong answers, the most confident first; at most three of each kind.
    pub mistakes: Vec<Mistake>,
}

/// What is answered when only answers of at least some probability are given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThresholdCurve {
    /// The label; absent for all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// True labels in the rows.
    pub wanted: usize,
    /// `[threshold, answers, right answers]`, thresholds rising.
    pub points: Vec<(f32, u32, u32)>,
}

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mistake {
    /// Number of the row in the data set as read.
    pub row: usize,
    /// Its `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The start of its text.
    pub text: String,
    /// The true labels.
    pub labels: Vec<String>,
    /// The labels answered.
    pub predicted: Vec<String>,
    /// Probability of what should have been answered.
    pub probability: f32,
    /// Probability of what was.
    pub predicted_probability: f32,
    /// Pieces of the text that spoke for the answer, strongest first; empty where the model cannot say.
    pub pieces: Vec<Explanation>,
}

/// What the model's configuration reaches with fewer rows, on the same held-out rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// Scores by number of rows trained on, fewest first.
    pub points: Vec<LearningPoint>,
    /// The curve through them; absent when none fits.
    pub fit: Option<LearningFit>,
    /// What twice the rows would give by that curve.
    pub doubled: Option<LearningPoint>,
}

/// One point of a learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningPoint {
    /// Rows trained on.
    pub rows: usize,
    /// The metric, mean over folds.
    pub value: f64,
    /// Worst fold.
    pub low: f64,
    /// Best fold.
    pub high: f64,
}

/// `limit + amplitude * rows^-exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningFit {
    /// What endless rows would give.
    pub limit: f64,
    /// Distance from the limit at one row; negative where larger is better.
    pub amplitude: f64,
    /// How fast it is approached.
    pub exponent: f64,
}

/// Something simpler on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineReport {
    /// What it is.
    pub name: String,
    /// The metric.
    pub value: f64,
}

/// Where the model comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// When the training ended, RFC 3339.
    pub created: String,
    /// Version of the code.
    pub code_version: String,
    /// Hash of everything that the model depends on.
    pub inputs_hash: String,
    /// The version that it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The resources that were trained, as YAML.
    pub resource: String,
}

/// A row shown with a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleReport {
    /// Number of the row in the data set as read.
    pub row: usize,
    /// The start of its text.
    pub text: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Scores of one domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainReport {
    /// The domain.
    pub domain: String,
    /// Its rows.
    pub rows: usize,
    /// The metric.
    pub score: Score,
    /// Its rows among those trained on; 0: the model never saw the domain.
    pub training_rows: usize,
}

/// Domains that were trained on against those that were not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossDomainReport {
    /// Rows of domains that were trained on; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<SliceReport>,
    /// Rows of domains that were not.
    pub mismatched: SliceReport,
}

/// Scores of some of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// Rows.
    pub rows: usize,
    /// The metric.
    pub score: Score,
}

/// How near the probabilities are to what annotators say, where these disagree. Logarithms are natural ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnnotatorsReport {
    /// The rows: `test`, or `out-of-fold` where there is no test split.
    pub on: String,
    /// Rows in all; those on which all agree count with the whole share on their label.
    pub rows: usize,
    /// Rows on which annotators disagree.
    pub divided: usize,
    /// Mean cross entropy of the probabilities against the shares that annotators gave.
    pub cross_entropy: Score,
    /// Mean entropy of the shares themselves: the least cross entropy that any answers can have.
    pub entropy: f64,
    /// Mean cross entropy of answering each row with the shares of all training rows together.
    pub baseline: f64,
    /// Mean Jensen-Shannon distance of the probabilities from the shares: the root of the divergence, from 0 to 0.833.
    pub jensen_shannon: Score,
}

/// What the weights of an encoder lose in eight bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuantisationReport {
    /// Test rows.
    pub rows: usize,
    /// The metric of the version as it is registered, in full precision.
    pub full: f64,
    /// The metric of the same model in int8, on the same rows.
    pub int8: f64,
    /// How much worse that is; below zero where it is better.
    pub lost: f64,
    /// Share of the rows that both answer alike; absent where rows have no answers but vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<f64>,
    /// Bytes on disk in full precision.
    pub bytes_before: u64,
    /// Bytes on disk in int8.
    pub bytes: u64,
}

impl QuantisationReport {
    /// A sentence about it.
    pub(crate) fn note(&self, metric: &str) -> String {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        format!(
            "in int8 the model reaches {metric} {:.4} where it has {:.4} in f32, on the same {} test rows, and takes {:.1} MB in \
             place of {:.1} MB",
            self.int8,
            self.full,
            self.rows,
            megabytes(self.bytes),
            megabytes(self.bytes_before)
        )
    }
}
