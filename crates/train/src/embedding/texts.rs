//! A backbone that learns from pairs of texts, whoever says which: the shared part of embeddings and of few-shot heads.

use std::path::Path;
use std::sync::Arc;

use loquat_infer::Kernels;
use loquat_models::{Checkpoint, Prompts};
use loquat_nn::{
    AdamW, Contrast, FineTune, Gpu, NnError, Outcome, PairedText, Schedule, TextEmbedder, TextPair, Watch,
};

use crate::encoder::{Backbone, Loaded};
use crate::error::TrainError;
use crate::run::Run;

/// Width of an encoder that learns at the rate given; wider ones learn slower.
const RATE_WIDTH: f64 = 384.0;
/// The highest rate of any.
const HIGHEST_RATE: f64 = 1e-3;
const DROPOUT: f32 = 0.1;
const CHECKPOINT_EVERY: usize = 500;

/// A backbone, open to be trained.
pub(crate) struct Contrastive {
    pub(crate) loaded: Loaded,
    pub(crate) checkpoint: Checkpoint,
}

/// How it learns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// Epochs that the schedule is laid out for, and those that are run.
    pub(crate) epochs: (usize, usize),
    /// Pairs of a step.
    pub(crate) batch: usize,
    /// The highest rate.
    pub(crate) rate: f64,
    pub(crate) patience: usize,
    pub(crate) seed: u64,
}

impl Contrastive {
    /// Opens a backbone.
    ///
    /// # Errors
    /// When it can't be read, or its vectors are more than pooled states.
    pub(crate) fn open(backbone: &Backbone) -> Result<Self, TrainError> {
        let loaded = backbone.load(Kernels::detect())?;
        if loaded.encoder.has_dense() {
            return Err(TrainError::Nn(NnError::Pooling));
        }
        Ok(Self { loaded, checkpoint: Checkpoint::open(&backbone.folder)? })
    }

    /// `rate` for an encoder as wide as this.
    pub(crate) fn rate(&self, rate: f64) -> f64 {
        let width = self.loaded.encoder.feature_size() as f64;
        (rate * libm::pow(RATE_WIDTH / width, 1.5)).min(HIGHEST_RATE)
    }

    /// What stands before every text.
    pub(crate) fn prompt(&self) -> &str {
        self.loaded.encoder.prompts().map_or("", Prompts::by_default)
    }

    /// The model as the backbone has it, on a GPU where one is given.
    pub(crate) fn model(&self, gpu: Option<&Gpu>, contrast: Contrast) -> Result<TextEmbedder, TrainError> {
        let pooling = self.loaded.encoder.feature_pooling();
        let model = TextEmbedder::new(Kernels::detect(), &self.checkpoint, pooling, contrast)?;
        Ok(model.on(gpu)?)
    }

    /// Texts with their numbers as tokens, on so many threads.
    pub(crate) fn tokens(
        &self,
        texts: &[(u32, &str)],
        threads: usize,
    ) -> Result<Vec<Arc<PairedText>>, TrainError> {
        let prompted: Vec<String> =
            texts.iter().map(|(_, text)| format!("{}{text}", self.prompt())).collect();
        let alone: Vec<(&str, Option<&str>)> = prompted.iter().map(|text| (text.as_str(), None)).collect();
        let encoded = self.loaded.tokenizer.encode_batch(&alone, Some(self.loaded.max_tokens), threads);
        let encodings = encoded.map_err(|source| TrainError::Tokenizer { source })?;
        let paired = |((number, _), encoding): (&(u32, &str), loquat_text::Encoding)| {
            Arc::new(PairedText { number: *number, ids: encoding.ids, type_ids: encoding.type_ids })
        };
        Ok(texts.iter().zip(encodings).map(paired).collect())
    }
}

/// Trains `model` on `pairs`, on the run's threads. `None`: stopped by who watches.
pub(crate) fn learn(
    run: &Run<'_>,
    model: &mut TextEmbedder,
    (pairs, course): (&[TextPair], Course),
    place: (Option<&Path>, &str),
    watch: &(dyn Watch<TextEmbedder> + Sync),
) -> Result<Option<Outcome>, TrainError> {
    let plan = FineTune {
        epochs: course.epochs.0,
        run: course.epochs.1,
        batch: course.batch,
        schedule: Schedule { rate: course.rate as f32, warm_up: 0.1 },
        optimiser: AdamW::default(),
        dropout: DROPOUT,
        patience: course.patience,
        seed: course.seed,
        checkpoint_every: CHECKPOINT_EVERY,
        keep: false,
    };
    Ok(run.pool.install(|| plan.contrast(model, pairs, place, watch))?)
}
