//! What an encoder pipeline computes with: Loquat's own engine, or the graph of an ONNX file.

use loquat_models::{
    Encoder, EncoderScratch, Head, Manifest, ModelError, OnnxModel, OnnxScratch, PackedBatch, Precision,
    Problem, Prompts,
};

use crate::compute::{Compute, Device};
use crate::engine::Artifact;

/// A loaded network: packed token ids in, logits or vectors out.
#[derive(Debug)]
pub(crate) enum Network {
    Encoder(Box<Encoder>),
    Onnx(Box<OnnxModel>),
}

/// Buffers of a pass; those of the kind that computes are used.
#[derive(Debug, Default)]
pub(crate) struct NetworkScratch {
    encoder: EncoderScratch,
    onnx: OnnxScratch,
}

impl Network {
    /// Loads an artifact, which is to answer what `head` says.
    pub(crate) fn load(
        artifact: Artifact<'_>,
        manifest: &Manifest,
        head: Head,
        compute: Compute,
    ) -> Result<Self, ModelError> {
        if OnnxModel::is_in(artifact.folder) {
            return OnnxModel::load(artifact.folder, head, compute).map(|model| Self::Onnx(Box::new(model)));
        }
        let precision = manifest.precision.unwrap_or_default();
        let encoder = match artifact.packed {
            _ if compute.device == Device::Gpu && precision == Precision::Int8 => {
                return Err(ModelError::NoGpu);
            }
            _ if compute.device == Device::Gpu => Encoder::load_on_gpu(artifact.folder, compute.kernels)?,
            Some(place) => Encoder::load_shared(artifact.folder, compute.kernels, precision, place)?,
            None => Encoder::load(artifact.folder, compute.kernels, precision)?,
        };
        if encoder.head() == head {
            Ok(Self::Encoder(Box::new(encoder)))
        } else {
            Err(ModelError::Head { asked: head, found: encoder.head() })
        }
    }

    /// What it is, in a word.
    pub(crate) fn architecture(&self) -> String {
        match self {
            Self::Encoder(encoder) => format!("{:?}", encoder.architecture()),
            Self::Onnx(_) => "ONNX".to_owned(),
        }
    }

    /// Whether its numbers are those of an ONNX file.
    pub(crate) fn is_onnx(&self) -> bool {
        matches!(self, Self::Onnx(_))
    }

    /// Whether it is the graph of an ONNX file that quantises values as they come.
    pub(crate) fn quantises(&self) -> bool {
        matches!(self, Self::Onnx(model) if model.quantises())
    }

    /// Bytes of the weights that lie in mapped files.
    pub(crate) fn shared_bytes(&self) -> u64 {
        match self {
            Self::Encoder(encoder) => encoder.shared_bytes(),
            Self::Onnx(_) => 0,
        }
    }

    pub(crate) fn head(&self) -> Head {
        match self {
            Self::Encoder(encoder) => encoder.head(),
            Self::Onnx(model) => model.head(),
        }
    }

    /// Labels in the order of the logits, as the model's own configuration names them.
    pub(crate) fn labels(&self) -> &[String] {
        match self {
            Self::Encoder(encoder) => encoder.labels(),
            Self::Onnx(model) => model.labels(),
        }
    }

    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Encoder(encoder) => encoder.problem(),
            Self::Onnx(model) => model.problem(),
        }
    }

    /// The most tokens of a sequence, where the model says so.
    pub(crate) fn max_tokens(&self) -> Option<usize> {
        match self {
            Self::Encoder(encoder) => Some(encoder.max_tokens()),
            Self::Onnx(model) => model.max_tokens(),
        }
    }

    /// What can stand before a text that is embedded.
    pub(crate) fn prompts(&self) -> Option<&Prompts> {
        match self {
            Self::Encoder(encoder) => encoder.prompts(),
            Self::Onnx(model) => model.prompts(),
        }
    }

    /// What the head answers for a batch: a row for each sequence, or for each token.
    pub(crate) fn answer<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut NetworkScratch,
    ) -> Result<&'s [f32], ModelError> {
        match self {
            Self::Encoder(encoder) => match encoder.head() {
                Head::Tokens => encoder.token_logits(batch, &mut scratch.encoder),
                Head::Embedding => encoder.embeddings(batch, &mut scratch.encoder),
                Head::Sequence | Head::States => encoder.logits(batch, &mut scratch.encoder),
            },
            Self::Onnx(model) => model.answer(batch, &mut scratch.onnx),
        }
    }

    /// The last state of each token, `[tokens, hidden]`.
    pub(crate) fn states<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut NetworkScratch,
    ) -> Result<&'s [f32], ModelError> {
        match self {
            Self::Encoder(encoder) => encoder.states(batch, &mut scratch.encoder),
            Self::Onnx(model) => model.states(batch, &mut scratch.onnx),
        }
    }
}
