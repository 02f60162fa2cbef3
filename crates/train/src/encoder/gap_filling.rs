//! A backbone that fills gaps in texts (masked language modelling, Devlin et al. 2018) within a share of the time allowed: what
//! adaptation does to one that knows much, and what one that knows nothing begins with.

use std::collections::BTreeSet;
use std::time::Instant;

use loquat_infer::{Input, Kernels};
use loquat_models::Checkpoint;
use loquat_nn::{AdamW, FineTune, GapFiller, Interrupt, Schedule, Vocabulary, Watch};

use super::backbone::{Backbone, Loaded};
use super::starts::derived;
use crate::error::{Halt, TrainError};
use crate::journal::Record;
use crate::run::Run;

const BATCH: usize = 32;
/// Tokens of a text that are read.
const LENGTH: usize = 128;
const RATE_WIDTH: f64 = 384.0;
const HIGHEST_RATE: f64 = 1e-3;
const DROPOUT: f32 = 0.1;
const CHECKPOINT_EVERY: usize = 500;
/// Steps timed to tell what the others cost.
const TIMED: usize = 4;
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// How gaps are filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct GapFilling {
    /// What progress calls it.
    pub(super) stage: &'static str,
    /// Passes over the texts where nothing bounds the time.
    pub(super) most_epochs: usize,
    /// Most of the time allowed.
    pub(super) share: f64,
    /// The highest rate of an encoder as wide as [`RATE_WIDTH`]; wider ones learn slower.
    pub(super) rate: f64,
}

impl GapFilling {
    /// `backbone` after it filled gaps in texts whose hash is given; `what` says in its name what it is then.
    pub(super) fn filled(
        self,
        run: &Run<'_>,
        backbone: &Backbone,
        (inputs, hash): (&[Input], &str),
        what: &str,
    ) -> Result<Backbone, Halt> {
        let loaded = backbone.load(Kernels::detect())?;
        let texts = texts(run, &loaded, inputs)?;
        if texts.is_empty() {
            return Err(TrainError::Unlabelled { problem: "holds no text" }.into());
        }
        let checkpoint = Checkpoint::open(&backbone.folder).map_err(TrainError::from)?;
        let vocabulary = vocabulary(&loaded, &texts)?;
        let model = || -> Result<GapFiller, TrainError> {
            let model = GapFiller::new(Kernels::detect(), &checkpoint, vocabulary.clone())?;
            Ok(model.on(run.gpu.as_ref())?)
        };
        let examples = self.examples(run, &texts, model()?)?;
        let examples = *run.adapted.get_or_init(|| examples);
        let key = format!("gaps {hash} {} {} {examples}", run.seed(), loaded.max_tokens);
        derived(run, backbone, (what, &key), || {
            let mut model = model()?;
            let (some, epochs) = part(&texts, examples);
            let steps = epochs * some.len().div_ceil(BATCH);
            run.request.progress.stage(self.stage, Some(steps as u64));
            let folder = run.request.run_dir.join("adaptation");
            let own = format!("{} {key}", backbone.digest);
            let plan = self.plan(run, model.hidden(), epochs);
            let ended = run
                .pool
                .install(|| plan.fill_gaps(&mut model, some, (Some(&folder), &own), &Watching { run }));
            ended.map_err(TrainError::from)?.ok_or(Halt::Cancelled)?;
            Ok(checkpoint.with_tensors(model.trunk_tensors()))
        })
    }

    /// How many examples are learned, repetitions included: as it was decided before, else by the time allowed.
    fn examples(self, run: &Run<'_>, texts: &[Vec<u32>], model: GapFiller) -> Result<usize, Halt> {
        if let Some(cuts) = &run.replay {
            return Ok(cuts.adaptation.unwrap_or(0));
        }
        if let Some(known) = run.past.adaptation {
            return Ok(known);
        }
        let most = self.most_epochs * texts.len();
        let examples = match run.request.training.search.timeout {
            None => most,
            Some(timeout) => {
                let each = self.seconds_of_an_example(run, texts, model)?;
                ((self.share * timeout.as_secs_f64() / each) as usize).clamp(BATCH, most.max(BATCH))
            }
        };
        run.journal.append(&Record::Adaptation { examples, elapsed: run.elapsed() })?;
        Ok(examples)
    }

