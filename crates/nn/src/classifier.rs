//! A classifier of texts: trunk, pooling, linear layer; its loss and the gradient of it.

use std::collections::BTreeMap;

use loquat_kernels::{Kernels, Pooling};
use loquat_models::{Checkpoint, PackedBatch, Tensor};

use crate::bert::Bert;
use crate::dropout::Dropout;
use crate::error::NnError;
use crate::linear::Linear;
use crate::loss::Targets;
use crate::parameter::Parameter;
use crate::random::mix;

/// Most tokens of a pass; what is kept for the backward pass grows with them.
const PASS: usize = 2048;
/// Place among the masks of dropout of the one before the classifier.
const POOLED: u64 = u64::MAX - 1;
/// Names of the classifier's own parameters, which no checkpoint of a trunk has.
const HEAD: [&str; 2] = ["loquat.classifier.weight", "loquat.classifier.bias"];

/// A text as tokens, with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Which of two texts each token belongs to; zeros where there is one.
    pub type_ids: Vec<u32>,
    /// Its labels.
    pub labels: Vec<u32>,
    /// How much it counts.
    pub weight: f32,
}

/// An encoder with a linear classifier on its pooled states.
#[derive(Debug, Clone)]
pub struct TextClassifier {
    kernels: Kernels,
    trunk: Bert,
    head: Linear,
    pooling: Pooling,
    targets: Targets,
}

/// What is computed on a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// Share of the states that dropout leaves out.
    pub(crate) dropout: f32,
    /// Seed of its masks.
    pub(crate) seed: u64,
    /// What the gradients of each example are divided by.
    pub(crate) total: f32,
}

impl TextClassifier {
    /// The trunk of `checkpoint` with a classifier of `weights`, `[labels, hidden]`, and `bias`, `[labels]`.
    ///
    /// # Errors
    /// When the architecture or the pooling has no backward pass yet, or a tensor does not fit.
    pub fn new(
        kernels: Kernels,
        checkpoint: &Checkpoint,
        pooling: Option<Pooling>,
        targets: Targets,
        (weights, bias): (Vec<f32>, Vec<f32>),
    ) -> Result<Self, NnError> {
        let pooling = pooling.filter(|pooling| matches!(pooling, Pooling::Mean | Pooling::First));
        let pooling = pooling.ok_or(NnError::Pooling)?;
        let trunk = Bert::load(checkpoint)?;
        let (labels, hidden) = (bias.len(), trunk.hidden());
        if weights.len() != labels * hidden {
            let tensor = HEAD[0].to_owned();
            return Err(NnError::Tensor { tensor, problem: "has another width than the states" });
        }
        let mut weight = Parameter::new(vec![HEAD[0].to_owned()], [labels, hidden], weights, 0);
        weight.decays = true;
        let bias = Parameter::new(vec![HEAD[1].to_owned()], [1, labels], bias, 0);
        let mut model = Self { kernels, trunk, head: Linear::new(weight, bias), pooling, targets };
        model.pack();
        Ok(model)
    }

    /// Logits of each example, `[examples, labels]`, without dropout.
    pub fn logits(&self, examples: &[Example]) -> Vec<f32> {
        let labels = self.head.weight.rows();
        let mut order: Vec<usize> = (0..examples.len()).collect();
        order.sort_by_key(|place| (examples[*place].ids.len(), *place));
        let mut logits = vec![0.0; examples.len() * labels];
        let none = Dropout { share: 0.0, seed: 0 };
        for own in passes(&order, |place| examples[*place].ids.len()) {
            let batch = packed(own.iter().map(|place| &examples[*place]));
            let (states, _) = self.trunk.forward(self.kernels, &batch, none);
            let answers = self.head.forward(self.kernels, &self.pooled(&batch, &states));
            for (place, answer) in own.iter().zip(answers.chunks_exact(labels)) {
                logits[place * labels..][..labels].copy_from_slice(answer);
            }
        }
        logits
    }

    /// Adds the gradients of `examples` to those of the parameters, and gives the sum of their losses, each times its
    /// weight.
    pub(crate) fn learn(&mut self, examples: &[&Example], pass: Pass) -> f64 {
        let mut loss = 0.0;
        for (own, number) in passes(examples, |example| example.ids.len()).into_iter().zip(0..) {
            let seed = mix(pass.seed, &[number]);
            loss += self.learn_pass(own, Pass { seed, ..pass });
        }
        loss
    }

