//! The matrix that every solver writes: a row of class weights for each feature.

use std::borrow::Cow;

use pulp::Arch;

use super::config::LinearError;
use super::matrix::Matrix;

/// Weights `[features, stride]` and a bias per class. `stride` is the number of classes rounded up to a multiple of
/// eight, so that whole vectors are read and written; what is beyond the classes is zero.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub(super) values: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// What every row of `values` is to be raised by, `stride` long. Empty: nothing.
    pub(super) background: Vec<f32>,
    pub(super) classes: usize,
    pub(super) stride: usize,
}

/// Rounds a number of classes up to whole vectors.
pub(super) fn stride(classes: usize) -> usize {
    if classes <= 8 { 8 } else { classes.next_multiple_of(16) }
}

impl Weights {
    pub(super) fn zero(features: usize, classes: usize) -> Self {
        let stride = stride(classes);
        Self {
            values: vec![0.0; features * stride],
            bias: vec![0.0; stride],
            background: Vec::new(),
            classes,
            stride,
        }
    }

    /// Margins of one row into `margins` (`stride` long).
    #[inline(always)]
    pub(super) fn margins_into(&self, row: &[(u32, f32)], margins: &mut [f32]) {
        margins.copy_from_slice(&self.bias);
        if !self.background.is_empty() {
            let length: f32 = row.iter().map(|(_, value)| value).sum();
            for (margin, weight) in margins.iter_mut().zip(&self.background) {
                *margin += length * weight;
            }
        }
        for &(feature, value) in row {
            let weights = &self.values[feature as usize * self.stride..][..self.stride];
            for (margin, weight) in margins.iter_mut().zip(weights) {
                *margin += value * weight;
            }
        }
    }

    /// Adds `value * delta` to the row of each feature and `delta` to the bias.
    #[inline(always)]
    pub(super) fn add(&mut self, row: &[(u32, f32)], delta: &[f32]) {
        for &(feature, value) in row {
            let weights = &mut self.values[feature as usize * self.stride..][..self.stride];
            for (weight, d) in weights.iter_mut().zip(delta) {
                *weight += value * d;
            }
        }
        for (bias, d) in self.bias.iter_mut().zip(delta) {
            *bias += d;
        }
    }

    /// Margins of all rows of `matrix`, `[rows, classes]`.
    pub(super) fn margins(&self, matrix: &Matrix) -> Result<Vec<f32>, LinearError> {
        let mut all = Vec::with_capacity(matrix.rows() * self.classes);
        let mut margins = vec![0.0; self.stride];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for row in 0..matrix.rows() {
                    self.margins_into(matrix.row(row), &mut margins);
                    all.extend_from_slice(&margins[..self.classes]);
                }
            },
        );
        if all.iter().all(|margin| margin.is_finite()) { Ok(all) } else { Err(LinearError::Diverged) }
    }
}

/// Labels and weights of the training rows, in the order of the matrix.
#[derive(Debug)]
pub(super) struct Rows {
    /// One (`+1`) or zero for each class, `[rows, stride]`.
    pub(super) truth: Vec<f32>,
    /// How much each row counts.
    pub(super) weights: Vec<f32>,
    pub(super) classes: usize,
    pub(super) stride: usize,
    /// The row of the features that each is, where some of them stand there several times.
    pub(super) places: Option<Vec<usize>>,
}

impl Rows {
    /// The features of these rows, from those of the training rows.
    pub(super) fn repeated<'m>(&self, matrix: &'m Matrix) -> Cow<'m, Matrix> {
        match &self.places {
            None => Cow::Borrowed(matrix),
            Some(places) => Cow::Owned(matrix.picked(places)),
        }
    }

    #[inline(always)]
    pub(super) fn truth(&self, row: usize) -> &[f32] {
        &self.truth[row * self.stride..][..self.stride]
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }
}
