//! `loquat.json`: everything about a model that its weights do not say.

use std::path::Path;

use loquat_spec::{Precision, Task};
use serde::{Deserialize, Serialize};

use crate::artifact::{read_json, to_json, write};
use crate::error::ModelError;

const FILE: &str = "loquat.json";

/// What travels with the weights, so that a server holds no default for any of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// `major.minor`. 1.0: the first. 1.1: `maxTokens`, `precision`, `template`, the second text of a golden input. 1.2: a linear
    /// component may have a `background`. 1.3: `decoding`. A reader
    /// refuses another major and ignores nothing of its own.
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
    /// Longest input in tokens, special ones included (encoders only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Numbers that matrix products are computed with (encoders only; full precision when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Sentence that a label is put into, holding `{label}` (entailment models only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// How labels of words become spans (models trained here that label words; absent: the labels of the model's own tokens).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoding: Option<Decoding>,
    /// Inputs with the outputs that a loaded model must reproduce.
    pub golden: Vec<Golden>,
    /// Largest difference allowed between a golden score and its replay.
    pub tolerance: f32,
    /// Where the model comes from.
    #[serde(default)]
    pub provenance: serde_json::Value,
}

/// Labels are those of words as [`loquat_text::words`] finds them, and keep to BIO: of all sequences without an inside label
/// that continues nothing, the most probable one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoding {
    /// Added to the logarithm of the probability of `O`: below 0 finds more, above 0 fewer spans.
    pub outside: f32,
}

/// An input with what the model gave when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The text.
    pub input: String,
    /// The second text, for models that read pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// Probability per label; of each token, one after the other, where labels belong to tokens; a vector's values.
    pub scores: Vec<f32>,
}

impl Golden {
    /// An example of one text.
    pub fn new(input: impl Into<String>, scores: Vec<f32>) -> Self {
        Self { input: input.into(), second: None, scores }
    }
}

impl Manifest {
    /// The format version that this crate writes.
    pub const FORMAT_VERSION: &'static str = "1.3";

    /// Reads the manifest of the artifact in `folder`.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let manifest: Self = read_json(&path, "model manifest")?;
        let major = |version: &str| version.split('.').next().map(str::to_owned);
        if major(&manifest.format_version) == major(Self::FORMAT_VERSION) {
            return Ok(manifest);
        }
        Err(ModelError::Unsupported {
            path,
            what: "formatVersion",
            found: manifest.format_version,
            supported: "1.x",
        })
    }

    /// Writes the manifest into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        write(&folder.join(FILE), &to_json(self))
    }

    /// A manifest without thresholds, golden examples or provenance.
    pub fn new(task: Task, labels: Vec<String>, languages: Vec<String>) -> Self {
        Self {
            format_version: Self::FORMAT_VERSION.to_owned(),
            task,
            labels,
            languages,
            thresholds: None,
            max_length: None,
            max_tokens: None,
            precision: None,
            template: None,
            decoding: None,
            golden: Vec::new(),
            tolerance: 1e-4,
            provenance: serde_json::Value::Null,
        }
    }
}
