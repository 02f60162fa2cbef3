//! A model that embeds texts: trunk and pooling, and what it learns from pairs of texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use loquat_kernels::{Kernels, Pooling};
use loquat_models::{Checkpoint, PackedBatch, Tensor};

use crate::bert::{Bert, KeptStates};
use crate::classifier::{Pass, passes};
use crate::contrast::{Contrast, Pairing};
use crate::dropout::Dropout;
use crate::error::NnError;
use crate::gpu::Gpu;
use crate::learner::Learner;
use crate::parameter::Parameter;
use crate::random::mix;

/// A text as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedText {
    /// Names the text: equal texts have equal numbers, and stand in a batch once.
    pub number: u32,
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Which of two texts each token belongs to; of one text zeros.
    pub type_ids: Vec<u32>,
}

/// Two texts, and what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct TextPair {
    /// The first text.
    pub first: Arc<PairedText>,
    /// The second, which belongs to it or is as like it as the score says.
    pub second: Arc<PairedText>,
    /// One that does not belong to the first; read where pairs belong together.
    pub negative: Option<Arc<PairedText>>,
    /// How alike the two are; read where pairs are ordered.
    pub score: f32,
    /// How much the pair counts.
    pub weight: f32,
}

/// An encoder whose pooled states are the vectors of texts.
#[derive(Debug, Clone)]
pub struct TextEmbedder {
    kernels: Kernels,
    trunk: Bert,
    pooling: Pooling,
    contrast: Contrast,
}

/// The vectors of some texts, and what the backward pass needs.
struct Forward {
    batch: PackedBatch,
    kept: KeptStates,
    /// `[texts, hidden]`.
    vectors: Vec<f32>,
}

impl TextEmbedder {
    /// The trunk of `checkpoint`, which learns by `contrast`.
    ///
    /// # Errors
    /// When the architecture or the pooling has no backward pass yet, or a tensor does not fit.
    pub fn new(
        kernels: Kernels,
        checkpoint: &Checkpoint,
        pooling: Option<Pooling>,
        contrast: Contrast,
    ) -> Result<Self, NnError> {
        let pooling = pooling.filter(|pooling| matches!(pooling, Pooling::Mean | Pooling::First));
        let pooling = pooling.ok_or(NnError::Pooling)?;
        let mut model = Self { kernels, trunk: Bert::load(checkpoint)?, pooling, contrast };
        model.pack();
        Ok(model)
    }

    /// The vector of each text as it is pooled, `[texts, hidden]`, without dropout.
    pub fn vectors(&self, texts: &[Arc<PairedText>]) -> Vec<f32> {
        let hidden = self.trunk.hidden();
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|place| (texts[*place].ids.len(), *place));
        let mut vectors = vec![0.0; texts.len() * hidden];
        let none = Dropout { share: 0.0, seed: 0 };
        for own in passes(&order, |place| texts[*place].ids.len()) {
            let of_pass: Vec<&PairedText> = own.iter().map(|place| &*texts[*place]).collect();
            let forward = self.forward(&of_pass, none);
            for (place, vector) in own.iter().zip(forward.vectors.chunks_exact(hidden)) {
                vectors[place * hidden..][..hidden].copy_from_slice(vector);
            }
        }
        vectors
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

    fn forward(&self, texts: &[&PairedText], dropout: Dropout) -> Forward {
        let hidden = self.trunk.hidden();
        let mut batch = PackedBatch::default();
        texts.iter().for_each(|text| batch.push(&text.ids, &text.type_ids));
        let (states, kept) = self.trunk.forward(self.kernels, &batch, dropout);
        let mut vectors = vec![0.0; texts.len() * hidden];
        self.kernels.pool(self.pooling, &states, hidden, batch.lengths(), &mut vectors);
        Forward { batch, kept, vectors }
    }

    fn backward(&mut self, forward: &Forward, gradients: &[f32], dropout: Dropout) {
        let states = spread(self.pooling, &forward.batch, gradients, self.trunk.hidden());
        self.trunk.backward(self.kernels, (&forward.batch, &forward.kept), states, dropout);
    }
}

