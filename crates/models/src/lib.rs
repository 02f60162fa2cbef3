//! Inference architectures, and the artifact that training writes and serving reads.
//!
//! An artifact is a folder: `config.json` (the architecture), `model.safetensors` (the weights) and `loquat.json` (the
//! [`Manifest`]: task, labels in order, thresholds, golden examples, provenance). This crate knows nothing of training.
//!
//! An [`Encoder`] is such a folder in the layout of Hugging Face's `transformers`, whose `loquat.json` is its importer's
//! concern; [`Checkpoint`] opens and writes them.

mod artifact;
mod checkpoint;
mod encoder;
mod error;
mod features;
mod linear;
mod manifest;
pub mod math;
mod tensor;
mod tokenizer;
mod vocabulary;
mod weight_rows;

pub use artifact::Model;
pub use checkpoint::Checkpoint;
pub use encoder::{
    Architecture, Encoder, EncoderScratch, Head, PackedBatch, PooledClassifier, Precision, Problem, Prompts,
};
pub use error::{BatchProblem, ModelError};
pub use features::{FeatureConfig, FeatureCounter, Norm, TermFrequency, normalise_group};
pub use linear::{Calibration, Component, Scratch};
pub use manifest::{Golden, Manifest};
pub use tensor::Tensor;
pub use tokenizer::load_tokenizer;
pub use vocabulary::Vocabulary;
pub use weight_rows::WeightRows;
