//! One-against-rest support vector machines with squared hinge loss, all classes at once.
//!
//! Dual coordinate descent (Hsieh et al. 2008): one visit of a row updates its dual variable for every class. Rows whose
//! variables did not move are visited less often.

use pulp::Arch;

use super::matrix::Matrix;
use super::naive_bayes::Ratio;
use super::random::Random;
use super::weights::{Rows, Weights};

const MOST_EPOCHS: u32 = 30;
/// Largest violation of the optimality conditions at which the descent ends.
const TOLERANCE: f32 = 0.02;
/// A dual variable that moves less than this, relative to its cost, counts as at rest.
const AT_REST: f32 = 1e-3;
const LONGEST_REST: u32 = 8;

/// Fits the machine; with `ratio` each feature of each class is first scaled by its naive-Bayes log-count ratio
/// (Wang and Manning 2012).
pub(super) fn fit(matrix: &Matrix, rows: &Rows, cost: f32, ratio: Option<&Ratio>, seed: u64) -> Weights {
    let mut state = State {
        matrix,
        rows,
        cost,
        ratio,
        weights: Weights::zero(ratio.map_or_else(|| features(matrix), Ratio::features), rows.classes),
        alpha: vec![0.0; rows.truth.len()],
        resting: vec![(0, 0); rows.len()],
    };
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let mut random = Random::derived(seed, 1);
    for epoch in 0..MOST_EPOCHS {
        random.shuffle(&mut order);
        let violation = Arch::new().dispatch(
            #[inline(always)]
            || state.epoch(&order, epoch),
        );
        if violation < TOLERANCE {
            break;
        }
    }
    match ratio {
        Some(ratio) => ratio.fold(state.weights),
        None => state.weights,
    }
}

/// One more than the largest feature of the matrix.
pub(super) fn features(matrix: &Matrix) -> usize {
    (0..matrix.rows()).flat_map(|row| matrix.row(row)).map(|(f, _)| *f as usize + 1).max().unwrap_or(0)
}

struct State<'a> {
    matrix: &'a Matrix,
    rows: &'a Rows,
    cost: f32,
    ratio: Option<&'a Ratio>,
    weights: Weights,
    alpha: Vec<f32>,
    /// For each row: epochs left to rest, and how long it rested last.
    resting: Vec<(u32, u32)>,
}

impl State<'_> {
    /// One pass over the rows; returns the largest violation seen.
    #[inline(always)]
    fn epoch(&mut self, order: &[u32], epoch: u32) -> f32 {
        let stride = self.rows.stride;
        let mut margins = vec![0.0; stride];
        let mut delta = vec![0.0; stride];
        let mut length = vec![0.0; stride];
        let mut worst = 0.0_f32;
        for &row in order {
            let row = row as usize;
            let rest = &mut self.resting[row];
            if rest.0 > 0 {
                rest.0 -= 1;
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
            let damping = 0.5 / (self.cost * self.rows.weights[row]);
            let truth = self.rows.truth(row);
            let alpha = &mut self.alpha[row * stride..][..stride];
            let (mut largest, mut violation) = (0.0_f32, 0.0_f32);
            for c in 0..stride {
                let sign = 2.0 * truth[c] - 1.0;
                let gradient = sign * margins[c] - 1.0 + alpha[c] * damping;
                let moved = (alpha[c] - gradient / (length[c] + damping)).max(0.0);
                let step = moved - alpha[c];
                let projected = if alpha[c] > 0.0 { gradient.abs() } else { (-gradient).max(0.0) };
                violation = violation.max(projected);
                largest = largest.max(step.abs());
                delta[c] = step * sign;
                alpha[c] = moved;
            }
            worst = worst.max(violation);
            if largest > AT_REST * self.cost.min(1.0) {
                *rest = (0, 0);
            } else if epoch > 1 {
                let longer = (rest.1 * 2).clamp(1, LONGEST_REST);
                *rest = (longer, longer);
            }
            if largest > 0.0 {
                match self.ratio {
                    None => self.weights.add(entries, &delta),
                    Some(ratio) => ratio.add(&mut self.weights, entries, &delta),
                }
            }
        }
        worst
    }
}
