//! A classifier of texts or of their words: trunk, pooling or the states of some tokens, linear layer; its loss and the gradient
//! of it.

use std::collections::BTreeMap;

use loquat_kernels::{Kernels, Pooling};
use loquat_models::{Checkpoint, PackedBatch, Tensor};

use crate::bert::Bert;
use crate::distillation::Taught;
use crate::dropout::Dropout;
use crate::embedder::spread;
use crate::error::NnError;
use crate::gpu::Gpu;
use crate::learner::Learner;
use crate::linear::Linear;
use crate::loss::Targets;
use crate::parameter::Parameter;
use crate::random::mix;

/// Most tokens of a pass; what is kept for the backward pass grows with them.
const PASS: usize = 2048;
/// Place among the masks of dropout of the one before the classifier.
const POOLED: u64 = u64::MAX - 1;
/// Names of the classifier's own parameters, which no checkpoint of a trunk has.
const HEAD: [&str; 3] = ["loquat.classifier.weight", "loquat.classifier.bias", "loquat.shapes"];

/// A text as tokens, with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Which of two texts each token belongs to; zeros where there is one.
    pub type_ids: Vec<u32>,
    /// Its labels; one for each of `words` where words are labelled.
    pub labels: Vec<u32>,
    /// Of one label a text, the share of each label where annotators disagree, summing to one; empty: `labels` say all.
    pub shares: Vec<(u32, f32)>,
    /// The words that are labelled, where they are.
    pub words: Vec<LabelledWord>,
    /// How much it counts.
    pub weight: f32,
    /// What a teacher says of it, where there is one and texts are labelled as a whole.
    pub taught: Option<Taught>,
}

/// A word as a classifier of words sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelledWord {
    /// Place of its first token in the text.
    pub token: u32,
    /// Rows of the table of shapes that are added to its logits; read where there is such a table.
    pub shapes: [u32; 3],
}

impl Example {
    /// Rows of logits: one, or one a word.
    fn rows(&self, read: Read) -> usize {
        if read == Read::Words { self.words.len() } else { 1 }
    }
}

/// Which states are classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// One for each text, pooled from all.
    Pooled(Pooling),
    /// Those of the first tokens of words.
    Words,
}

