//! What computes: one of the architectures, behind one form of asking.

use std::path::Path;

use loquat_connect::servers::{ModelServers, ServerError};
use loquat_models::{Manifest, Model, OnnxModel};
use loquat_spec::{Explanation, Task};
use serde::Deserialize;

use crate::encoder::EncoderEngine;
use crate::error::InferError;
use crate::input::Input;
use crate::kernels::Kernels;
use crate::remote::RemoteEngine;

/// The `model_type` of artifacts of the linear family.
const LINEAR: &str = "loquat-linear";
/// Most pieces of a text that an explanation names.
const EXPLAINED: usize = 10;

/// A loaded architecture.
#[derive(Debug)]
pub(crate) enum Engine {
    Linear(Box<Model>),
    Encoder(Box<EncoderEngine>),
    Remote(Box<RemoteEngine>),
}

#[derive(Deserialize)]
struct Architecture {
    model_type: String,
}

impl Engine {
    /// Loads the artifact in `folder`.
    pub(crate) fn load(folder: &Path, kernels: Kernels) -> Result<Self, InferError> {
        if RemoteEngine::is_in(folder) {
            return Err(InferError::NeedsServer);
        }
        if is_linear(folder) {
            return Ok(Self::Linear(Box::new(Model::load(folder)?)));
        }
        let encoder = EncoderEngine::load(folder, Manifest::load(folder)?, kernels)?;
        Ok(Self::Encoder(Box::new(encoder)))
    }

    /// [`Engine::load`], where the artifact called `model` may have its server among `servers`.
    pub(crate) fn load_with(
        folder: &Path,
        kernels: Kernels,
        (model, servers): (&str, &ModelServers),
    ) -> Result<Self, InferError> {
        if RemoteEngine::is_in(folder) {
            return Ok(Self::Remote(Box::new(RemoteEngine::load(folder, model, servers)?)));
        }
        Self::load(folder, kernels)
    }

    /// Why it can't answer now, where it can't: a server is down.
    pub(crate) fn down(&self) -> Option<ServerError> {
        match self {
            Self::Remote(remote) => remote.down(),
            Self::Linear(_) | Self::Encoder(_) => None,
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        match self {
            Self::Linear(model) => model.manifest(),
            Self::Encoder(encoder) => encoder.manifest(),
            Self::Remote(remote) => remote.manifest(),
        }
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        match self {
            Self::Linear(model) => model.resident_bytes(),
            Self::Encoder(encoder) => encoder.resident_bytes(),
            Self::Remote(_) => 0,
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
            Self::Remote(_) => !matches!(task, Task::Translation | Task::TokenClassification),
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
            Self::Remote(remote) => remote.outputs(inputs),
        }
    }

    /// The logits of every input with every second text, `[inputs * seconds][labels]`; of engines that read pairs.
    pub(crate) fn pair_logits(
        &self,
        inputs: &[Input],
        seconds: &[String],
        threads: usize,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        match self {
            Self::Encoder(encoder) => encoder.pair_logits(inputs, seconds, threads),
            Self::Remote(remote) => remote.pair_logits(inputs, seconds),
            Self::Linear(_) => Ok(Vec::new()),
        }
    }

    /// What spoke most for or against a label, strongest first.
    pub(crate) fn explain(&self, text: &str, label: usize) -> Vec<Explanation> {
        match self {
            Self::Linear(model) => model.explain(text, label, EXPLAINED),
            Self::Encoder(_) | Self::Remote(_) => Vec::new(),
        }
    }
}

/// Whether the artifact's configuration is that of the linear family. One that does not read is left to the family's
/// own reader, which says what is wrong with it.
fn is_linear(folder: &Path) -> bool {
    if OnnxModel::is_in(folder) {
        return false;
    }
    let config = std::fs::read(folder.join("config.json")).ok();
    let architecture = config.and_then(|text| serde_json::from_slice::<Architecture>(&text).ok());
    architecture.is_none_or(|architecture| architecture.model_type == LINEAR)
}