    fn learn_pass(&mut self, examples: &[&Example], pass: Pass) -> f64 {
        let (kernels, hidden, labels) = (self.kernels, self.trunk.hidden(), self.head.weight.rows());
        let dropout = Dropout { share: pass.dropout, seed: pass.seed };
        let batch = packed(examples.iter().copied());
        let (states, kept) = self.trunk.forward(kernels, &batch, dropout);
        let mut pooled = self.pooled(&batch, &states);
        let mask = Dropout { seed: mix(pass.seed, &[POOLED]), ..dropout };
        mask.apply(&mut pooled, hidden);
        let mut logits = self.head.forward(kernels, &pooled);
        let mut loss = 0.0;
        for (logits, example) in logits.chunks_exact_mut(labels).zip(examples) {
            loss += f64::from(example.weight) * self.targets.loss(logits, &example.labels);
            logits.iter_mut().for_each(|gradient| *gradient *= example.weight / pass.total);
        }
        let mut pooled = self.head.backward(kernels, &pooled, &logits);
        mask.apply(&mut pooled, hidden);
        let gradients = self.spread(&batch, &pooled);
        self.trunk.backward(kernels, (&batch, &kept), gradients, dropout);
        loss
    }

    fn pooled(&self, batch: &PackedBatch, states: &[f32]) -> Vec<f32> {
        let hidden = self.trunk.hidden();
        let mut pooled = vec![0.0; batch.sequences() * hidden];
        self.kernels.pool(self.pooling, states, hidden, batch.lengths(), &mut pooled);
        pooled
    }

    /// The gradients of the states, from those of the pooled states.
    fn spread(&self, batch: &PackedBatch, pooled: &[f32]) -> Vec<f32> {
        let hidden = self.trunk.hidden();
        let mut states = vec![0.0; batch.tokens() * hidden];
        for (range, gradient) in batch.ranges().zip(pooled.chunks_exact(hidden)) {
            let (tokens, factor) = match self.pooling {
                Pooling::First => (range.start..range.start + 1, 1.0),
                _ => (range.clone(), 1.0 / range.len() as f32),
            };
            for row in states[tokens.start * hidden..tokens.end * hidden].chunks_exact_mut(hidden) {
                row.iter_mut().zip(gradient).for_each(|(row, gradient)| *row = gradient * factor);
            }
        }
        states
    }

    /// Packs the weights as they are now, which every pass reads.
    pub(crate) fn pack(&mut self) {
        self.trunk.pack(self.kernels);
        self.head.pack(self.kernels);
    }

    /// Every parameter, always in the same order.
    pub(crate) fn parameters(&self) -> Vec<&Parameter> {
        self.trunk.parameters().into_iter().chain(self.head.parameters()).collect()
    }

    pub(crate) fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.trunk.parameters_mut().into_iter().chain(self.head.parameters_mut()).collect()
    }

    /// The tensors of the trunk as they are now, under their names in the checkpoint.
    pub fn trunk_tensors(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        self.trunk.parameters().into_iter().for_each(|one| one.tensors(&one.values, &mut tensors));
        tensors
    }

    /// The classifier's weights, `[labels, hidden]`, and biases, `[labels]`.
    pub fn head(&self) -> (&[f32], &[f32]) {
        (&self.head.weight.values, &self.head.bias.values)
    }
}

/// Cuts `items` in order into parts of at most [`PASS`] tokens, or of one item.
fn passes<T>(items: &[T], tokens: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut passes = Vec::new();
    let (mut first, mut held) = (0, 0);
    for (place, item) in items.iter().enumerate() {
        if place > first && held + tokens(item) > PASS {
            passes.push(&items[first..place]);
            (first, held) = (place, 0);
        }
        held += tokens(item);
    }
    if first < items.len() {
        passes.push(&items[first..]);
    }
    passes
}

