//! What stands for ONNX models in a build without an engine for them: nothing, since none can be loaded.

use std::path::Path;

use super::problem::OnnxProblem;
use crate::compute::Compute;
use crate::encoder::{Head, PackedBatch, Problem, Prompts};
use crate::error::ModelError;

/// A model in an ONNX file, of which a build without the feature `onnx` has none.
#[derive(Debug)]
pub enum OnnxModel {}

/// Buffers of a run.
#[derive(Debug, Default)]
pub struct OnnxScratch;

impl OnnxModel {
    /// Refuses the model in `folder`.
    ///
    /// # Errors
    /// Always: this build has no engine for ONNX files.
    pub fn load(folder: &Path, _: Head, _: impl Into<Compute>) -> Result<Self, ModelError> {
        Err(ModelError::Onnx { path: folder.join(Self::FILE), problem: OnnxProblem::NotBuilt })
    }

    /// What it answers.
    pub fn head(&self) -> Head {
        match *self {}
    }

    /// Labels in the order of the logits.
    pub fn labels(&self) -> &[String] {
        match *self {}
    }

    /// What its logits mean.
    pub fn problem(&self) -> Problem {
        match *self {}
    }

    /// The most tokens of a sequence.
    pub fn max_tokens(&self) -> Option<usize> {
        match *self {}
    }

    /// What can stand before a text that is embedded.
    pub fn prompts(&self) -> Option<&Prompts> {
        match *self {}
    }

    /// Whether the graph quantises values as they come.
    pub fn quantises(&self) -> bool {
        match *self {}
    }

    /// What the head says.
    ///
    /// # Errors
    /// Never: there is no such model.
    pub fn answer<'s>(&self, _: &PackedBatch, _: &'s mut OnnxScratch) -> Result<&'s [f32], ModelError> {
        match *self {}
    }

    /// The last state of each token.
    ///
    /// # Errors
    /// Never: there is no such model.
    pub fn states<'s>(&self, _: &PackedBatch, _: &'s mut OnnxScratch) -> Result<&'s [f32], ModelError> {
        match *self {}
    }
}
