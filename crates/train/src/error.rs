//! What can stop a training.

use std::path::{Path, PathBuf};

use loquat_nn::NnError;
use loquat_spec::{ErrorCode, Task};

/// A training that can't go on. A training that ends without a model is no error but an
/// [`Outcome`](crate::Outcome).
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The task has no trainer yet.
    #[error("task {task} can't be trained yet; what can be: {supported}", task = task.as_str())]
    Task {
        /// The task asked for.
        task: Task,
        /// Those that can be trained.
        supported: &'static str,
    },
    /// The teacher can't be learned from.
    #[error("spec.teacher: {name} {problem}; name a version with the task and the labels of the data")]
    Teacher {
        /// The version.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The unlabelled texts can't be adapted to.
    #[error("spec.unlabelled {problem}; name another Dataset, or remove the field")]
    Unlabelled {
        /// What is wrong.
        problem: &'static str,
    },
    /// An encoder from scratch has no texts to learn from.
    #[error(
        "an encoder from scratch is made of words, and the texts have none; check spec.columns of the Dataset"
    )]
    NoWords,
    /// An embedding has no backbone.
    #[error(
        "training an embedding from scratch is not yet supported; name what it starts from in spec.backbones"
    )]
    EmbeddingFromScratch,
    /// The tokenizer of a backbone refuses a text.
    #[error("a text can't be cut into tokens: {source}; use another backbone")]
    Tokenizer {
        /// The cause.
        source: loquat_text::TokenizerError,
    },
    /// The folders of the request are not those that the resource names.
    #[error("the resource names {named} backbones and {given} are there; fetch each and give them in order")]
    Backbones {
        /// In the resource.
        named: usize,
        /// In the request.
        given: usize,
    },
    /// Too few rows or groups to hold anything out.
    #[error(
        "{rows} training rows in {groups} groups leave fewer than two folds of {folds} with rows, because classes smaller than the number of folds stay in \
         training; give more rows per class or lower spec.crossValidation.folds"
    )]
    TooFewRows {
        /// Rows to train on.
        rows: usize,
        /// Groups among them.
        groups: usize,
        /// Folds wanted.
        folds: usize,
    },
    /// Too few pairs to hold anything out.
    #[error(
        "{pairs} pairs to train on leave too few to learn from or to hold out; give some dozens at least"
    )]
    TooFewPairs {
        /// Pairs to train on.
        pairs: usize,
    },
    /// Another process trains in the same folder.
    #[error("{path} is in use by another training; wait for it or end it", path = path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// A file of the run can't be read or written.
    #[error("can't {action} {path}: {source}", path = path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The cuts of another run don't fit this one.
    #[error("can't repeat the run: {reason}; give the resource, data and seed of the version's record")]
    Replay {
        /// What does not fit.
        reason: &'static str,
    },
    /// There is no row that both versions may be asked.
    #[error("the data set has no test rows to compare versions on; add spec.split.test and train")]
    NothingToCompare,
    /// A value that JSON can't hold.
    #[error("can't write the report as json: {0}")]
    Json(#[from] serde_json::Error),
    /// The threads could not be started.
    #[error("can't start {threads} threads: {source}; lower spec.resources.threads")]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// The cause.
        source: rayon::ThreadPoolBuildError,
    },
    /// A configuration that fitted in the search did not fit again.
    #[error("the chosen configuration can't be fitted again: {0}")]
    Fit(#[from] crate::linear::LinearError),
    /// A backbone can't be fine-tuned.
    #[error(transparent)]
    Nn(#[from] loquat_nn::NnError),
    /// The artifact can't be written or read back.
    #[error(transparent)]
    Model(#[from] loquat_models::ModelError),
    /// The artifact does not answer as it should.
    #[error(transparent)]
    Infer(#[from] loquat_infer::InferError),
    /// The registry refuses.
    #[error(transparent)]
    Store(#[from] loquat_store::StoreError),
}

impl TrainError {
    /// The kind of this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Task { .. } | Self::EmbeddingFromScratch => ErrorCode::Unsupported,
            Self::TooFewRows { .. }
            | Self::TooFewPairs { .. }
            | Self::Replay { .. }
            | Self::NothingToCompare
            | Self::NoWords
            | Self::Tokenizer { .. }
            | Self::Backbones { .. }
            | Self::Teacher { .. }
            | Self::Unlabelled { .. } => ErrorCode::Invalid,
            Self::Busy { .. } => ErrorCode::Conflict,
            Self::File { .. } | Self::Threads { .. } => ErrorCode::Unavailable,
            Self::Json(_) => ErrorCode::Internal,
            Self::Fit(_) => ErrorCode::Failed,
            Self::Nn(error) => match error {
                NnError::Architecture { .. } | NnError::Pooling | NnError::GpuNotBuilt => {
                    ErrorCode::Unsupported
                }
                #[cfg(feature = "gpu")]
                NnError::Gpu(_) => ErrorCode::Unavailable,
                NnError::Tensor { .. } => ErrorCode::Invalid,
                NnError::Model(error) => error.code(),
                NnError::Diverged { .. } => ErrorCode::Failed,
                NnError::File { .. } => ErrorCode::Unavailable,
            },
            Self::Model(error) => error.code(),
            Self::Infer(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// For `map_err`: a file operation that failed.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}

/// Why a run ends before its normal end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Something is broken.
    Error(TrainError),
    /// Ended by the user; nothing may be registered.
    Cancelled,
    /// There is no model to register, and why.
    NoModel(String),
}

impl<E: Into<TrainError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}
