//! What fine-tuning asks of a model.

use crate::classifier::Pass;
use crate::error::NnError;
use crate::parameter::Parameter;

/// A model whose parameters a fine-tune changes.
pub(crate) trait Learner {
    /// What it learns from.
    type Example;

    /// Tokens of an example; those of a batch are about as long as each other.
    fn length(example: &Self::Example) -> usize;

    /// How much an example counts in the mean loss of an epoch.
    fn weight(example: &Self::Example) -> f32;

    /// What the gradients of a batch are divided by.
    fn total(&self, batch: &[&Self::Example]) -> f32;

    /// Adds the gradients of a batch to those of the parameters, and gives the sum of its losses, each times its weight.
    fn learn(&mut self, batch: &[&Self::Example], pass: Pass) -> f64;

    /// Packs the weights as they are now, which every pass reads.
    fn pack(&mut self);

    /// Why its numbers are none, where a GPU failed.
    fn failure(&self) -> Option<NnError>;

    /// Every parameter, always in the same order.
    fn parameters(&self) -> Vec<&Parameter>;

    /// The same, to be changed.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;
}