    fn seconds_of_an_example(
        self,
        run: &Run<'_>,
        texts: &[Vec<u32>],
        mut model: GapFiller,
    ) -> Result<f64, Halt> {
        let some = &texts[..texts.len().min(TIMED * BATCH)];
        let plan = self.plan(run, model.hidden(), 1);
        let mut once = |texts: &[Vec<u32>]| -> Result<f64, TrainError> {
            let start = Instant::now();
            run.pool.install(|| plan.fill_gaps(&mut model, texts, (None, ""), &Watching { run }))?;
            Ok(start.elapsed().as_secs_f64())
        };
        // The first step is slower than all others: buffers are made in it.
        once(&some[..some.len().min(BATCH)])?;
        Ok(once(some)?.max(f64::MIN_POSITIVE) / some.len() as f64)
    }

    fn plan(self, run: &Run<'_>, width: usize, epochs: usize) -> FineTune {
        let rate = self.rate * libm::pow(RATE_WIDTH / width as f64, 1.5);
        FineTune {
            epochs,
            run: epochs,
            batch: BATCH,
            schedule: Schedule { rate: rate.min(HIGHEST_RATE) as f32, warm_up: 0.1 },
            optimiser: AdamW { layer_decay: 1.0, ..AdamW::default() },
            dropout: DROPOUT,
            patience: epochs,
            seed: run.seed(),
            checkpoint_every: CHECKPOINT_EVERY,
            keep: false,
        }
    }
}

/// The texts as ids.
fn texts(run: &Run<'_>, loaded: &Loaded, inputs: &[Input]) -> Result<Vec<Vec<u32>>, TrainError> {
    let each: Vec<(&str, Option<&str>)> =
        inputs.iter().map(|input| (input.text.as_str(), input.second.as_deref())).collect();
    let most = Some(loaded.max_tokens.min(LENGTH));
    let encoded = loaded.tokenizer.encode_batch(&each, most, run.pool.current_num_threads());
    let encoded = encoded.map_err(|source| TrainError::Tokenizer { source })?;
    Ok(encoded.into_iter().map(|encoding| encoding.ids).collect())
}

/// What gaps are made of: the pieces of the texts but for special tokens.
fn vocabulary(loaded: &Loaded, texts: &[Vec<u32>]) -> Result<Vocabulary, TrainError> {
    let tokenizer = &loaded.tokenizer;
    let mask = MASKS.iter().find_map(|mask| tokenizer.id(mask));
    let mask =
        mask.ok_or(TrainError::Unlabelled { problem: "needs a backbone whose tokenizer has a mask" })?;
    let around = tokenizer.encode("", None, None).map_err(|source| TrainError::Tokenizer { source })?;
    let special: BTreeSet<u32> = around.ids.into_iter().chain([mask]).collect();
    let all: BTreeSet<u32> = texts.iter().flatten().copied().filter(|id| !special.contains(id)).collect();
    Ok(Vocabulary { mask, pieces: all.into_iter().collect() })
}

/// The texts that are read, and how often, so that about `examples` are learned.
fn part(texts: &[Vec<u32>], examples: usize) -> (&[Vec<u32>], usize) {
    let some = &texts[..texts.len().min(examples.max(1))];
    (some, (examples / some.len()).max(1))
}

struct Watching<'w, 'r> {
    run: &'w Run<'r>,
}

impl Watch<GapFiller> for Watching<'_, '_> {
    fn step(&self) -> Result<(), Interrupt> {
        self.run.request.progress.advance(1);
        if self.run.is_stopping() { Err(Interrupt) } else { Ok(()) }
    }

    fn score(&self, _: &GapFiller) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_examples_are_some_texts_once_and_many_are_all_texts_often() {
        let texts = vec![vec![1]; 10];
        assert_eq!((part(&texts, 4).0.len(), part(&texts, 4).1), (4, 1));
        assert_eq!((part(&texts, 25).0.len(), part(&texts, 25).1), (10, 2));
    }
}
