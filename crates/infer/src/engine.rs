//! What computes: one of the architectures, behind one form of asking.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use loquat_connect::servers::{ModelServers, ServerError};
use loquat_models::{
    Decoding, Manifest, Model, ModelError, OnnxModel, PackedPlace, Prompts, Tagger, log, pair_text,
};
use loquat_spec::{Entity, Explanation, Task};
use loquat_text::words;
use serde::Deserialize;

use crate::compute::{Compute, Device};
use crate::encoder::{EncoderEngine, Rows};
use crate::error::InferError;
use crate::input::Input;
use crate::remote::RemoteEngine;
use crate::tags::Tags;

/// The `model_type` of artifacts of the linear family.
const LINEAR: &str = "loquat-linear";
/// The `model_type` of linear models of words.
const TAGGER: &str = "loquat-tagger";
/// Most pieces of a text that an explanation names.
const EXPLAINED: usize = 10;

/// An artifact to be loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Artifact<'a> {
    /// Its folder.
    pub(crate) folder: &'a Path,
    /// Where its weights are kept packed, to be shared; `None` for a folder whose files may change.
    pub(crate) packed: Option<&'a PackedPlace>,
}

/// A loaded architecture.
#[derive(Debug)]
pub(crate) enum Engine {
    Linear(Box<Model>),
    Tagger(Box<LinearTagger>),
    Encoder(Box<EncoderEngine>),
    Remote(Box<RemoteEngine>),
}

/// A linear model of words with its labels understood.
#[derive(Debug)]
pub(crate) struct LinearTagger {
    tagger: Tagger,
    tags: Tags,
}

impl LinearTagger {
    fn load(folder: &Path) -> Result<Self, InferError> {
        let tagger = Tagger::load(folder)?;
        Ok(Self { tags: Tags::new(&tagger.manifest().labels), tagger })
    }

    /// The labelled spans of each text, and the probabilities that they come from, `[texts][words * labels]`.
    pub(crate) fn entities(&self, inputs: &[Input], threads: usize) -> (Vec<Vec<Entity>>, Vec<Vec<f32>>) {
        let probabilities = self.probabilities(inputs, threads);
        let decoding = self.tagger.manifest().decoding.unwrap_or(Decoding { outside: 0.0 });
        let of = |(input, own): (&Input, &Vec<f32>)| {
            self.tags.entities_of_words(&input.text, &words(&input.text), (own, decoding))
        };
        (inputs.iter().zip(&probabilities).map(of).collect(), probabilities)
    }

    fn probabilities(&self, inputs: &[Input], threads: usize) -> Vec<Vec<f32>> {
        let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).collect();
        self.tagger.probabilities(&texts, threads)
    }
}

#[derive(Deserialize)]
struct Architecture {
    model_type: String,
}

impl Engine {
    /// Loads an artifact.
    pub(crate) fn load(artifact: Artifact<'_>, compute: Compute) -> Result<Self, InferError> {
        let folder = artifact.folder;
        if RemoteEngine::is_in(folder) {
            return Err(InferError::NeedsServer);
        }
        if !OnnxModel::is_in(folder) {
            match model_type(folder).as_deref() {
                None | Some(LINEAR | TAGGER) if compute.device == Device::Gpu => {
                    return Err(ModelError::NoGpu.into());
                }
                // A configuration that does not read is left to the linear family's reader, which says what is wrong.
                None | Some(LINEAR) => return Ok(Self::Linear(Box::new(Model::load(folder)?))),
                Some(TAGGER) => return Ok(Self::Tagger(Box::new(LinearTagger::load(folder)?))),
                Some(_) => {}
            }
        }
        let encoder = EncoderEngine::load(artifact, Manifest::load(folder)?, compute)?;
        Ok(Self::Encoder(Box::new(encoder)))
    }

    /// [`Engine::load`], where the artifact called `model` may have its server among `servers`.
    pub(crate) fn load_with(
        artifact: Artifact<'_>,
        compute: Compute,
        (model, servers): (&str, &ModelServers),
    ) -> Result<Self, InferError> {
        if RemoteEngine::is_in(artifact.folder) {
            if compute.device == Device::Gpu {
                return Err(ModelError::NoGpu.into());
            }
            return Ok(Self::Remote(Box::new(RemoteEngine::load(artifact.folder, model, servers)?)));
        }
        Self::load(artifact, compute)
    }

