//! The bodies of `POST /models/{endpoint}/predict` and the lines of `loquat predict`.

use serde::{Deserialize, Serialize};

/// Parameters of a prediction.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PredictParameters {
    /// Return the best k labels with their scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Return what decided, with character offsets.
    pub explain: bool,
    /// Candidate labels (zero-shot only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Hypothesis template (zero-shot only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whether scores of the candidate labels add up to 1, for labels of which exactly one holds; else each label is
    /// scored on its own (zero-shot only).
    pub exclusive: bool,
    /// Threshold that replaces the model's own (multi-label only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Name of the model's prompt that stands before each text; absent: its default prompt, if it has one (embedding only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_name: Option<String>,
}

/// Body of a prediction request, its inputs not yet held against the task.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PredictRequest {
    /// One input or a list of inputs; each a string or an object with the task's columns.
    pub inputs: serde_json::Value,
    /// Parameters.
    #[serde(default)]
    pub parameters: PredictParameters,
}

/// Body of a prediction response.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct PredictResponse {
    /// The model's name.
    pub model: String,
    /// The version that answered.
    pub version: u32,
    /// Identifies the request in logs.
    pub request_id: String,
    /// One prediction per input, in order.
    pub predictions: Vec<Prediction>,
}

/// A label with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// Its probability.
    pub score: f32,
}

/// A piece of the text and how much it spoke for the label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explanation {
    /// First character, in Unicode scalar values.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The piece itself.
    pub text: String,
    /// Contribution to the label's score before the link function; positive speaks for it.
    pub weight: f32,
}

/// A labelled span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entity {
    /// The label.
    pub label: String,
    /// First character, in Unicode scalar values.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// The span itself.
    pub text: String,
    /// Its probability.
    pub score: f32,
}

/// One prediction; its form follows from the task.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// Single-label tasks.
    Label {
        /// The best label.
        label: String,
        /// Its probability.
        score: f32,
        /// The best k, when asked for.
        scores: Option<Vec<LabelScore>>,
        /// What decided, when asked for.
        explanation: Option<Vec<Explanation>>,
    },
    /// Multi-label tasks: labels over the threshold, best first. Zero-shot: all labels, best first.
    Labels {
        /// The labels.
        labels: Vec<LabelScore>,
    },
    /// Token classification: spans in the order of the text.
    Entities {
        /// The spans.
        entities: Vec<Entity>,
    },
    /// Embedding of one text.
    Embedding {
        /// The vector.
        embedding: Vec<f32>,
    },
    /// How alike two texts are, by the cosine of their vectors.
    Similarity {
        /// From -1 to 1.
        score: f32,
    },
}

impl Serialize for Prediction {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Label { label, score, scores, explanation } => {
                map.serialize_entry("label", label)?;
                map.serialize_entry("score", score)?;
                if let Some(scores) = scores {
                    map.serialize_entry("scores", scores)?;
                }
                if let Some(explanation) = explanation {
                    map.serialize_entry("explanation", explanation)?;
                }
            }
            Self::Labels { labels } => map.serialize_entry("labels", labels)?,
            Self::Entities { entities } => map.serialize_entry("entities", entities)?,
            Self::Embedding { embedding } => map.serialize_entry("embedding", embedding)?,
            Self::Similarity { score } => map.serialize_entry("score", score)?,
        }
        map.end()
    }
}
