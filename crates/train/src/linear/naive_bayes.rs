//! Naive Bayes: multinomial, complement (Rennie et al. 2003), and its log-count ratios as feature scales (Wang and
//! Manning 2012).

use super::matrix::Matrix;
use super::softmax::Start;
use super::weights::{Rows, Weights};

/// Sums of feature values by class `[features, stride]`, and over all rows.
struct Sums {
    by_class: Weights,
    all: Vec<f32>,
}

fn sums(matrix: &Matrix, rows: &Rows, features: usize) -> Sums {
    let mut by_class = Weights::zero(features, rows.classes);
    let mut all = vec![0.0; features];
    let mut delta = vec![0.0; rows.stride];
    for row in 0..rows.len() {
        let weight = rows.weights[row];
        for (d, t) in delta.iter_mut().zip(rows.truth(row)) {
            *d = weight * t;
        }
        let entries = matrix.row(row);
        by_class.add(entries, &delta);
        entries.iter().for_each(|(feature, value)| all[*feature as usize] += weight * value);
    }
    Sums { by_class, all }
}

fn ln(value: f32) -> f32 {
    libm::log(f64::from(value)) as f32
}

/// Multinomial naive Bayes for one label a row: joint log-likelihood of each class. What a class gives an n-gram that it
/// never had is the background, so that the rows are sparse.
pub(super) fn multinomial(matrix: &Matrix, rows: &Rows, features: usize, smoothing: f32) -> Weights {
    let Sums { by_class, .. } = sums(matrix, rows, features);
    joint(&by_class, &masses(&by_class, features), rows, smoothing)
}

/// Sum of all feature values of each class.
fn masses(by_class: &Weights, features: usize) -> Vec<f32> {
    let mass = |c: usize| (0..features).map(|f| by_class.values[f * by_class.stride + c]).sum();
    (0..by_class.classes).map(mass).collect()
}

fn joint(by_class: &Weights, masses: &[f32], rows: &Rows, smoothing: f32) -> Weights {
    let features = by_class.values.len() / by_class.stride;
    let total: f32 = rows.weights.iter().sum();
    let mut weights = Weights::zero(features, rows.classes);
    weights.background = vec![0.0; rows.stride];
    let never = ln(smoothing);
    for (c, mass) in masses.iter().enumerate() {
        weights.background[c] = never - ln(mass + smoothing * features as f32);
        for f in 0..features {
            let sum = by_class.values[f * rows.stride + c];
            if sum > 0.0 {
                weights.values[f * rows.stride + c] = ln(sum + smoothing) - never;
            }
        }
        weights.bias[c] = ln(by_class.bias[c].max(1e-6)) - ln(total);
    }
    weights
}

/// The `share` of naive Bayes' margins as the start of a regression.
///
/// A generative model needs few rows and a discriminative one ends lower (Ng and Jordan 2002): drawn to the first, the
/// second takes from the rows only what contradicts it.
pub(super) fn start(matrix: &Matrix, rows: &Rows, features: usize, smoothing: f32, share: f32) -> Start {
    let Sums { by_class, .. } = sums(matrix, rows, features);
    let masses = masses(&by_class, features);
    let unseen = smoothing * features as f32;
    let own = |row: usize| {
        let Some(class) = rows.truth(row).iter().position(|truth| *truth > 0.0) else { return 0.0 };
        let (entries, weight) = (matrix.row(row), rows.weights[row]);
        let mass: f32 = entries.iter().map(|(_, value)| weight * value).sum();
        let rarer = ln((masses[class] - mass).max(0.0) + unseen) - ln(masses[class] + unseen);
        let lost = |(feature, value): &(u32, f32)| {
            let sum = by_class.values[*feature as usize * rows.stride + class];
            let without = (sum - weight * value).max(0.0);
            value * (ln(sum + smoothing) - ln(without + smoothing) + rarer)
        };
        share * entries.iter().map(lost).sum::<f32>()
    };
    let own = (0..rows.len()).map(own).collect();
    let mut weights = joint(&by_class, &masses, rows, smoothing);
    let parts = weights.values.iter_mut().chain(&mut weights.bias).chain(&mut weights.background);
    parts.for_each(|weight| *weight *= share);
    Start { weights, own }
}

