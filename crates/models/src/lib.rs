//! Inference architectures, and the artifact that training writes and serving reads.
//!
//! An artifact is a folder: `config.json` (the architecture), `model.safetensors` (the weights) and `loquat.json` (the
//! [`Manifest`]: task, labels in order, thresholds, golden examples, provenance). This crate knows nothing of training.

mod artifact;
mod error;
mod features;
mod linear;
mod manifest;
pub mod math;
mod vocabulary;
mod weight_rows;

pub use artifact::Model;
pub use error::ModelError;
pub use features::{FeatureConfig, FeatureCounter, Norm, TermFrequency, normalise_group};
pub use linear::{Calibration, Component, Scratch};
pub use manifest::{Golden, Manifest};
pub use vocabulary::Vocabulary;
pub use weight_rows::WeightRows;
