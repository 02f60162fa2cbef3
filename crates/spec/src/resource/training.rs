//! `Training`: task, data set, metric and budget of a search for a model.

use std::time::Duration;

use crate::{Bytes, Metric, ModelReference, ModelSource, Name};

/// A validated `Training`.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Its name, which is the registered model's name too.
    pub name: Name,
    /// The data set's name.
    pub dataset: Name,
    /// What is maximised (or minimised, for losses).
    pub metric: Metric,
    /// Number of folds, at least 2.
    pub folds: usize,
    /// How to search.
    pub search: Search,
    /// What encoders start from; none where the search has none, or where they start from scratch.
    pub backbones: Vec<ModelSource>,
    /// A data set whose texts help without their labels.
    pub unlabelled: Option<Name>,
    /// The version to distil from.
    pub teacher: Option<ModelReference>,
    /// Whether an encoder's artifact keeps only the vocabulary that its languages need.
    pub trim_vocabulary: bool,
    /// What a candidate must not exceed on this machine.
    pub constraints: Constraints,
    /// Whether probabilities are calibrated.
    pub calibration: bool,
    /// Threads to use; all when absent.
    pub threads: Option<usize>,
    /// Whether encoders are trained on a GPU.
    pub gpu: bool,
    /// When the alias `champion` moves to the new version.
    pub promote: Promote,
}

impl Training {
    /// Whether the search has encoders that start from no backbone.
    pub fn is_from_scratch(&self) -> bool {
        self.search.families.contains(&Family::Encoder) && self.backbones.is_empty()
    }
}

/// How to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Model families to search over.
    pub families: Vec<Family>,
    /// Most trials of the final search.
    pub trials: usize,
    /// Most time for everything: nested cross-validation, search, refit. `None`: only `trials` bounds it.
    pub timeout: Option<Duration>,
    /// Seed of every random choice.
    pub seed: u64,
}

/// A model family.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// N-gram features with a linear model.
    Linear,
    /// Transformer encoders.
    Encoder,
}

/// What a candidate must not exceed on this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Size of the artifact on disk.
    pub artifact: Option<Bytes>,
    /// Resident memory of the loaded model.
    pub memory: Option<Bytes>,
    /// Time of one prediction.
    pub latency: Option<Duration>,
}

/// When the alias `champion` moves to the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Promote {
    /// Always.
    Always,
    /// When a paired bootstrap on the same test rows does not show it worse than the champion.
    IfBetter,
    /// Never.
    Never,
}