/// The gradients of the states, from those of what was pooled from them, `[sequences, hidden]`.
pub(crate) fn spread(pooling: Pooling, batch: &PackedBatch, pooled: &[f32], hidden: usize) -> Vec<f32> {
    let mut states = vec![0.0; batch.tokens() * hidden];
    for (range, gradient) in batch.ranges().zip(pooled.chunks_exact(hidden)) {
        let (tokens, factor) = match pooling {
            Pooling::First => (range.start..range.start + 1, 1.0),
            _ => (range.clone(), 1.0 / range.len() as f32),
        };
        for row in states[tokens.start * hidden..tokens.end * hidden].chunks_exact_mut(hidden) {
            row.iter_mut().zip(gradient).for_each(|(row, gradient)| *row = gradient * factor);
        }
    }
    states
}

/// The texts of a batch, each once, and the pairs as places among them.
fn gathered<'p>(batch: &[&'p TextPair]) -> (Vec<&'p PairedText>, Vec<Pairing>) {
    let mut texts: Vec<&PairedText> = Vec::new();
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    let mut place = |text: &'p Arc<PairedText>| {
        *places.entry(text.number).or_insert_with(|| {
            texts.push(text);
            texts.len() - 1
        })
    };
    let pairing = |pair: &&'p TextPair| Pairing {
        first: place(&pair.first),
        second: place(&pair.second),
        negative: pair.negative.as_ref().map(&mut place),
        score: pair.score,
        weight: pair.weight,
    };
    let pairs = batch.iter().map(pairing).collect();
    (texts, pairs)
}

impl Learner for TextEmbedder {
    type Example = TextPair;

    fn length(pair: &TextPair) -> usize {
        pair.first.ids.len() + pair.second.ids.len() + pair.negative.as_ref().map_or(0, |text| text.ids.len())
    }

    fn weight(pair: &TextPair) -> f32 {
        pair.weight
    }

    fn total(&self, batch: &[&TextPair]) -> f32 {
        batch.iter().map(|pair| pair.weight).sum()
    }

    /// The loss needs the vectors of the whole batch. Where they take several passes, what the backward pass needs is computed
    /// once more, pass by pass, so that memory does not grow with the batch (Gao et al. 2021).
    fn learn(&mut self, batch: &[&TextPair], pass: Pass) -> f64 {
        let hidden = self.trunk.hidden();
        let (texts, pairs) = gathered(batch);
        let parts = passes(&texts, |text| text.ids.len());
        let dropout = |number: usize| Dropout { share: pass.dropout, seed: mix(pass.seed, &[number as u64]) };
        let mut vectors = Vec::with_capacity(texts.len() * hidden);
        let mut only = None;
        for (number, part) in parts.iter().enumerate() {
            let forward = self.forward(part, dropout(number));
            vectors.extend_from_slice(&forward.vectors);
            only = (parts.len() == 1).then_some(forward);
        }
        if !vectors.iter().all(|value| value.is_finite()) {
            return f64::NAN;
        }
        let (loss, mut gradients) = self.contrast.loss(&pairs, &vectors, hidden);
        gradients.iter_mut().for_each(|gradient| *gradient /= pass.total);
        let mut rest = gradients.as_slice();
        for (number, part) in parts.iter().enumerate() {
            let (own, after) = rest.split_at(part.len() * hidden);
            rest = after;
            let forward = only.take().unwrap_or_else(|| self.forward(part, dropout(number)));
            self.backward(&forward, own, dropout(number));
        }
        loss
    }

    fn pack(&mut self) {
        self.trunk.pack(self.kernels);
    }

    fn failure(&self) -> Option<NnError> {
        self.trunk.failure()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.trunk.parameters()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.trunk.parameters_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, pooling: Pooling, contrast: Contrast) -> TextEmbedder {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference");
        let checkpoint = Checkpoint::open(&folder.join(name)).unwrap();
        TextEmbedder::new(Kernels::detect(), &checkpoint, Some(pooling), contrast).unwrap()
    }

    fn text(number: u32, length: usize) -> Arc<PairedText> {
        let middle = (0..length as u32).map(|place| 5 + (number * 13 + place * 7) % 50);
        let ids: Vec<u32> = std::iter::once(2).chain(middle).chain([3]).collect();
        Arc::new(PairedText { number, type_ids: vec![0; ids.len()], ids })
    }

