//! A loaded encoder.

use std::cell::RefCell;
use std::path::Path;

use loquat_kernels::{Kernels, Pooling};

use super::architecture::{Architecture, Limits, Trunk};
use super::batch::PackedBatch;
use super::head::{Head, Layers};
use super::loader::{Loader, Packing};
use super::pooling::Pooled;
use super::scratch::{EncoderScratch, sized};
use super::settings::Settings;
use super::{Precision, Problem, Prompts};
use crate::checkpoint::Checkpoint;
use crate::compute::Device;
use crate::error::{BatchProblem, ModelError};
use crate::packed::{PackedFile, PackedPlace, PackedWriter};

/// A transformer encoder with its head: packed token ids in, logits or vectors out.
///
/// The answer for a sequence does not depend on the others of its batch, bit for bit. An encoder is shared by threads,
/// each with its own [`EncoderScratch`]; a call runs on the thread that makes it.
#[derive(Debug)]
pub struct Encoder {
    kernels: Kernels,
    architecture: Architecture,
    precision: Precision,
    trunk: Box<dyn Trunk>,
    limits: Limits,
    head: Head,
    layers: Layers,
    /// How its states are pooled where they are features.
    features: Pooled,
    labels: Vec<String>,
    problem: Problem,
    shared_bytes: usize,
}

impl Encoder {
    /// Reads the model in `folder`, in the Hugging Face layout.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the folder holds what is not supported.
    pub fn load(folder: &Path, kernels: Kernels, precision: Precision) -> Result<Self, ModelError> {
        Self::from_checkpoint(&Checkpoint::open(folder)?, kernels, precision)
    }

    /// [`Encoder::load`] in full precision with the blocks on a GPU; embeddings, pooling and head stay on the processor. There the
    /// answer for a sequence may differ in its last digits with the others of its batch.
    ///
    /// # Errors
    /// As [`Encoder::load`], and when this build, the architecture or this machine has nothing that computes there.
    pub fn load_on_gpu(folder: &Path, kernels: Kernels) -> Result<Self, ModelError> {
        let checkpoint = Checkpoint::open(folder)?;
        Ok(Self::made(&checkpoint, kernels, (Precision::F32, Device::Gpu), Packing::Own)?.0)
    }

