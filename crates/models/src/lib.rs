//! Inference architectures, and the artifact that training writes and serving reads.
//!
//! An artifact is a folder: `config.json` (the architecture), `model.safetensors` (the weights) and `loquat.json` (the
//! [`Manifest`]: task, labels in order, thresholds, golden examples, provenance). This crate knows nothing of training.
//!
//! An [`Encoder`] is such a folder in the layout of Hugging Face's `transformers`, whose `loquat.json` is its importer's
//! concern; [`Checkpoint`] opens and writes them. An [`OnnxModel`] is a folder with an ONNX file in the place of weights.

mod artifact;
mod chain;
mod checkpoint;
mod compute;
mod encoder;
mod error;
mod features;
mod layers;
mod linear;
mod manifest;
pub mod math;
mod onnx;
mod packed;
mod pair_text;
mod tagger;
mod tensor;
mod tokenizer;
mod trim;
mod vocabulary;
mod weight_rows;
mod word_features;
mod word_shapes;

pub use artifact::Model;
pub use chain::{Chain, NEVER};
pub use checkpoint::Checkpoint;
pub use compute::{Compute, Device};
pub use encoder::{
    Architecture, Encoder, EncoderScratch, Head, PackedBatch, PooledClassifier, Precision, Problem, Prompts,
    TokenClassifier,
};
pub use error::{BatchProblem, ModelError};
pub use features::{FeatureConfig, FeatureCounter, Norm, TermFrequency, normalise_group};
pub use linear::{Calibration, Component, Scratch};
pub use manifest::{Decoding, Golden, Manifest};
pub use onnx::{OnnxModel, OnnxProblem, OnnxRuntime, OnnxScratch};
pub use packed::PackedPlace;
pub use pair_text::pair_text;
pub use tagger::{Tagger, TaggerWeights, log};
pub use tensor::Tensor;
pub use tokenizer::load_tokenizer;
pub use vocabulary::Vocabulary;
pub use weight_rows::WeightRows;
pub use word_features::WordFeatures;
pub use word_shapes::{SHAPE_ROWS, word_shapes};
