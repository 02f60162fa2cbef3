//! The parts of a report that show how a model answers: what it confuses, how it does at other thresholds, its worst
//! mistakes, what more data would give, and where it comes from.

use loquat_spec::Explanation;
use serde::{Deserialize, Serialize};

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
