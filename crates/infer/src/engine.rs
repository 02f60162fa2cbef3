//! What computes: one of the architectures, behind one form of asking.

use std::path::Path;

use loquat_models::{Manifest, Model, Prompts};
use loquat_spec::{Explanation, Task};
use serde::Deserialize;

use crate::encoder::EncoderEngine;
use crate::error::InferError;
use crate::input::Input;
use crate::kernels::Kernels;

/// The `model_type` of artifacts of the linear family.
const LINEAR: &str = "loquat-linear";
/// Most pieces of a text that an explanation names.
const EXPLAINED: usize = 10;

/// A loaded architecture.
#[derive(Debug)]
pub(crate) enum Engine {
    Linear(Box<Model>),
    Encoder(Box<EncoderEngine>),
}

#[derive(Deserialize)]
struct Architecture {
    model_type: String,
}

impl Engine {
    /// Loads the artifact in `folder`.
    pub(crate) fn load(folder: &Path, kernels: Kernels) -> Result<Self, InferError> {
        if is_linear(folder) {
            return Ok(Self::Linear(Box::new(Model::load(folder)?)));
        }
        let encoder = EncoderEngine::load(folder, Manifest::load(folder)?, kernels)?;
        Ok(Self::Encoder(Box::new(encoder)))
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        match self {
            Self::Linear(model) => model.manifest(),
            Self::Encoder(encoder) => encoder.manifest(),
        }
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        match self {
            Self::Linear(model) => model.resident_bytes(),
            Self::Encoder(encoder) => encoder.resident_bytes(),
        }
    }

    /// Whether it can compute answers for a task.
    pub(crate) fn does(&self, task: Task) -> bool {
        let classifies = matches!(
            task,
            Task::TextClassification | Task::MultiLabelClassification | Task::LanguageIdentification
        );
        match self {
            Self::Linear(_) => classifies,
            Self::Encoder(_) => task != Task::Translation,
        }
    }

    /// What may stand before a text that is embedded.
    pub(crate) fn prompts(&self) -> Option<&Prompts> {
        match self {
            Self::Linear(_) => None,
            Self::Encoder(encoder) => encoder.prompts(),
        }
    }

    /// Whether it can say what decided.
    pub(crate) fn explains(&self) -> bool {
        matches!(self, Self::Linear(_))
    }

    /// What the model gives for each input, as golden examples record it: the probability per label, of each token where
    /// labels belong to tokens, or a vector.
    pub(crate) fn outputs(&self, inputs: &[Input], threads: usize) -> Result<Vec<Vec<f32>>, InferError> {
        match self {
            Self::Linear(model) => {
                let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).collect();
                Ok(model.probabilities(&texts, threads))
            }
            Self::Encoder(encoder) => encoder.outputs(inputs, threads),
        }
    }

    /// What spoke most for or against a label, strongest first.
    pub(crate) fn explain(&self, text: &str, label: usize) -> Vec<Explanation> {
        match self {
            Self::Linear(model) => model.explain(text, label, EXPLAINED),
            Self::Encoder(_) => Vec::new(),
        }
    }
}

/// Whether the artifact's configuration is that of the linear family. One that does not read is left to the family's
/// own reader, which says what is wrong with it.
fn is_linear(folder: &Path) -> bool {
    let config = std::fs::read(folder.join("config.json")).ok();
    let architecture = config.and_then(|text| serde_json::from_slice::<Architecture>(&text).ok());
    architecture.is_none_or(|architecture| architecture.model_type == LINEAR)
}
