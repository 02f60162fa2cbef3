//! Averaged n-gram embeddings with a softmax layer (fastText: Joulin et al. 2017), folded into one matrix.
//!
//! Stochastic gradient descent with a linearly falling rate, one thread, so that the weights do not depend on timing.

use loquat_models::math::softmax;
use pulp::Arch;

use super::matrix::Matrix;
use super::random::Random;
use super::weights::{Rows, Weights};

/// Size and schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) dimensions: usize,
    pub(super) rate: f32,
    pub(super) epochs: usize,
}

struct Layers {
    /// `[features, dimensions]`
    embeddings: Vec<f32>,
    /// `[classes, dimensions]`
    output: Vec<f32>,
}

/// Fits embeddings and output layer and multiplies them.
pub(super) fn fit(matrix: &Matrix, rows: &Rows, features: usize, schedule: Schedule, seed: u64) -> Weights {
    let dimensions = schedule.dimensions;
    let mut random = Random::derived(seed, 4);
    let bound = 1.0 / dimensions as f32;
    let mut layers = Layers {
        embeddings: (0..features * dimensions).map(|_| (random.unit() as f32 * 2.0 - 1.0) * bound).collect(),
        output: vec![0.0; rows.classes * dimensions],
    };
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let steps = (schedule.epochs * rows.len()).max(1) as f32;
    for epoch in 0..schedule.epochs {
        random.shuffle(&mut order);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (done, &row) in order.iter().enumerate() {
                    let progress = (epoch * rows.len() + done) as f32 / steps;
                    let rate = schedule.rate * (1.0 - progress) * rows.weights[row as usize];
                    layers.step(matrix.row(row as usize), rows.truth(row as usize), rows.classes, rate);
                }
            },
        );
    }
    layers.fold(features, rows.classes, dimensions)
}

impl Layers {
    #[inline(always)]
    fn step(&mut self, entries: &[(u32, f32)], truth: &[f32], classes: usize, rate: f32) {
        let dimensions = self.output.len() / classes;
        let mut hidden = vec![0.0; dimensions];
        for &(feature, value) in entries {
            let embedding = &self.embeddings[feature as usize * dimensions..][..dimensions];
            hidden.iter_mut().zip(embedding).for_each(|(h, e)| *h += value * e);
        }
        let mut p: Vec<f32> = self
            .output
            .chunks_exact(dimensions)
            .map(|row| row.iter().zip(&hidden).map(|(o, h)| o * h).sum())
            .collect();
        softmax(&mut p);
        let mut back = vec![0.0; dimensions];
        for (c, row) in self.output.chunks_exact_mut(dimensions).enumerate() {
            let gradient = rate * (truth[c] - p[c]);
            for d in 0..dimensions {
                back[d] += gradient * row[d];
                row[d] += gradient * hidden[d];
            }
        }
        for &(feature, value) in entries {
            let embedding = &mut self.embeddings[feature as usize * dimensions..][..dimensions];
            embedding.iter_mut().zip(&back).for_each(|(e, b)| *e += value * b);
        }
    }

    fn fold(&self, features: usize, classes: usize, dimensions: usize) -> Weights {
        let mut weights = Weights::zero(features, classes);
        for f in 0..features {
            let embedding = &self.embeddings[f * dimensions..][..dimensions];
            for c in 0..classes {
                let output = &self.output[c * dimensions..][..dimensions];
                weights.values[f * weights.stride + c] =
                    embedding.iter().zip(output).map(|(e, o)| e * o).sum();
            }
        }
        weights
    }
}