/// An encoder with a linear classifier on its pooled states.
#[derive(Debug, Clone)]
pub struct TextClassifier {
    kernels: Kernels,
    trunk: Bert,
    head: Linear,
    /// What shapes of words add to logits, `[rows, labels]`.
    shapes: Option<Parameter>,
    read: Read,
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
        let read = Read::Pooled(pooling.ok_or(NnError::Pooling)?);
        Self::with(kernels, checkpoint, (read, targets), (weights, bias))
    }

    /// The trunk of `checkpoint` with a classifier of words of `weights`, `[labels, hidden]`, and `bias`, `[labels]`, to which
    /// `shapes`, `[rows, labels]`, are added where there are any.
    ///
    /// # Errors
    /// When the architecture has no backward pass yet, or a tensor does not fit.
    pub fn of_words(
        kernels: Kernels,
        checkpoint: &Checkpoint,
        (weights, bias): (Vec<f32>, Vec<f32>),
        shapes: Vec<f32>,
    ) -> Result<Self, NnError> {
        let labels = bias.len();
        let mut model =
            Self::with(kernels, checkpoint, (Read::Words, Targets::SingleLabel), (weights, bias))?;
        if !shapes.is_empty() {
            let size = [shapes.len() / labels.max(1), labels];
            let mut table = Parameter::new(vec![HEAD[2].to_owned()], size, shapes, 0);
            table.decays = true;
            model.shapes = Some(table);
        }
        Ok(model)
    }

    fn with(
        kernels: Kernels,
        checkpoint: &Checkpoint,
        (read, targets): (Read, Targets),
        (weights, bias): (Vec<f32>, Vec<f32>),
    ) -> Result<Self, NnError> {
        let trunk = Bert::load(checkpoint)?;
        let (labels, hidden) = (bias.len(), trunk.hidden());
        if weights.len() != labels * hidden {
            let tensor = HEAD[0].to_owned();
            return Err(NnError::Tensor { tensor, problem: "has another width than the states" });
        }
        let mut weight = Parameter::new(vec![HEAD[0].to_owned()], [labels, hidden], weights, 0);
        weight.decays = true;
        let bias = Parameter::new(vec![HEAD[1].to_owned()], [1, labels], bias, 0);
        let mut model = Self { kernels, trunk, head: Linear::new(weight, bias), shapes: None, read, targets };
        model.pack();
        Ok(model)
    }

    /// Logits of each example, or of each word of each example, `[rows, labels]`, without dropout.
    pub fn logits(&self, examples: &[Example]) -> Vec<f32> {
        let labels = self.head.weight.rows();
        let mut order: Vec<usize> = (0..examples.len()).collect();
        order.sort_by_key(|place| (examples[*place].ids.len(), *place));
        let mut rows = 0;
        let mut places = Vec::with_capacity(examples.len());
        for example in examples {
            places.push(rows * labels..(rows + example.rows(self.read)) * labels);
            rows += example.rows(self.read);
        }
        let mut logits = vec![0.0; rows * labels];
        let none = Dropout { share: 0.0, seed: 0 };
        for own in passes(&order, |place| examples[*place].ids.len()) {
            let of_pass: Vec<&Example> = own.iter().map(|place| &examples[*place]).collect();
            let batch = packed(of_pass.iter().copied());
            let (states, _) = self.trunk.forward(self.kernels, &batch, none);
            let taken = self.taken((&batch, &of_pass[..]), &states);
            let answers = self.answers(&of_pass, &taken);
            let mut rest = answers.as_slice();
            for place in own {
                let (answer, after) = rest.split_at(places[*place].len());
                logits[places[*place].clone()].copy_from_slice(answer);
                rest = after;
            }
        }
        logits
    }

    fn learn_pass(&mut self, examples: &[&Example], pass: Pass) -> f64 {
        let (kernels, hidden, labels) = (self.kernels, self.trunk.hidden(), self.head.weight.rows());
        let dropout = Dropout { share: pass.dropout, seed: pass.seed };
        let batch = packed(examples.iter().copied());
        let (states, kept) = self.trunk.forward(kernels, &batch, dropout);
        let mut taken = self.taken((&batch, examples), &states);
        let mask = Dropout { seed: mix(pass.seed, &[POOLED]), ..dropout };
        mask.apply(&mut taken, hidden);
        let mut logits = self.answers(examples, &taken);
        let mut loss = 0.0;
        let mut rows = logits.chunks_exact_mut(labels);
        for example in examples {
            for (row, word) in rows.by_ref().take(example.rows(self.read)).enumerate() {
                let truth = match self.read {
                    Read::Pooled(_) => &example.labels[..],
                    Read::Words => &example.labels[row..=row],
                };
                let truth = (truth, &example.shares[..]);
                loss += f64::from(example.weight) * self.targets.taught(word, truth, example.taught.as_ref());
                word.iter_mut().for_each(|gradient| *gradient *= example.weight / pass.total);
            }
        }
        if let Some(shapes) = &mut self.shapes {
            let words = examples.iter().flat_map(|example| &example.words);
            for (word, gradient) in words.zip(logits.chunks_exact(labels)) {
                word.shapes.iter().for_each(|row| shapes.add_to_row(*row, gradient));
            }
        }
        let mut taken = self.head.backward(kernels, &taken, &logits);
        mask.apply(&mut taken, hidden);
        let gradients = self.spread((&batch, examples), &taken);
        self.trunk.backward(kernels, (&batch, &kept), gradients, dropout);
        loss
    }

    /// The states that are classified, `[rows, hidden]`.
    fn taken(&self, (batch, examples): (&PackedBatch, &[&Example]), states: &[f32]) -> Vec<f32> {
        let hidden = self.trunk.hidden();
        let Read::Pooled(pooling) = self.read else {
            let places = token_places(batch, examples);
            return places.flat_map(|token| &states[token * hidden..][..hidden]).copied().collect();
        };
        let mut pooled = vec![0.0; batch.sequences() * hidden];
        self.kernels.pool(pooling, states, hidden, batch.lengths(), &mut pooled);
        pooled
    }

    /// Logits of the states that are classified, `[rows, labels]`.
    fn answers(&self, examples: &[&Example], taken: &[f32]) -> Vec<f32> {
        let mut logits = self.head.forward(self.kernels, taken);
        if let Some(shapes) = &self.shapes {
            let labels = self.head.weight.rows();
            let words = examples.iter().flat_map(|example| &example.words);
            for (word, logits) in words.zip(logits.chunks_exact_mut(labels)) {
                for row in word.shapes {
                    let added = &shapes.values[row as usize * labels..][..labels];
                    logits.iter_mut().zip(added).for_each(|(logit, add)| *logit += add);
                }
            }
        }
        logits
    }

    /// The gradients of the states, from those of the states that are classified.
    fn spread(&self, (batch, examples): (&PackedBatch, &[&Example]), taken: &[f32]) -> Vec<f32> {
        let hidden = self.trunk.hidden();
        let Read::Pooled(pooling) = self.read else {
            let mut states = vec![0.0; batch.tokens() * hidden];
            for (token, gradient) in token_places(batch, examples).zip(taken.chunks_exact(hidden)) {
                let state = &mut states[token * hidden..][..hidden];
                state.iter_mut().zip(gradient).for_each(|(state, gradient)| *state += gradient);
            }
            return states;
        };
        spread(pooling, batch, taken, hidden)
    }

    /// The same model, with its blocks on a GPU where one is given.
    ///
    /// # Errors
    /// When the GPU does not take them.
    pub fn on(mut self, gpu: Option<&Gpu>) -> Result<Self, NnError> {
        if let Some(gpu) = gpu {
            self.trunk.move_to(gpu)?;
        }
        Ok(self)
    }

    /// The tensors of the trunk as they are now, under their names in the checkpoint.
    pub fn trunk_tensors(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        self.trunk.parameters().into_iter().for_each(|one| one.tensors(&one.values, &mut tensors));
        tensors
    }

    /// What shapes of words add to logits, `[rows, labels]`; empty: nothing.
    pub fn shapes(&self) -> &[f32] {
        self.shapes.as_ref().map_or(&[], |shapes| &shapes.values)
    }

    /// The classifier's weights, `[labels, hidden]`, and biases, `[labels]`.
    pub fn head(&self) -> (&[f32], &[f32]) {
        (&self.head.weight.values, &self.head.bias.values)
    }
}

