//! `loquat.json`: everything about a model that its weights do not say.

use loquat_spec::Task;
use serde::{Deserialize, Serialize};

/// What travels with the weights, so that a server holds no default for any of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// `major.minor`. 1.0: the first. A reader refuses another major and ignores nothing of its own.
    pub format_version: String,
    /// What the model does.
    pub task: Task,
    /// Labels in the order of the weights.
    pub labels: Vec<String>,
    /// Languages seen in training, where a column says so.
    pub languages: Vec<String>,
    /// Threshold per label (multi-label only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f32>>,
    /// Longest text in characters that is read; what follows is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Inputs with the outputs that a loaded model must reproduce.
    pub golden: Vec<Golden>,
    /// Largest difference allowed between a golden score and its replay.
    pub tolerance: f32,
    /// Where the model comes from.
    #[serde(default)]
    pub provenance: serde_json::Value,
}

/// An input with the probabilities that the model gave when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The text.
    pub input: String,
    /// Probability per label.
    pub scores: Vec<f32>,
}

impl Manifest {
    /// The format version that this crate writes.
    pub const FORMAT_VERSION: &'static str = "1.0";

    /// A manifest without thresholds, golden examples or provenance.
    pub fn new(task: Task, labels: Vec<String>, languages: Vec<String>) -> Self {
        Self {
            format_version: Self::FORMAT_VERSION.to_owned(),
            task,
            labels,
            languages,
            thresholds: None,
            max_length: None,
            golden: Vec::new(),
            tolerance: 1e-4,
            provenance: serde_json::Value::Null,
        }
    }
}
