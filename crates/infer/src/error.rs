//! What can go wrong with a pipeline, and with what is sent to it.

use std::path::PathBuf;

use loquat_connect::servers::ServerError;
use loquat_models::ModelError;
use loquat_spec::{ErrorCode, Task};
use loquat_store::StoreError;
use loquat_text::TokenizerError;

/// A pipeline that can't be loaded, or can't answer.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The artifact can't be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The registry does not have the version, or not whole.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An input, or a parameter, that the task does not take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The model does not answer as it did when it was made.
    #[error(
        "{model} does not answer as it did when it was made: golden input {input} gives {place} the score {found} instead of \
         {recorded} (tolerance {tolerance}); its files were changed, or this loquat reads them otherwise: train or import it again"
    )]
    GoldenMismatch {
        /// The model, as `name:version`, or its folder.
        model: String,
        /// Number of the golden input, from 0.
        input: usize,
        /// What differs most: a label, a token's label, or a value of a vector.
        place: String,
        /// The score recorded.
        recorded: f32,
        /// The score found.
        found: f32,
        /// The largest difference allowed.
        tolerance: f32,
    },
    /// The manifest contradicts itself.
    #[error("the manifest of {model} is inconsistent: {problem}; train or import the model again")]
    Manifest {
        /// The model, as `name:version`, or its folder.
        model: String,
        /// What is inconsistent.
        problem: ManifestProblem,
    },
    /// The task has no pipeline yet.
    #[error("{model} is a model for {}, which is not yet supported for its architecture; use one for another task", task.as_str())]
    UnsupportedTask {
        /// The model, as `name:version`, or its folder.
        model: String,
        /// Its task.
        task: Task,
    },
    /// The model can't score labels that come with a request.
    #[error(
        "{model} is a model for {} with the labels {labels}, and zero-shot-classification needs one for embedding, or for text pairs \
         with the label entailment; name another model, or remove the endpoint's task, template and labels",
        task.as_str()
    )]
    NoScorer {
        /// The model, as `name:version`, or its folder.
        model: String,
        /// Its task.
        task: Task,
        /// Its labels.
        labels: String,
    },
    /// The tokenizer refuses a text.
    #[error("{source}")]
    Tokenizer {
        /// The cause.
        source: TokenizerError,
    },
    /// Nothing says how long an input may be.
    #[error(
        "{folder}: neither configuration nor tokenizer says how many tokens the model reads; give maxLength in its Model",
        folder = folder.display()
    )]
    NoLimit {
        /// The model's folder.
        folder: PathBuf,
    },
    /// The model's server has no answer.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A server answers for the model, and nothing here knows it.
    #[error(
        "a server answers for the model, which `loquat serve` of the folder with its Model starts and fronts; ask that"
    )]
    NeedsServer,
    /// A folder can't be imported.
    #[error(transparent)]
    Import(#[from] crate::import::ImportError),
    /// A score is not a number.
    #[error(
        "{model} gives input {input} a score that is not a number; its weights are unsound: train or import it again"
    )]
    NotANumber {
        /// The model, as `name:version`, or its folder.
        model: String,
        /// Number of the input, from 0.
        input: usize,
    },
}

/// What is inconsistent in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestProblem {
    /// No labels.
    #[error("it names no labels")]
    NoLabels,
    /// One label twice.
    #[error("label {label:?} stands in it twice")]
    RepeatedLabel {
        /// The label.
        label: String,
    },
    /// A multi-label model without thresholds.
    #[error("a multi-label model needs a threshold per label and it has none")]
    NoThresholds,
    /// Another number of thresholds than labels.
    #[error("it has {thresholds} thresholds for {labels} labels")]
    Thresholds {
        /// Number of thresholds.
        thresholds: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A golden input with another number of scores than labels.
    #[error("golden input {input} has {scores} scores for {labels} labels")]
    GoldenScores {
        /// Number of the golden input, from 0.
        input: usize,
        /// Number of its scores.
        scores: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A tolerance that is no small positive number.
    #[error("its tolerance {found} is not a number from 0 to 0.01")]
    Tolerance {
        /// The tolerance, as text.
        found: String,
    },
}

impl InferError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Model(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Input(error) => error.code(),
            Self::GoldenMismatch { .. } | Self::Manifest { .. } | Self::NotANumber { .. } => {
                ErrorCode::Failed
            }
            Self::UnsupportedTask { .. } => ErrorCode::Unsupported,
            Self::NoScorer { .. } | Self::NoLimit { .. } => ErrorCode::Invalid,
            Self::Tokenizer { source, .. } => source.code(),
            Self::Server(error) => error.code(),
            Self::NeedsServer => ErrorCode::Unsupported,
            Self::Import(error) => error.code(),
        }
    }
}

/// An input or a parameter that the task does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}: {remedy}")]
pub struct InputError {
    /// Path of the field: `inputs[3].text`, `parameters.top_k`.
    pub field: String,
    /// What is wrong with it; follows the field's name.
    pub reason: String,
    /// What to send instead.
    pub remedy: String,
}

impl InputError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::Invalid
    }
}
