//! The training report: `report.json`. Every number about the model is measured on the exported artifact by
//! the serving pipeline.

use std::collections::BTreeMap;

use loquat_spec::{Finding, Metric, Severity, Task};
use serde::{Deserialize, Serialize};

use crate::cuts::Cuts;
use crate::linear::Parameters;
use crate::report_details::{
    AnnotatorsReport, BaselineReport, CrossDomainReport, DomainReport, ExampleReport, Inspection,
    LearningCurve, Provenance, QuantisationReport,
};
use crate::report_origins::{AdaptationReport, DistillationReport, FromScratchReport, TrimmingReport};
use crate::request::Outcome;

/// The report of one training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `major.minor`. 1.0: the first.
    pub format_version: String,
    /// The model's name.
    pub name: String,
    /// The version registered; absent until there is one.
    pub version: Option<u32>,
    /// What the model does.
    pub task: Task,
    /// The metric that was optimised.
    pub metric: Metric,
    /// How the training ended.
    pub outcome: Outcome,
    /// Scores on the sealed test split; absent without one.
    pub test: Option<TestReport>,
    /// Scores of the nested cross-validation.
    pub outer: OuterReport,
    /// Best score that the final search saw, on folds that it chose by; fine-tunes, which have one split, aside.
    pub best_search: Option<f64>,
    /// Best score of a fine-tune on the rows of its one split that it was not trained on; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fine_tuned: Option<f64>,
    /// How much better the best search score is than the outer mean, which no choice has seen.
    pub optimism_gap: Option<f64>,
    /// What answering the most frequent label alone reaches on the same rows.
    pub baseline: Option<f64>,
    /// Other things that the score can be held against, on the same rows.
    #[serde(default)]
    pub baselines: Vec<BaselineReport>,
    /// Where `per_class`, `per_language`, `per_domain`, `per_length` and `calibration` were measured: `test` or `outer`.
    pub measured_on: String,
    /// Scores of each label.
    pub per_class: Vec<ClassReport>,
    /// Scores of each language.
    pub per_language: Vec<LanguageReport>,
    /// Scores of each domain, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_domain: Vec<DomainReport>,
    /// Domains that were trained on against those that were not; absent where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_domain: Option<CrossDomainReport>,
    /// Scores by length of the text.
    pub per_length: Vec<LengthReport>,
    /// Every trial of the final search.
    pub trials: Vec<TrialReport>,
    /// The trials that the model consists of.
    pub chosen: Vec<usize>,
    /// How well probabilities match frequencies.
    pub calibration: CalibrationReport,
    /// How near probabilities are to what annotators say, where these disagree about rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotators: Option<AnnotatorsReport>,
    /// What an encoder loses in eight bits, on the test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<QuantisationReport>,
    /// What is confused, at which thresholds, and the worst mistakes.
    #[serde(default)]
    pub inspection: Option<Inspection>,
    /// What fewer rows give, and what more would; absent when there was no time to measure it.
    #[serde(default)]
    pub learning_curve: Option<LearningCurve>,
    /// How the model compares with the teacher that it learned from, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationReport>,
    /// What adapting a backbone to unlabelled texts changed, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<AdaptationReport>,
    /// What encoders were made of, where they start from no backbone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_scratch: Option<FromScratchReport>,
    /// What trimming the vocabulary did, where the resource asks for it and the model is an encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimming: Option<TrimmingReport>,
    /// The data.
    pub dataset: DatasetReport,
    /// Rows whose label is probably wrong, most doubtful first.
    pub label_noise: Vec<NoiseReport>,
    /// Rows in all whose label is probably wrong; `label_noise` names the most doubtful.
    pub label_noise_rows: usize,
    /// What the artifact costs.
    pub cost: Option<Cost>,
    /// With constraints or several families: the candidates that were built, and which are best in nothing.
    pub pareto: Vec<ParetoRow>,
    /// Seconds spent, earlier attempts included.
    pub seconds: f64,
    /// Seconds of the rounds of the final search, of the process that ended it.
    #[serde(default)]
    pub search_seconds: f64,
    /// The seed.
    pub seed: u64,
    /// The rows that the model was fitted on at the end.
    pub refit_on: String,
    /// The decisions that followed from time or the user, with which the run can be repeated.
    pub cuts: Cuts,
    /// Why the alias moved or did not.
    pub promotion: Option<String>,
    /// What a reader must know to read the numbers rightly.
    pub notes: Vec<String>,
    /// Where the model comes from; absent when there is none.
    #[serde(default)]
    pub provenance: Option<Provenance>,
}

/// A value with its 95 % bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Scores on the test split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// Rows.
    pub rows: usize,
    /// Scores by metric.
    pub metrics: BTreeMap<String, Score>,
    /// Scores without the rows whose text also stands in training; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_leaked: Option<Box<TestReport>>,
    /// How many models of this run's folder have looked at this split of this data; each look makes it less
    /// of a secret.
    #[serde(default)]
    pub looks: usize,
}

/// Scores of the nested cross-validation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OuterReport {
    /// Score of each finished outer fold.
    pub folds: Vec<f64>,
    /// Their mean; absent when none was finished.
    pub mean: Option<f64>,
    /// Their standard deviation; absent below two folds.
    pub std: Option<f64>,
    /// Outer folds wanted.
    pub wanted: usize,
    /// Trials of each inner search.
    pub inner_trials: Vec<usize>,
    /// Folds of each inner search.
    pub inner_folds: usize,
    /// Best inner score of each finished outer fold.
    pub best_inner: Vec<f64>,
}

