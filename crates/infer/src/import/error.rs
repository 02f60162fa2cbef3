//! Why a folder can't be imported.

use std::path::PathBuf;

use loquat_spec::{ErrorCode, Task};

/// A folder that can't be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file can't be read or written.
    #[error("cannot {step} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// There is no such folder.
    #[error(
        "{path}: no such folder; give the folder that holds config.json and model.safetensors, or an ONNX file",
        path = path.display()
    )]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder lacks what every model has.
    #[error("{path}: it holds no {missing}; save the model with save_pretrained(…, safe_serialization=True)", path = path.display())]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// All weights are pickles.
    #[error(
        "{path}: a pickle, which runs code when read and is never opened; convert the model where it is trusted with \
         AutoModel.from_pretrained(…).save_pretrained(\"folder\", safe_serialization=True)",
        path = path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// The folder is an artifact of Loquat.
    #[error("{path}: an artifact of Loquat; register it with `loquat models import NAME {path}`", path = path.display())]
    Artifact {
        /// The folder.
        path: PathBuf,
    },
    /// The resource names another number of labels than the model has.
    #[error(
        "spec.labels names {given} labels and the model has {found}; name them all, in the order of its weights"
    )]
    Labels {
        /// Number given.
        given: usize,
        /// Number found.
        found: usize,
    },
    /// An entailment model without its label.
    #[error(
        "{} needs a label that begins with entailment, and the model has {found}; give spec.labels in the order of its weights, or \
         name another model",
        Task::ZeroShotClassification.as_str()
    )]
    NoEntailment {
        /// The labels found.
        found: String,
    },
    /// An ONNX file in another precision than its own.
    #[error(
        "spec.precision: quantising an ONNX file is not yet supported; remove the field, quantise the file with \
         onnxruntime.quantization, or import the model's safetensors"
    )]
    OnnxPrecision,
    /// The eight-bit model answers too differently.
    #[error(
        "int8 agrees with full precision by {found:.4} ({measure}), by {weights:.4} with products in f32, and spec.agreement asks \
         for {wanted:.4}; use precision: f32, or lower spec.agreement"
    )]
    Agreement {
        /// The agreement measured.
        found: f64,
        /// The agreement of int8 weights with products in full precision.
        weights: f64,
        /// The least agreement asked for.
        wanted: f64,
        /// How it was measured.
        measure: &'static str,
    },
}

impl ImportError {
    /// The failure's kind in the words that every surface shares.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { .. } => ErrorCode::Unavailable,
            Self::NoFolder { .. } => ErrorCode::NotFound,
            Self::Pickle { .. } | Self::OnnxPrecision => ErrorCode::Unsupported,
            Self::Incomplete { .. }
            | Self::Artifact { .. }
            | Self::Labels { .. }
            | Self::NoEntailment { .. } => ErrorCode::Invalid,
            Self::Agreement { .. } => ErrorCode::Failed,
        }
    }
}
