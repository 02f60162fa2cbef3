//! What can go wrong with an artifact.

use std::path::PathBuf;

use loquat_spec::ErrorCode;
use loquat_text::TokenizerError;

use crate::encoder::Head;
use crate::onnx::OnnxProblem;

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
    /// A folder holds weights only in a format that may run code when it is read.
    #[error(
        "{path}: pickle files are never read, and the folder holds no safetensors; convert the model with \
         `AutoModel.from_pretrained(FOLDER).save_pretrained(OTHER, safe_serialization=True)` of transformers",
        path = path.display()
    )]
    Pickle {
        /// The file found.
        path: PathBuf,
    },
    /// A field of the configuration has no meaning.
    #[error("{path}: {field} {problem}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The folder's tokenizer can't be used.
    #[error("{folder}: {source}", folder = folder.display())]
    Tokenizer {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: TokenizerError,
    },
    /// An ONNX file can't be used.
    #[error("{path}: {problem}", path = path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: OnnxProblem,
    },
    /// Nothing here computes the model on a GPU.
    #[error(
        "this model does not compute on a GPU here: ONNX files do, by a libonnxruntime with CUDA that --onnxruntime names, and, in a \
         loquat built with --features gpu, BERT, DistilBERT, RoBERTa and XLM-RoBERTa in precision f32; import it so, give its \
         server the GPU, or write gpu: 0"
    )]
    NoGpu,
    /// The GPU is not there, or failed.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] loquat_gpu::GpuError),
    /// The model does not answer what it was asked for.
    #[error("the model answers {found}, not {asked}; {remedy}", remedy = asked.remedy())]
    Head {
        /// What was asked for.
        asked: Head,
        /// What it answers.
        found: Head,
    },
    /// A sequence does not fit the model.
    #[error("sequence {sequence} {problem}")]
    Batch {
        /// Its number in the batch, from zero.
        sequence: usize,
        /// What is wrong with it.
        problem: BatchProblem,
    },
}

/// Why a sequence of token ids does not fit a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchProblem {
    /// It has no tokens.
    #[error("has no tokens")]
    Empty,
    /// It has more tokens than the model has positions.
    #[error("has {tokens} tokens and the model takes {most}; truncate it or cut it into windows")]
    TooLong {
        /// Its tokens.
        tokens: usize,
        /// The most that the model takes.
        most: usize,
    },
    /// It holds an id that the model has no vector for.
    #[error("holds token id {id} and the model knows {vocabulary}; the tokenizer belongs to another model")]
    UnknownId {
        /// The id.
        id: u32,
        /// The number of ids.
        vocabulary: usize,
    },
    /// It holds a type id that the model has no vector for.
    #[error("holds token type {id} and the model knows {types}; the tokenizer belongs to another model")]
    UnknownType {
        /// The type id.
        id: u32,
        /// The number of type ids.
        types: usize,
    },
    /// It lacks the token that stands for the whole of it.
    #[error("lacks the end token {id}, whose state is classified; the tokenizer must add special tokens")]
    NoEnd {
        /// The id of the end token.
        id: u32,
    },
}

impl ModelError {
    /// The kind of this failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { .. } => ErrorCode::Unavailable,
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => ErrorCode::Unavailable,
            Self::NoGpu => ErrorCode::Unsupported,
            Self::Unsupported { .. } | Self::Pickle { .. } | Self::Head { .. } | Self::Onnx { .. } => {
                ErrorCode::Unsupported
            }
            Self::Json { .. }
            | Self::Weights { .. }
            | Self::Tensor { .. }
            | Self::Config { .. }
            | Self::Batch { .. } => ErrorCode::Invalid,
            Self::Tokenizer { source, .. } => source.code(),
        }
    }
}