/// Scores of one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassReport {
    /// The label.
    pub label: String,
    /// Share of its answers that are right.
    pub precision: f64,
    /// Share of its rows that were found.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Its rows.
    pub support: u64,
    /// Its rows among those trained on.
    #[serde(default)]
    pub training_rows: u64,
}

/// Scores of one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageReport {
    /// The language.
    pub language: String,
    /// Its rows.
    pub rows: usize,
    /// The metric.
    pub value: f64,
    /// Out of fold on training rows: the configuration fitted on all languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<f64>,
    /// Out of fold on the same rows: the configuration fitted on this language alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separate: Option<f64>,
}

/// Scores of texts of similar length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthReport {
    /// Characters, as `20-49`.
    pub characters: String,
    /// Rows.
    pub rows: usize,
    /// The metric.
    pub value: f64,
}

/// One trial of the final search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Its number, in the order proposed.
    pub number: usize,
    /// The model family.
    pub family: String,
    /// The configuration.
    pub parameters: Parameters,
    /// Mean over the folds met; absent for failed trials.
    pub score: Option<f64>,
    /// Folds met.
    pub folds: usize,
    /// Seconds on one thread.
    pub seconds: f64,
    /// How it ended.
    pub state: TrialState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialState {
    /// It met every fold.
    Complete,
    /// Others of its round were better on the folds it met.
    Pruned,
    /// A fit failed.
    Failed,
}

/// How well probabilities match frequencies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Expected calibration error: mean distance of confidence and frequency; absent when not measured.
    pub ece: Option<f64>,
    /// Ten equal steps of confidence.
    pub bins: Vec<CalibrationBin>,
}

/// Answers of similar confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Lowest confidence.
    pub low: f64,
    /// Highest confidence.
    pub high: f64,
    /// Answers.
    pub count: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right; an answer that some annotators gave counts with their share.
    pub accuracy: f64,
}

/// The data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetReport {
    /// Its name.
    pub name: String,
    /// Usable rows.
    pub rows: usize,
    /// Rows of each part.
    pub parts: BTreeMap<String, usize>,
    /// Content hash.
    pub hash: String,
    /// What the checks found.
    pub findings: Vec<FindingReport>,
}

/// A finding of the data checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingReport {
    /// How it affects the run.
    pub severity: Severity,
    /// The check.
    pub check: String,
    /// Rows concerned; at most twenty.
    pub rows: Vec<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The first of the rows; none where their text should not be shown again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleReport>,
}

/// A row whose label is probably wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoiseReport {
    /// Number of the row in the data set as read.
    pub row: usize,
    /// Its `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The start of its text.
    pub text: String,
    /// The label given; absent when one seems to be missing.
    pub label: Option<String>,
    /// The label suggested; absent when the given one seems to be too many.
    pub suggested: Option<String>,
    /// Out-of-fold probability of what was given.
    pub probability: f32,
    /// Out-of-fold probability of what is suggested.
    pub suggested_probability: f32,
}

/// What an artifact costs on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Bytes on disk.
    pub artifact_bytes: u64,
    /// Bytes of the loaded model.
    pub resident_bytes: u64,
    /// Microseconds for a text, many at once on one thread.
    pub microseconds_per_text: f64,
    /// Microseconds for a single prediction, 95th percentile.
    pub single_microseconds: f64,
}

/// A candidate that was built because of constraints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParetoRow {
    /// Its family.
    #[serde(default)]
    pub family: String,
    /// Its trials.
    pub trials: Vec<usize>,
    /// The search score.
    pub score: f64,
    /// What it costs.
    pub cost: Cost,
    /// The constraints that it exceeds.
    pub exceeds: Vec<String>,
    /// Whether another candidate is at least as good in everything and better in something.
    pub dominated: bool,
    /// Whether it is the model.
    pub chosen: bool,
}

impl From<&Finding> for FindingReport {
    fn from(finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            check: finding.check.to_owned(),
            rows: finding.rows.iter().copied().take(20).collect(),
            message: finding.message.clone(),
            remedy: finding.remedy.clone(),
            examples: Vec::new(),
        }
    }
}

impl Report {
    /// Format version written.
    pub const FORMAT_VERSION: &'static str = "1.0";

    /// The score of the test split in the report's metric.
    pub fn test_score(&self) -> Option<Score> {
        self.test.as_ref()?.metrics.get(self.metric.as_str()).copied()
    }

    /// The model card: what the model is, what it was made from, how good it is and where it fails, in
    /// Markdown.
    pub fn model_card(&self) -> String {
        crate::model_card::model_card(self)
    }

    /// The whole report in Markdown.
    pub fn markdown(&self) -> String {
        crate::markdown::markdown(self)
    }

    /// The whole report as one page of HTML that needs no network.
    pub fn html(&self) -> String {
        crate::html::page(self)
    }

    /// The summary that a person reads in ten seconds, with terminal colours when `color`.
    pub fn summary(&self, color: bool) -> String {
        crate::summary::summary(self, color)
    }
}