impl Learner for TextClassifier {
    type Example = Example;

    fn length(example: &Example) -> usize {
        example.ids.len()
    }

    fn weight(example: &Example) -> f32 {
        example.weight
    }

    fn total(&self, batch: &[&Example]) -> f32 {
        batch.iter().map(|example| example.weight * example.rows(self.read) as f32).sum()
    }

    fn learn(&mut self, batch: &[&Example], pass: Pass) -> f64 {
        let mut loss = 0.0;
        for (own, number) in passes(batch, |example| example.ids.len()).into_iter().zip(0..) {
            let seed = mix(pass.seed, &[number]);
            loss += self.learn_pass(own, Pass { seed, ..pass });
        }
        loss
    }

    fn pack(&mut self) {
        self.trunk.pack(self.kernels);
        self.head.pack(self.kernels);
    }

    fn failure(&self) -> Option<NnError> {
        self.trunk.failure()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.trunk.parameters().into_iter().chain(self.head.parameters()).chain(&self.shapes).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let own = self.trunk.parameters_mut().into_iter().chain(self.head.parameters_mut());
        own.chain(&mut self.shapes).collect()
    }
}

/// Places of the first tokens of all words in the batch.
fn token_places<'e>(
    batch: &'e PackedBatch,
    examples: &'e [&'e Example],
) -> impl Iterator<Item = usize> + use<'e> {
    let of = |(range, example): (std::ops::Range<usize>, &'e &'e Example)| {
        example.words.iter().map(move |word| range.start + word.token as usize)
    };
    batch.ranges().zip(examples).flat_map(of)
}

/// Cuts `items` in order into parts of at most [`PASS`] tokens, or of one item.
pub(crate) fn passes<T>(items: &[T], tokens: impl Fn(&T) -> usize) -> Vec<&[T]> {
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
        Example {
            ids: ids.to_vec(),
            type_ids: vec![0; ids.len()],
            labels: labels.to_vec(),
            shares: Vec::new(),
            words: Vec::new(),
            weight: 1.0,
            taught: None,
        }
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
            Example {
                shares: vec![(0, 0.25), (2, 0.75)],
                ..example(&[2, 30, 31, 30, 33, 8, 8, 60, 3], &[2])
            },
        ]
    }

    /// The same for labels of words, shapes included.
    #[test]
    fn gradients_of_words_are_the_slopes_of_the_loss() {
        let weights = (0..3 * 16).map(|place| ((place * 7 % 13) as f32 - 6.0) / 8.0).collect();
        let shapes = (0..4 * 3).map(|place| (place as f32 - 5.0) / 9.0).collect();
        let bias = vec![0.1, -0.2, 0.0];
        let model =
            TextClassifier::of_words(Kernels::detect(), &reference("bert-plain"), (weights, bias), shapes)
                .unwrap();
        let word = |token: u32, shapes: [u32; 3]| LabelledWord { token, shapes };
        let mut examples = examples();
        examples[0].words = vec![word(1, [0, 1, 2]), word(3, [2, 0, 3]), word(4, [1, 2, 1])];
        examples[0].labels = vec![1, 0, 2];
        examples[1].words = Vec::new();
        examples[2].words = vec![word(7, [3, 3, 0])];
        assert_eq!(model.logits(&examples).len(), 4 * 3);
        slopes("words", model, &examples, Pass { dropout: 0.1, seed: 5, total: 1.0 });
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
            let model = model(name, pooling, targets);
            slopes(name, model, &examples(), Pass { dropout, seed: 5, total: 1.0 });
        }
    }

    fn slopes(name: &str, mut model: TextClassifier, examples: &[Example], pass: Pass) {
        let all: Vec<&Example> = examples.iter().collect();
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