fn packed<'e>(examples: impl Iterator<Item = &'e Example>) -> PackedBatch {
    let mut batch = PackedBatch::default();
    examples.for_each(|example| batch.push(&example.ids, &example.type_ids));
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str) -> Checkpoint {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference");
        Checkpoint::open(&folder.join(name)).unwrap()
    }

    fn example(ids: &[u32], labels: &[u32]) -> Example {
        Example { ids: ids.to_vec(), type_ids: vec![0; ids.len()], labels: labels.to_vec(), weight: 1.0 }
    }

    fn model(name: &str, pooling: Pooling, targets: Targets) -> TextClassifier {
        let weights = (0..3 * 16).map(|place| ((place * 7 % 13) as f32 - 6.0) / 8.0).collect();
        TextClassifier::new(
            Kernels::detect(),
            &reference(name),
            Some(pooling),
            targets,
            (weights, vec![0.1, -0.2, 0.0]),
        )
        .unwrap()
    }

    fn examples() -> Vec<Example> {
        vec![
            example(&[2, 17, 23, 42, 5, 3], &[1]),
            Example { weight: 0.5, ..example(&[2, 9, 3], &[0]) },
            example(&[2, 30, 31, 30, 33, 8, 8, 60, 3], &[2]),
        ]
    }

    /// Every gradient is the slope of the loss, for each architecture, pooling and loss, dropout included.
    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let cases = [
            ("bert-embedding", Pooling::Mean, Targets::SingleLabel, 0.0),
            ("bert-plain", Pooling::First, Targets::MultiLabel, 0.1),
            ("roberta-sequence", Pooling::Mean, Targets::SingleLabel, 0.1),
            ("distilbert-tokens", Pooling::Mean, Targets::MultiLabel, 0.0),
            ("xlm-roberta-sequence", Pooling::First, Targets::SingleLabel, 0.0),
        ];
        for (name, pooling, targets, dropout) in cases {
            let mut model = model(name, pooling, targets);
            let examples = examples();
            let all: Vec<&Example> = examples.iter().collect();
            let pass = Pass { dropout, seed: 5, total: 1.0 };
            model.learn(&all, pass);
            let gradients: Vec<(Vec<String>, Vec<f32>)> =
                model.parameters().iter().map(|one| (one.names.clone(), one.gradient.clone())).collect();
            for (index, (names, gradient)) in gradients.iter().enumerate() {
                let largest = gradient.iter().fold(0.02_f32, |largest, value| largest.max(value.abs()));
                let mut places: Vec<usize> = (0..gradient.len()).collect();
                places.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()));
                for place in places.into_iter().take(3).chain([gradient.len() / 2]) {
                    let loss = |by: f32| {
                        let mut moved = model.clone();
                        moved.parameters_mut()[index].values[place] += by;
                        moved.pack();
                        moved.learn(&all, pass)
                    };
                    let step = 5e-4;
                    let slope = (loss(step) - loss(-step)) / f64::from(2.0 * step);
                    let off = (slope - f64::from(gradient[place])).abs();
                    assert!(
                        off < 0.03 * f64::from(largest) + 4e-3,
                        "{name} {names:?} {place}: {} should be {slope}",
                        gradient[place]
                    );
                }
            }
        }
    }

    /// The forward pass is that of the engine: features times weights.
    #[test]
    fn logits_are_those_of_the_engine() {
        for name in ["bert-plain", "roberta-sequence", "distilbert-tokens"] {
            let model = model(name, Pooling::Mean, Targets::SingleLabel);
            let checkpoint = reference(name);
            let engine = loquat_models::Encoder::from_checkpoint(
                &checkpoint,
                Kernels::detect(),
                loquat_models::Precision::F32,
            )
            .unwrap();
            let examples = examples();
            let batch = packed(examples.iter());
            let mut scratch = loquat_models::EncoderScratch::default();
            let features = engine.features(&batch, &mut scratch).unwrap();
            let logits = model.logits(&examples);
            let (weights, bias) = model.head();
            for (sequence, features) in features.chunks_exact(16).enumerate() {
                for (label, weights) in weights.chunks_exact(16).enumerate() {
                    let expected: f32 =
                        weights.iter().zip(features).map(|(w, x)| w * x).sum::<f32>() + bias[label];
                    assert!((logits[sequence * 3 + label] - expected).abs() < 1e-4, "{name}");
                }
            }
            for (name, tensor) in model.trunk_tensors() {
                let stored = checkpoint.tensor(&name).unwrap().unwrap();
                assert_eq!(tensor.shape(), stored.shape(), "{name}");
                assert_eq!(tensor.to_f32(), stored.to_f32(), "{name} is unchanged");
            }
        }
    }
}