    /// [`Encoder::load`] for a folder whose files do not change any more, sharing memory with all that load it so: tables of
    /// vectors are looked up in the mapped weights, and packed weights in a mapped file at `place`, which the first load
    /// writes. Where it can't be written, packed weights are the model's own.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub fn load_shared(
        folder: &Path,
        kernels: Kernels,
        precision: Precision,
        place: &PackedPlace,
    ) -> Result<Self, ModelError> {
        let checkpoint = Checkpoint::open_shared(folder)?;
        let on_processor = (precision, Device::Processor);
        let path = place.path(kernels, precision);
        if let Some(file) = PackedFile::open(&path) {
            return Ok(Self::made(&checkpoint, kernels, on_processor, Packing::Kept(&file))?.0);
        }
        // A place that can't be written to costs memory and nothing else, and `shared_bytes` shows it.
        let packing = PackedWriter::create(&path)
            .map_or(Packing::Own, |file| Packing::Keep(Box::new(RefCell::new(file))));
        let (own, packing) = Self::made(&checkpoint, kernels, on_processor, packing)?;
        let Packing::Keep(writer) = packing else { return Ok(own) };
        let written = writer.into_inner().finish().is_ok();
        let Some(file) = PackedFile::open(&path).filter(|_| written) else { return Ok(own) };
        drop(own);
        Ok(Self::made(&checkpoint, kernels, on_processor, Packing::Kept(&file))?.0)
    }

    /// Makes the model of a checkpoint.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub fn from_checkpoint(
        checkpoint: &Checkpoint,
        kernels: Kernels,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Ok(Self::made(checkpoint, kernels, (precision, Device::Processor), Packing::Own)?.0)
    }

    fn made<'c>(
        checkpoint: &'c Checkpoint,
        kernels: Kernels,
        (precision, device): (Precision, Device),
        packing: Packing<'c>,
    ) -> Result<(Self, Packing<'c>), ModelError> {
        let settings = Settings::new(checkpoint);
        super::quantise::check_method(settings)?;
        let architecture = Architecture::of(settings)?;
        let pooled = Pooled::read(checkpoint.folder(), kernels)?;
        let head = Head::of(settings, pooled.as_ref())?;
        let loader = Loader::new(checkpoint, kernels, (precision, device), packing);
        let trunk = architecture.load(&loader, settings)?;
        let mut limits = trunk.limits();
        if let Some(most) = pooled.as_ref().and_then(|pooled| pooled.max_tokens) {
            limits.tokens = limits.tokens.min(most);
        }
        let features = pooled.clone().unwrap_or_default();
        let layers = Layers::load(architecture, head, pooled, &loader, settings, limits.hidden)?;
        let shared_bytes = loader.shared_bytes();
        let packing = loader.finish(architecture.ignored())?;
        let numbered = |count: usize| (0..count).map(|number| format!("LABEL_{number}")).collect();
        let labels = match (settings.labels()?, layers.labels()) {
            (_, None) => Vec::new(),
            (Some(labels), _) => labels,
            (None, Some(count)) => numbered(count),
        };
        let problem = Problem::of(settings, labels.len())?;
        let own = Self {
            kernels,
            architecture,
            precision,
            trunk,
            limits,
            head,
            layers,
            features,
            labels,
            problem,
            shared_bytes,
        };
        Ok((own, packing))
    }

    /// Bytes of its weights that lie in mapped files, which all that load the same artifact share.
    pub fn shared_bytes(&self) -> u64 {
        self.shared_bytes as u64
    }

    /// The architecture.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// What it answers.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The numbers that its products are computed with.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Labels in the order of the logits; none without a classifier.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What its logits mean.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// The most tokens of a sequence, special ones included.
    pub fn max_tokens(&self) -> usize {
        self.limits.tokens
    }

    /// Number of token ids.
    pub fn vocabulary_size(&self) -> usize {
        self.limits.vocabulary
    }

    /// Width of the vector of a sequence, or of the state of a token where there is no pooling.
    pub fn dimension(&self) -> usize {
        match &self.layers {
            Layers::Embedding(pooled) => pooled.size(self.limits.hidden),
            _ => self.limits.hidden,
        }
    }

    /// What stands before a text that is embedded; none of models that do not embed.
    pub fn prompts(&self) -> Option<&Prompts> {
        match &self.layers {
            Layers::Embedding(pooled) => Some(&pooled.prompts),
            _ => None,
        }
    }

    /// Logits of each sequence, `[sequences, labels]`.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the model classifies no sequences.
    pub fn logits<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut EncoderScratch,
    ) -> Result<&'s [f32], ModelError> {
        self.answer(Head::Sequence, batch, scratch)
    }

    /// Logits of each token, `[tokens, labels]`.
    ///
    /// # Errors
    /// When the batch does not fit the model, or the model classifies no tokens.
    pub fn token_logits<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut EncoderScratch,
    ) -> Result<&'s [f32], ModelError> {
        self.answer(Head::Tokens, batch, scratch)
    }

    /// The vector of each sequence, `[sequences, dimension]`.
    ///
    /// # Errors
    /// When the batch does not fit the model, or its folder says nothing of pooling.
    pub fn embeddings<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut EncoderScratch,
    ) -> Result<&'s [f32], ModelError> {
        self.answer(Head::Embedding, batch, scratch)
    }

    /// What a classifier is trained on: the states of each sequence, pooled as the folder says (else their mean) and not
    /// brought to length one, `[sequences, feature_size]`, whatever the head.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn features<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut EncoderScratch,
    ) -> Result<&'s [f32], ModelError> {
        self.states(batch, scratch)?;
        let hidden = self.limits.hidden;
        let out = sized(&mut scratch.output, batch.sequences() * self.feature_size());
        let states = &scratch.hidden[..batch.tokens() * hidden];
        self.features.pool(self.kernels, states, hidden, batch.lengths(), out);
        Ok(out)
    }

    /// Width of the state of a token.
    pub fn hidden(&self) -> usize {
        self.limits.hidden
    }

    /// Width of [`Encoder::features`].
    pub fn feature_size(&self) -> usize {
        self.features.pooled_size(self.limits.hidden)
    }

    /// How the states of a sequence become its features; `None` where several ways stand side by side.
    pub fn feature_pooling(&self) -> Option<Pooling> {
        self.features.single()
    }

    /// Whether a dense module follows its pooling, so that vectors are no longer pooled states.
    pub fn has_dense(&self) -> bool {
        self.features.has_dense()
    }

    /// The last state of each token, `[tokens, hidden]`, whatever the head.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn states<'s>(
        &self,
        batch: &PackedBatch,
        scratch: &'s mut EncoderScratch,
    ) -> Result<&'s [f32], ModelError> {
        self.check(batch)?;
        if batch.sequences() == 0 {
            return Ok(&[]);
        }
        self.trunk.forward(self.kernels, batch, scratch)?;
        Ok(&scratch.hidden[..batch.tokens() * self.limits.hidden])
    }

    fn answer<'s>(
        &self,
        asked: Head,
        batch: &PackedBatch,
        scratch: &'s mut EncoderScratch,
    ) -> Result<&'s [f32], ModelError> {
        if asked != self.head {
            return Err(ModelError::Head { asked, found: self.head });
        }
        self.check(batch)?;
        if batch.sequences() == 0 {
            return Ok(&[]);
        }
        self.trunk.forward(self.kernels, batch, scratch)?;
        let length = self.layers.forward(self.kernels, batch, self.limits.hidden, scratch);
        Ok(&scratch.output[..length])
    }

    fn check(&self, batch: &PackedBatch) -> Result<(), ModelError> {
        let Limits { vocabulary, types, tokens: most, .. } = self.limits;
        let needed = self.layers.needed();
        for (sequence, range) in batch.ranges().enumerate() {
            let tokens = range.len();
            let beyond = |ids: &[u32], limit: usize| ids.iter().find(|id| **id as usize >= limit).copied();
            let problem = if tokens == 0 {
                Some(BatchProblem::Empty)
            } else if tokens > most {
                Some(BatchProblem::TooLong { tokens, most })
            } else if let Some(id) = beyond(&batch.ids()[range.clone()], vocabulary) {
                Some(BatchProblem::UnknownId { id, vocabulary })
            } else if let Some(id) = needed.filter(|id| !batch.ids()[range.clone()].contains(id)) {
                Some(BatchProblem::NoEnd { id })
            } else {
                let id = types.and_then(|types| beyond(&batch.type_ids()[range], types));
                id.map(|id| BatchProblem::UnknownType { id, types: types.unwrap_or(0) })
            };
            if let Some(problem) = problem {
                return Err(ModelError::Batch { sequence, problem });
            }
        }
        Ok(())
    }
}