    /// Why it can't answer now, where it can't: a server is down.
    pub(crate) fn down(&self) -> Option<ServerError> {
        match self {
            Self::Remote(remote) => remote.down(),
            Self::Linear(_) | Self::Tagger(_) | Self::Encoder(_) => None,
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        match self {
            Self::Linear(model) => model.manifest(),
            Self::Tagger(model) => model.tagger.manifest(),
            Self::Encoder(encoder) => encoder.manifest(),
            Self::Remote(remote) => remote.manifest(),
        }
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        match self {
            Self::Linear(model) => model.resident_bytes(),
            Self::Tagger(model) => model.tagger.resident_bytes(),
            Self::Encoder(encoder) => encoder.resident_bytes(),
            Self::Remote(_) => 0,
        }
    }

    /// Bytes of the weights that lie in mapped files.
    pub(crate) fn shared_bytes(&self) -> u64 {
        match self {
            Self::Encoder(encoder) => encoder.shared_bytes(),
            Self::Linear(_) | Self::Tagger(_) | Self::Remote(_) => 0,
        }
    }

    /// Whether it can compute answers for a task.
    pub(crate) fn does(&self, task: Task) -> bool {
        let classifies = matches!(
            task,
            Task::TextClassification
                | Task::MultiLabelClassification
                | Task::LanguageIdentification
                | Task::TextPairClassification
        );
        match self {
            Self::Linear(_) => classifies,
            Self::Tagger(_) => task == Task::TokenClassification,
            Self::Encoder(_) => task != Task::Translation,
            Self::Remote(_) => !matches!(task, Task::Translation | Task::TokenClassification),
        }
    }

    /// What may stand before a text that is embedded.
    pub(crate) fn prompts(&self) -> Option<&Prompts> {
        match self {
            Self::Linear(_) | Self::Tagger(_) | Self::Remote(_) => None,
            Self::Encoder(encoder) => encoder.prompts(),
        }
    }

    /// Whether it can say what decided.
    pub(crate) fn explains(&self) -> bool {
        // What decided about a pair are pieces of what stands for it, not of its texts.
        matches!(self, Self::Linear(model) if model.manifest().task != Task::TextPairClassification)
    }

    /// What the model gives for each input, as golden examples record it: the probability per label, of each token where
    /// labels belong to tokens, or a vector.
    pub(crate) fn outputs<'i>(
        &self,
        inputs: &'i [Input],
        threads: usize,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        match self {
            Self::Linear(model) => {
                let text = |input: &'i Input| match &input.second {
                    Some(second) => Cow::Owned(pair_text(&input.text, second)),
                    None => Cow::Borrowed(input.text.as_str()),
                };
                let texts: Vec<Cow<'_, str>> = inputs.iter().map(text).collect();
                let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
                Ok(model.probabilities(&texts, threads))
            }
            Self::Tagger(model) => Ok(model.probabilities(inputs, threads)),
            Self::Encoder(encoder) => encoder.outputs(inputs, threads),
            Self::Remote(remote) => remote.outputs(inputs),
        }
    }

    /// The vectors of every text, each of which `prompt` precedes, and which of them belong to each input; of models for embedding.
    pub(crate) fn vectors(
        &self,
        inputs: &[Input],
        prompt: &str,
        threads: usize,
    ) -> Result<(Rows, Vec<Range<usize>>), InferError> {
        let mut texts: Vec<&str> = Vec::with_capacity(inputs.len());
        let mut owners = Vec::with_capacity(inputs.len());
        for input in inputs {
            let first = texts.len();
            texts.extend(input.texts());
            owners.push(first..texts.len());
        }
        let vectors = match self {
            Self::Encoder(encoder) => encoder.vectors(&texts, prompt, threads)?,
            Self::Remote(remote) => remote.vectors(&texts)?,
            Self::Linear(_) | Self::Tagger(_) => unreachable!("only encoders and servers embed"),
        };
        Ok((vectors, owners))
    }

    /// The logits of every input with every second text, `[inputs * seconds][labels]`.
    pub(crate) fn pair_logits(
        &self,
        inputs: &[Input],
        seconds: &[String],
        threads: usize,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        match self {
            Self::Encoder(encoder) => return encoder.pair_logits(inputs, seconds, threads),
            Self::Remote(remote) => return remote.pair_logits(inputs, seconds),
            Self::Linear(_) | Self::Tagger(_) => {}
        }
        let pair = |input: &Input| seconds.iter().map(|second| Input::pair(&input.text, second)).collect();
        let pairs: Vec<Input> = inputs.iter().flat_map(|input| -> Vec<Input> { pair(input) }).collect();
        let mut rows = self.outputs(&pairs, threads)?;
        rows.iter_mut().flatten().for_each(|probability| *probability = log(*probability));
        Ok(rows)
    }

    /// What spoke most for or against a label, strongest first.
    pub(crate) fn explain(&self, text: &str, label: usize) -> Vec<Explanation> {
        match self {
            Self::Linear(model) => model.explain(text, label, EXPLAINED),
            Self::Tagger(_) | Self::Encoder(_) | Self::Remote(_) => Vec::new(),
        }
    }
}

/// What the artifact's configuration says that it is; `None` where it does not read.
fn model_type(folder: &Path) -> Option<String> {
    let config = std::fs::read(folder.join("config.json")).ok()?;
    serde_json::from_slice::<Architecture>(&config).ok().map(|architecture| architecture.model_type)
}