/// Multinomial naive Bayes for several labels a row: the log-ratio of each class to the rest.
pub(super) fn against_rest(matrix: &Matrix, rows: &Rows, features: usize, smoothing: f32) -> Weights {
    let Sums { by_class, all } = sums(matrix, rows, features);
    let (classes, stride) = (rows.classes, rows.stride);
    let total: f32 = rows.weights.iter().sum();
    let mass: f32 = all.iter().sum::<f32>() + smoothing * features as f32;
    let mut weights = Weights::zero(features, classes);
    for c in 0..classes {
        let class_mass: f32 = (0..features).map(|f| by_class.values[f * stride + c]).sum();
        let within = ln(class_mass + smoothing * features as f32);
        let without = ln(mass - class_mass);
        for (f, all) in all.iter().enumerate() {
            let sum = by_class.values[f * stride + c];
            let rest = ln((all - sum).max(0.0) + smoothing) - without;
            weights.values[f * stride + c] = ln(sum + smoothing) - within - rest;
        }
        let count = by_class.bias[c].max(1e-6);
        weights.bias[c] = ln(count) - ln((total - count).max(1e-6));
    }
    weights
}

/// Complement naive Bayes: a class is judged by how little the text resembles all the others. Weights are less what an
/// n-gram gives every class that never had it, which decides nothing, and less the background.
pub(super) fn complement(matrix: &Matrix, rows: &Rows, features: usize, smoothing: f32) -> Weights {
    let Sums { by_class, all } = sums(matrix, rows, features);
    let (classes, stride) = (rows.classes, rows.stride);
    let mass: f32 = all.iter().sum::<f32>() + smoothing * features as f32;
    let mut weights = Weights::zero(features, classes);
    weights.background = vec![0.0; stride];
    for c in 0..classes {
        let class_mass: f32 = (0..features).map(|f| by_class.values[f * stride + c]).sum();
        weights.background[c] = ln(mass - class_mass);
        for (f, all) in all.iter().enumerate() {
            let sum = by_class.values[f * stride + c];
            if sum > 0.0 {
                let rest = (all - sum).max(0.0) + smoothing;
                weights.values[f * stride + c] = ln(all + smoothing) - ln(rest);
            }
        }
    }
    weights
}

/// Log-count ratios `[features, stride]`: how much more often a feature occurs in a class than outside it.
pub(super) struct Ratio {
    values: Vec<f32>,
    stride: usize,
}

impl Ratio {
    pub(super) fn new(matrix: &Matrix, rows: &Rows, features: usize) -> Self {
        const SMOOTHING: f32 = 1.0;
        let mut weights = against_rest(matrix, rows, features, SMOOTHING);
        // Ratios keep their relative size; their root mean square over the features that occur becomes one.
        for c in 0..rows.classes {
            let sum: f32 = (0..features).map(|f| weights.values[f * rows.stride + c].powi(2)).sum();
            let scale = if sum > 0.0 { (features as f32 / sum).sqrt() } else { 1.0 };
            (0..features).for_each(|f| weights.values[f * rows.stride + c] *= scale);
        }
        Self { values: weights.values, stride: rows.stride }
    }

    pub(super) fn features(&self) -> usize {
        self.values.len() / self.stride
    }

    #[inline(always)]
    fn row(&self, feature: u32) -> &[f32] {
        &self.values[feature as usize * self.stride..][..self.stride]
    }

    /// Margins and squared lengths of one row with scaled features.
    #[inline(always)]
    pub(super) fn margins_into(
        &self,
        weights: &Weights,
        row: &[(u32, f32)],
        margins: &mut [f32],
        length: &mut [f32],
    ) {
        margins.copy_from_slice(&weights.bias);
        length.fill(1.0);
        for &(feature, value) in row {
            let own = &weights.values[feature as usize * self.stride..][..self.stride];
            let ratio = self.row(feature);
            for c in 0..self.stride {
                let scaled = value * ratio[c];
                margins[c] += scaled * own[c];
                length[c] += scaled * scaled;
            }
        }
    }

    /// Adds a step along the scaled features.
    #[inline(always)]
    pub(super) fn add(&self, weights: &mut Weights, row: &[(u32, f32)], delta: &[f32]) {
        for &(feature, value) in row {
            let ratio = self.row(feature);
            let own = &mut weights.values[feature as usize * self.stride..][..self.stride];
            for c in 0..self.stride {
                own[c] += value * ratio[c] * delta[c];
            }
        }
        for (bias, d) in weights.bias.iter_mut().zip(delta) {
            *bias += d;
        }
    }

    /// Weights for unscaled features that give the same margins.
    pub(super) fn fold(&self, mut weights: Weights) -> Weights {
        for (weight, ratio) in weights.values.iter_mut().zip(&self.values) {
            *weight *= ratio;
        }
        weights
    }
}