    fn pairs(length: usize) -> Vec<TextPair> {
        let pair = |first, second, negative: Option<u32>, score| TextPair {
            first: text(first, length),
            second: text(second, length + 2),
            negative: negative.map(|number| text(number, length)),
            score,
            weight: 1.0,
        };
        vec![pair(0, 1, Some(6), 0.9), pair(2, 3, None, 0.2), pair(0, 4, None, 0.5), pair(5, 3, None, 0.2)]
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let cases = [
            ("bert-embedding", Pooling::Mean, Contrast::Together { scale: 3.0, both_ways: true }, 0.0),
            ("roberta-sequence", Pooling::First, Contrast::Ordered { scale: 3.0 }, 0.1),
            ("distilbert-tokens", Pooling::Mean, Contrast::Together { scale: 3.0, both_ways: false }, 0.1),
        ];
        for (name, pooling, contrast, dropout) in cases {
            let mut model = model(name, pooling, contrast);
            let pairs = pairs(4);
            let all: Vec<&TextPair> = pairs.iter().collect();
            let pass = Pass { dropout, seed: 5, total: 1.0 };
            model.learn(&all, pass);
            let gradients: Vec<Vec<f32>> =
                model.parameters().iter().map(|one| one.gradient.clone()).collect();
            assert!(gradients.iter().flatten().any(|value| value.abs() > 1e-3));
            for (index, gradient) in gradients.iter().enumerate() {
                let largest = gradient.iter().fold(0.02_f32, |largest, value| largest.max(value.abs()));
                let mut places: Vec<usize> = (0..gradient.len()).collect();
                places.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()));
                for place in places.into_iter().take(3) {
                    let loss = |by: f32| {
                        let mut moved = model.clone();
                        moved.parameters_mut()[index].values[place] += by;
                        moved.pack();
                        moved.learn(&all, pass)
                    };
                    let slope = (loss(5e-4) - loss(-5e-4)) / 1e-3;
                    let off = (slope - f64::from(gradient[place])).abs();
                    assert!(
                        off < 0.03 * f64::from(largest) + 5e-3,
                        "{name} {index} {place}: {} should be {slope}",
                        gradient[place]
                    );
                }
            }
        }
    }

    /// A batch of several passes has the gradients that it would have in one.
    #[test]
    fn a_batch_of_several_passes_learns_what_one_pass_does() {
        let contrast = Contrast::Together { scale: 5.0, both_ways: true };
        let mut whole = model("bert-plain", Pooling::Mean, contrast);
        let mut parted = whole.clone();
        let pairs: Vec<TextPair> = (0..70)
            .map(|number| TextPair {
                first: text(2 * number, 20),
                second: text(2 * number + 1, 14),
                negative: None,
                score: 0.0,
                weight: 1.0,
            })
            .collect();
        let all: Vec<&TextPair> = pairs.iter().collect();
        let (texts, pairings) = gathered(&all);
        assert_eq!(passes(&texts, |text| text.ids.len()).len(), 2);
        let pass = Pass { dropout: 0.0, seed: 1, total: 70.0 };
        let loss = parted.learn(&all, pass);
        let none = Dropout { share: 0.0, seed: 0 };
        let forward = whole.forward(&texts, none);
        let (expected, mut gradients) = contrast.loss(&pairings, &forward.vectors, 16);
        gradients.iter_mut().for_each(|value| *value /= 70.0);
        whole.backward(&forward, &gradients, none);
        assert!((loss - expected).abs() < 1e-6 * expected.abs(), "{loss} {expected}");
        for (one, other) in whole.parameters().iter().zip(parted.parameters()) {
            let near = one.gradient.iter().zip(&other.gradient).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "{:?}", one.names);
        }
    }

    /// Vectors are the features of the engine that serves.
    #[test]
    fn vectors_are_those_of_the_engine() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference/bert-embedding");
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let kernels = Kernels::detect();
        let engine =
            loquat_models::Encoder::from_checkpoint(&checkpoint, kernels, loquat_models::Precision::F32)
                .unwrap();
        let model = model("bert-embedding", Pooling::Mean, Contrast::Ordered { scale: 20.0 });
        let texts: Vec<Arc<PairedText>> =
            [(0, 9), (1, 3), (2, 14)].map(|(number, length)| text(number, length)).into();
        let vectors = model.vectors(&texts);
        let mut scratch = loquat_models::EncoderScratch::default();
        for (text, vector) in texts.iter().zip(vectors.chunks_exact(16)) {
            let mut batch = PackedBatch::default();
            batch.push(&text.ids, &text.type_ids);
            let expected = engine.features(&batch, &mut scratch).unwrap();
            assert!(vector.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
