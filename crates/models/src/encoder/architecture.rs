//! The architectures that are known, and what the rest of an encoder asks of their trunks.

use loquat_kernels::Kernels;

use super::bart::Bart;
use super::batch::PackedBatch;
use super::bert::Bert;
use super::deberta::Deberta;
use super::loader::Loader;
use super::modernbert::ModernBert;
use super::scratch::EncoderScratch;
use super::settings::Settings;
use crate::compute::Device;
use crate::error::ModelError;

/// An encoder architecture, `model_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `bert`, MiniLM among others.
    Bert,
    /// `distilbert`.
    DistilBert,
    /// `roberta`.
    Roberta,
    /// `xlm-roberta`.
    XlmRoberta,
    /// `deberta-v2`, which the third version has too.
    Deberta,
    /// `modernbert`.
    ModernBert,
    /// `bart`, for sequence classification.
    Bart,
}

const ALL: &[(&str, Architecture)] = &[
    ("bert", Architecture::Bert),
    ("distilbert", Architecture::DistilBert),
    ("roberta", Architecture::Roberta),
    ("xlm-roberta", Architecture::XlmRoberta),
    ("deberta-v2", Architecture::Deberta),
    ("modernbert", Architecture::ModernBert),
    ("bart", Architecture::Bart),
];
const NAMES: &str = "bert, distilbert, roberta, xlm-roberta, deberta-v2, modernbert and bart";

/// What a trunk takes and gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Width of the states.
    pub(super) hidden: usize,
    /// Number of token ids.
    pub(super) vocabulary: usize,
    /// Number of type ids; `None` where they are not looked at.
    pub(super) types: Option<usize>,
    /// The most tokens of a sequence.
    pub(super) tokens: usize,
}

/// The part of a model from token ids to one state a token.
pub(super) trait Trunk: std::fmt::Debug + Send + Sync {
    /// What it takes and gives.
    fn limits(&self) -> Limits;

    /// Writes the last states of a batch within the limits to `scratch.hidden`, `[tokens, hidden]`. Fails where a GPU fails.
    fn forward(
        &self,
        kernels: Kernels,
        batch: &PackedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), ModelError>;
}

impl Architecture {
    /// The architecture that a configuration names.
    pub(super) fn of(settings: Settings<'_>) -> Result<Self, ModelError> {
        let name = settings.text("model_type", "")?;
        let found = ALL.iter().find(|(known, _)| *known == name).map(|(_, architecture)| *architecture);
        found.ok_or_else(|| settings.unsupported("model_type", name, NAMES))
    }

    /// The name in `config.json`.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(_, architecture)| *architecture == self).map_or("", |(name, _)| name)
    }

    /// The prefix of the trunk's tensors in a checkpoint with a head.
    pub(super) fn base(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta | Self::XlmRoberta => "roberta",
            Self::Deberta => "deberta",
            Self::ModernBert | Self::Bart => "model",
        }
    }

    /// Parts of tensor names that a checkpoint may hold without the model reading them.
    pub(super) fn ignored(self) -> &'static [&'static str] {
        match self {
            // Kept by some checkpoints although their positions are only relative.
            Self::Deberta => &["position_embeddings"],
            _ => &[],
        }
    }

    pub(super) fn load(
        self,
        loader: &Loader<'_>,
        settings: Settings<'_>,
    ) -> Result<Box<dyn Trunk>, ModelError> {
        Ok(match self {
            Self::Bert | Self::DistilBert | Self::Roberta | Self::XlmRoberta => {
                Box::new(Bert::load(self, loader, settings)?)
            }
            _ if loader.device == Device::Gpu => return Err(ModelError::NoGpu),
            Self::Deberta => Box::new(Deberta::load(loader, settings)?),
            Self::ModernBert => Box::new(ModernBert::load(loader, settings)?),
            Self::Bart => Box::new(Bart::load(loader, settings)?),
        })
    }
}
