//! What can go wrong with a tokenizer.

use loquat_spec::ErrorCode;

/// A tokenizer that can't be built, or a text that it can't take.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// There is no file to build it from.
    #[error(
        "no tokenizer files; expected tokenizer.json, or vocab.txt, or vocab.json with merges.txt, or a sentencepiece model"
    )]
    Missing,
    /// A file does not hold what it should.
    #[error("{file}: {problem}")]
    File {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The files ask for what this version does not have.
    #[error(
        "{file}: {what} is not supported; save the model with its tokenizer.json (a fast tokenizer of transformers)"
    )]
    Unsupported {
        /// The file's name.
        file: &'static str,
        /// What is not supported.
        what: String,
    },
    /// The tokenizer refused a text.
    #[error("the tokenizer cannot encode this text: {problem}")]
    Text {
        /// What it said.
        problem: String,
    },
}

impl TokenizerError {
    /// The kind of this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Missing | Self::File { .. } | Self::Text { .. } => ErrorCode::Invalid,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
        }
    }
}
