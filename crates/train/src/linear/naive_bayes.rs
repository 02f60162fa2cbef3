//! Naive Bayes: multinomial, complement (Rennie et al. 2003), and its log-count ratios as feature scales (Wang and
//! Manning 2012).

use super::matrix::Matrix;
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

/// Multinomial naive Bayes. Single-label: joint log-likelihood of each class; multi-label: its ratio to the rest.
pub(super) fn multinomial(
    matrix: &Matrix,
    rows: &Rows,
    features: usize,
    smoothing: f32,
    against_rest: bool,
) -> Weights {
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
            let rest = if against_rest { ln((all - sum).max(0.0) + smoothing) - without } else { 0.0 };
            weights.values[f * stride + c] = ln(sum + smoothing) - within - rest;
        }
        let count = by_class.bias[c].max(1e-6);
        let rest = if against_rest { ln((total - count).max(1e-6)) } else { ln(total) };
        weights.bias[c] = ln(count) - rest;
    }
    weights
}

/// Complement naive Bayes: a class is judged by how little the text resembles all the others.
pub(super) fn complement(matrix: &Matrix, rows: &Rows, features: usize, smoothing: f32) -> Weights {
    let Sums { by_class, all } = sums(matrix, rows, features);
    let (classes, stride) = (rows.classes, rows.stride);
    let mass: f32 = all.iter().sum::<f32>() + smoothing * features as f32;
    let mut weights = Weights::zero(features, classes);
    for c in 0..classes {
        let class_mass: f32 = (0..features).map(|f| by_class.values[f * stride + c]).sum();
        let without = ln(mass - class_mass);
        for (f, all) in all.iter().enumerate() {
            let rest = (all - by_class.values[f * stride + c]).max(0.0) + smoothing;
            weights.values[f * stride + c] = without - ln(rest);
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
        let mut weights = multinomial(matrix, rows, features, SMOOTHING, true);
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
