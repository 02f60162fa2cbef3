//! One-against-rest logistic regression, all classes at once.
//!
//! Dual coordinate descent (Yu, Huang and Lin 2011). The one-variable problem of a row and a class is solved in the
//! margin's own scale: with `s` the row's squared length times its cost, the new dual variable is `sigmoid(t)` where
//! `t + s (sigmoid(t) - a) + y z = 0`; the left side rises with slope at least one, so Newton's method needs few steps.

use loquat_models::math::sigmoid32;
use pulp::Arch;

use super::matrix::Matrix;
use super::naive_bayes::Ratio;
use super::random::Random;
use super::svm::features;
use super::weights::{Rows, Weights};

const MOST_EPOCHS: u32 = 24;
const NEWTON_STEPS: usize = 4;
/// Largest step of a dual variable (of its range, one) at which the descent ends.
const TOLERANCE: f32 = 0.01;
const AT_REST: f32 = 2e-3;

/// Fits the regression; `ratio` as for the support vector machine.
pub(super) fn fit(matrix: &Matrix, rows: &Rows, cost: f32, ratio: Option<&Ratio>, seed: u64) -> Weights {
    let mut state = State {
        matrix,
        rows,
        cost,
        ratio,
        weights: Weights::zero(ratio.map_or_else(|| features(matrix), Ratio::features), rows.classes),
        alpha: vec![0.0; rows.truth.len()],
        resting: vec![0; rows.len()],
    };
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let mut random = Random::derived(seed, 2);
    for epoch in 0..MOST_EPOCHS {
        random.shuffle(&mut order);
        let largest = Arch::new().dispatch(
            #[inline(always)]
            || state.epoch(&order, epoch),
        );
        if largest < TOLERANCE {
            break;
        }
    }
    match ratio {
        Some(ratio) => ratio.fold(state.weights),
        None => state.weights,
    }
}

struct State<'a> {
    matrix: &'a Matrix,
    rows: &'a Rows,
    cost: f32,
    ratio: Option<&'a Ratio>,
    weights: Weights,
    /// Dual variables as shares of their cost, between zero and one.
    alpha: Vec<f32>,
    resting: Vec<u32>,
}

impl State<'_> {
    #[inline(always)]
    fn epoch(&mut self, order: &[u32], epoch: u32) -> f32 {
        let stride = self.rows.stride;
        let mut margins = vec![0.0; stride];
        let mut delta = vec![0.0; stride];
        let mut length = vec![0.0; stride];
        let mut worst = 0.0_f32;
        for &row in order {
            let row = row as usize;
            if self.resting[row] > 0 {
                self.resting[row] -= 1;
                continue;
            }
            let entries = self.matrix.row(row);
            match self.ratio {
                None => {
                    self.weights.margins_into(entries, &mut margins);
                    length.fill(1.0 + entries.iter().map(|(_, v)| v * v).sum::<f32>());
                }
                Some(ratio) => ratio.margins_into(&self.weights, entries, &mut margins, &mut length),
            }
            let cost = self.cost * self.rows.weights[row];
            let truth = self.rows.truth(row);
            let alpha = &mut self.alpha[row * stride..][..stride];
            let mut largest = 0.0_f32;
            for c in 0..stride {
                let sign = 2.0 * truth[c] - 1.0;
                let scale = length[c] * cost;
                let target = sign * margins[c];
                let mut t = -target;
                for _ in 0..NEWTON_STEPS {
                    let s = sigmoid32(t);
                    let value = t + scale * (s - alpha[c]) + target;
                    t -= (value / (1.0 + scale * s * (1.0 - s))).clamp(-3.0, 3.0);
                }
                let moved = sigmoid32(t);
                let step = moved - alpha[c];
                largest = largest.max(step.abs());
                delta[c] = step * sign * cost;
                alpha[c] = moved;
            }
            worst = worst.max(largest);
            if largest < AT_REST && epoch > 1 {
                self.resting[row] = 3;
            }
            match self.ratio {
                None => self.weights.add(entries, &delta),
                Some(ratio) => ratio.add(&mut self.weights, entries, &delta),
            }
        }
        // The padding classes are trained to be negative; no one reads them.
        worst
    }
}
