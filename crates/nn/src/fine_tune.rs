//! Fine-tuning: epochs of steps, with checkpoints, early stopping, and an end where the loss is no number any more.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adamw::AdamW;
use crate::batches::batches;
use crate::classifier::{Example, Pass, TextClassifier};
use crate::embedder::{TextEmbedder, TextPair};
use crate::error::NnError;
use crate::learner::Learner;
use crate::random::mix;
use crate::schedule::Schedule;
use crate::state::{Progress, State, Weights};

/// Index that names the masks of dropout.
const MASKS: u64 = 0xD0;

/// How a model is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FineTune {
    /// Passes over all examples. The schedule is laid out for them, whether or not training stops before.
    pub epochs: usize,
    /// Epochs that are run; fewer than `epochs` where an earlier training showed that the others do not help.
    pub run: usize,
    /// Examples of a step.
    pub batch: usize,
    /// The learning rate.
    pub schedule: Schedule,
    /// The optimiser.
    pub optimiser: AdamW,
    /// Share of the states that dropout leaves out.
    pub dropout: f32,
    /// Epochs without a better score after which training stops.
    pub patience: usize,
    /// Seed of the order of examples and of dropout.
    pub seed: u64,
    /// Steps after which a checkpoint is written.
    pub checkpoint_every: usize,
    /// Whether the checkpoint stays when training is over: the same training again gives the same weights at once.
    pub keep: bool,
}

/// What an epoch gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean loss of the examples while they were learned.
    pub loss: f64,
    /// What was measured after it, larger is better; absent where nothing is held out.
    pub score: Option<f64>,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The epochs done.
    pub epochs: Vec<Epoch>,
    /// Epochs after which the weights were taken.
    pub taken: usize,
}

/// Asked to stop by who watches; the checkpoint says where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupt;

/// Who watches a training of a model.
pub trait Watch<M = TextClassifier> {
    /// A step is done. To stop the training, give an error.
    ///
    /// # Errors
    /// To stop.
    fn step(&self) -> Result<(), Interrupt>;

    /// The score of the model after an epoch, larger is better; `None` to keep the last weights.
    fn score(&self, model: &M) -> Option<f64>;
}

impl FineTune {
    /// Trains `model` on `examples`, continuing from the checkpoint in `folder` where it is that of `key`. `None`: stopped by
    /// who watches. The weights are those of the epoch of best score, or the last. Runs on the caller's pool of threads.
    ///
    /// # Errors
    /// When the loss or the gradient is no number any more, or a checkpoint can't be written.
    pub fn train(
        &self,
        model: &mut TextClassifier,
        examples: &[Example],
        place: (Option<&Path>, &str),
        watch: &dyn Watch,
    ) -> Result<Option<Outcome>, NnError> {
        self.teach(model, examples, place, watch)
    }

    /// The same for a model that embeds texts, which learns from pairs of them.
    ///
    /// # Errors
    /// As [`FineTune::train`].
    pub fn contrast(
        &self,
        model: &mut TextEmbedder,
        pairs: &[TextPair],
        place: (Option<&Path>, &str),
        watch: &dyn Watch<TextEmbedder>,
    ) -> Result<Option<Outcome>, NnError> {
        self.teach(model, pairs, place, watch)
    }

    /// Trains a model of any kind.
    pub(crate) fn teach<M: Learner>(
        &self,
        model: &mut M,
        examples: &[M::Example],
        (folder, key): (Option<&Path>, &str),
        watch: &dyn Watch<M>,
    ) -> Result<Option<Outcome>, NnError> {
        let state = folder.map(State::new);
        let found = state.as_ref().and_then(|state| state.load(model, key));
        let fresh = || (Progress { key: key.to_owned(), ..Progress::default() }, None);
        let (mut progress, mut best) = found.unwrap_or_else(fresh);
        let lengths: Vec<usize> = examples.iter().map(M::length).collect();
        let weight: f32 = examples.iter().map(M::weight).sum();
        while progress.epochs.len() < self.run && !self.is_over(&progress.epochs) {
            let epoch = progress.epochs.len();
            let batches = batches(&lengths, self.batch, self.seed, epoch);
            for (place, batch) in batches.iter().enumerate().skip(progress.steps) {
                let number = epoch * batches.len() + place + 1;
                let own: Vec<&M::Example> = batch.iter().map(|place| &examples[*place]).collect();
                progress.loss += self.step(model, &own, (number, self.epochs * batches.len()))?;
                progress.steps = place + 1;
                if watch.step().is_err() {
                    return Ok(None);
                }
                if let Some(state) = state.as_ref().filter(|_| number.is_multiple_of(self.checkpoint_every)) {
                    state.save(model, best.as_ref(), &progress)?;
                }
            }
            let loss = progress.loss / f64::from(weight.max(f32::MIN_POSITIVE));
            progress.epochs.push(Epoch { loss, score: watch.score(model) });
            (progress.steps, progress.loss) = (0, 0.0);
            if best_of(&progress.epochs) == progress.epochs.len() {
                best = progress.epochs[epoch].score.map(|_| weights(model));
            }
            if let Some(state) = &state {
                state.save(model, best.as_ref(), &progress)?;
            }
        }
        if let Some(best) = best {
            model.parameters_mut().into_iter().zip(best).for_each(|(one, values)| one.values = values);
            model.pack();
        }
        if let Some(state) = state.as_ref().filter(|_| !self.keep) {
            state.clear()?;
        }
        let taken = best_of(&progress.epochs);
        Ok(Some(Outcome { epochs: progress.epochs, taken }))
    }

    /// One step; gives the sum of the losses of its examples.
    fn step<M: Learner>(
        &self,
        model: &mut M,
        examples: &[&M::Example],
        (number, steps): (usize, usize),
    ) -> Result<f64, NnError> {
        let total = model.total(examples).max(f32::MIN_POSITIVE);
        let seed = mix(self.seed, &[MASKS, number as u64]);
        let loss = model.learn(examples, Pass { dropout: self.dropout, seed, total });
        let diverged = |model: &M, what| model.failure().unwrap_or(NnError::Diverged { step: number, what });
        if !loss.is_finite() {
            return Err(diverged(model, "loss"));
        }
        let rate = self.schedule.rate(number, steps);
        let moved = self.optimiser.step(model.parameters_mut(), rate, number);
        moved.ok_or_else(|| diverged(model, "gradient"))?;
        model.pack();
        Ok(loss)
    }

    fn is_over(&self, epochs: &[Epoch]) -> bool {
        epochs.len() >= best_of(epochs) + self.patience && epochs.iter().any(|epoch| epoch.score.is_some())
    }
}

/// Epochs done when the score was best, the first of equals; all of them without scores.
fn best_of(epochs: &[Epoch]) -> usize {
    let mut best: Option<(usize, f64)> = None;
    for (number, epoch) in epochs.iter().enumerate() {
        let Some(score) = epoch.score else { return epochs.len() };
        if best.is_none_or(|(_, known)| score > known) {
            best = Some((number + 1, score));
        }
    }
    best.map_or(0, |(number, _)| number)
}

fn weights<M: Learner>(model: &M) -> Weights {
    model.parameters().into_iter().map(|one| one.values.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_best_epochs_is_taken() {
        let epoch = |score| Epoch { loss: 0.0, score };
        assert_eq!(best_of(&[epoch(Some(0.5)), epoch(Some(0.7)), epoch(Some(0.7)), epoch(Some(0.6))]), 2);
        assert_eq!(best_of(&[epoch(None), epoch(None)]), 2);
        assert_eq!(best_of(&[]), 0);
    }
}
