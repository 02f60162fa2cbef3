//! The solvers on dense features, such as those of an encoder.

use super::config::{ClassWeight, LinearError, Solver};
use super::matrix::Matrix;
use super::softmax::Start;
use super::weights::Weights;
use super::workspace::Workspace;
use super::{logistic, softmax, svm};

/// Spread under which a feature is taken as constant.
const LEAST_SPREAD: f64 = 1e-6;

/// How a classifier on dense features is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dense {
    /// `Svm`, `Logistic` or `Softmax`, without naive Bayes ratios.
    pub(crate) solver: Solver,
    pub(crate) class_weight: ClassWeight,
}

/// A fitted classifier with the scale of its features.
#[derive(Debug)]
pub(crate) struct DenseFit {
    weights: Weights,
    scale: Scale,
}

/// Brings features to mean zero and a row to about length one.
#[derive(Debug)]
struct Scale {
    means: Vec<f32>,
    factors: Vec<f32>,
}

impl Workspace<'_> {
    /// Fits a classifier on the features that `row` gives for each of `train`.
    pub(crate) fn fit_dense<'f>(
        &self,
        dense: Dense,
        row: impl Fn(usize) -> &'f [f32],
        train: &[usize],
        seed: u64,
    ) -> Result<DenseFit, LinearError> {
        let scale = Scale::of(train.iter().map(|number| row(*number)));
        let matrix = scale.matrix(train.iter().map(|number| row(*number)));
        let rows = self.rows(dense.class_weight, train);
        let matrix = rows.repeated(&matrix);
        let mut weights = match dense.solver {
            Solver::Svm { cost, bayes_ratio: false } => svm::fit(&matrix, &rows, cost, None, seed),
            Solver::Logistic { cost, bayes_ratio: false } => logistic::fit(&matrix, &rows, cost, None, seed),
            Solver::Softmax { cost } => softmax::fit(&matrix, &rows, cost, Start::zero(&matrix, &rows), seed),
            _ => return Err(LinearError::Parameter { name: "solver" }),
        };
        weights.values.resize(scale.means.len() * weights.stride, 0.0);
        Ok(DenseFit { weights, scale })
    }
}

impl Scale {
    fn of<'f>(rows: impl Iterator<Item = &'f [f32]> + Clone) -> Self {
        let size = rows.clone().next().map_or(0, <[f32]>::len);
        let (mut sums, mut squares, mut count) = (vec![0.0_f64; size], vec![0.0_f64; size], 0.0_f64);
        for row in rows.clone() {
            count += 1.0;
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / count.max(1.0)).collect();
        for row in rows {
            for ((square, value), mean) in squares.iter_mut().zip(row).zip(&means) {
                *square += (f64::from(*value) - mean) * (f64::from(*value) - mean);
            }
        }
        let factor = |square: &f64| {
            let spread = libm::sqrt(square / count.max(1.0));
            let length = libm::sqrt(size as f64);
            if spread > LEAST_SPREAD { (1.0 / (spread * length)) as f32 } else { 0.0 }
        };
        Self {
            factors: squares.iter().map(factor).collect(),
            means: means.into_iter().map(|mean| mean as f32).collect(),
        }
    }

    fn matrix<'f>(&self, rows: impl Iterator<Item = &'f [f32]>) -> Matrix {
        let scaled = |(value, (mean, factor)): (&f32, (&f32, &f32))| (value - mean) * factor;
        Matrix::dense(rows.map(|row| row.iter().zip(self.means.iter().zip(&self.factors)).map(scaled)))
    }
}

impl DenseFit {
    /// Margins of rows of features, `[rows, classes]`.
    pub(crate) fn margins<'f>(&self, rows: impl Iterator<Item = &'f [f32]>) -> Result<Vec<f32>, LinearError> {
        self.weights.margins(&self.scale.matrix(rows))
    }

    /// Weights `[classes, features]` and biases for features as they are.
    pub(crate) fn unscaled(&self) -> (Vec<f32>, Vec<f32>) {
        // These solvers raise nothing by a background: only naive Bayes does.
        let Weights { values, bias, classes, stride, background: _ } = &self.weights;
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for class in 0..*classes {
            let mut shift = 0.0;
            for (feature, (mean, factor)) in self.scale.means.iter().zip(&self.scale.factors).enumerate() {
                let weight = values[feature * stride + class] * factor;
                shift += f64::from(weight) * f64::from(*mean);
                weights.push(weight);
            }
            biases.push((f64::from(bias[class]) - shift) as f32);
        }
        (weights, biases)
    }
}
