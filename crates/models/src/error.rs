//! What can go wrong with an artifact.

use std::path::PathBuf;

use loquat_spec::ErrorCode;

/// A model artifact that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file can't be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A JSON file does not hold what it should.
    #[error("{path}: not a valid {what}: {source}; train or import the model again", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
    /// The weights file is not safetensors.
    #[error("{path}: not a safetensors file: {source}; pickle files are never read, convert them to safetensors", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: safetensors::SafeTensorError,
    },
    /// A tensor is missing, or its type or shape is not what the configuration says.
    #[error("{path}: tensor {tensor:?} {problem}", path = path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The artifact asks for what this version does not have.
    #[error("{path}: {what} {found:?} is not supported; this version reads {supported}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported.
        what: &'static str,
        /// The value found.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
}

impl ModelError {
    /// The kind of this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { .. } => ErrorCode::Unavailable,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            Self::Json { .. } | Self::Weights { .. } | Self::Tensor { .. } => ErrorCode::Invalid,
        }
    }
}
