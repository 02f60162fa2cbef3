//! Multinomial logistic regression.
//!
//! Dual coordinate descent where the variable of a row is its whole vector of class probabilities: a visit makes that
//! vector exactly consistent with the weights it leads to. The new margins minimise
//! `|z - r|^2 / 2 + s logsumexp(z)`, `s` the row's squared length times its cost and `r` its margins without its own
//! share; Newton's method with the matrix's diagonal-plus-rank-one inverse solves it in a few steps, which are halved
//! until they lead down.

use loquat_models::math::exp32;
use pulp::Arch;

use super::matrix::Matrix;
use super::random::Random;
use super::svm::features;
use super::weights::{Rows, Weights};

const MOST_EPOCHS: u32 = 24;
const MOST_NEWTON_STEPS: usize = 12;
/// Change of a margin under which Newton's method has arrived.
const ARRIVED: f32 = 0.02;
const TOLERANCE: f32 = 0.01;
const AT_REST: f32 = 2e-3;
/// Margin of the padding classes: no probability.
const NEVER: f32 = -1e4;
/// Most that a margin moves in one Newton step.
const LONGEST_STEP: f32 = 4.0;
/// Most halvings of a step; where none of them leads down, rounding is all that is left.
const MOST_HALVINGS: usize = 6;

/// Where a regression starts, and what it is drawn to instead of to zero.
pub(super) struct Start {
    pub(super) weights: Weights,
    /// For each row, what its own class's margin would lose had the start been made without the row: a start that knows
    /// the row already would leave nothing to learn from it.
    pub(super) own: Vec<f32>,
}

impl Start {
    /// No weights for any feature.
    pub(super) fn zero(matrix: &Matrix, rows: &Rows) -> Self {
        Self { weights: Weights::zero(features(matrix), rows.classes), own: Vec::new() }
    }
}

/// Fits the regression. The penalty is on the distance to the weights of `start`.
pub(super) fn fit(matrix: &Matrix, rows: &Rows, cost: f32, start: Start, seed: u64) -> Weights {
    let Start { mut weights, own } = start;
    let mut state = State {
        matrix,
        rows,
        cost,
        weights: &mut weights,
        own: &own,
        share: rows.truth.clone(),
        resting: vec![0; rows.len()],
    };
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let mut random = Random::derived(seed, 3);
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
    weights
}

struct State<'a> {
    matrix: &'a Matrix,
    rows: &'a Rows,
    cost: f32,
    weights: &'a mut Weights,
    own: &'a [f32],
    /// The probabilities that each row's share of the weights was made with; the truth itself at first: no share.
    share: Vec<f32>,
    resting: Vec<u32>,
}

impl State<'_> {
    #[inline(always)]
    fn epoch(&mut self, order: &[u32], epoch: u32) -> f32 {
        let (stride, classes) = (self.rows.stride, self.rows.classes);
        let mut margins = vec![0.0; stride];
        let mut target = vec![0.0; stride];
        let mut p = vec![0.0; stride];
        let mut newton = Newton { step: vec![0.0; stride], next: vec![0.0; stride] };
        let mut worst = 0.0_f32;
        for &row in order {
            let row = row as usize;
            if self.resting[row] > 0 {
                self.resting[row] -= 1;
                continue;
            }
            let entries = self.matrix.row(row);
            let cost = self.cost * self.rows.weights[row];
            let scale = cost * (1.0 + entries.iter().map(|(_, v)| v * v).sum::<f32>());
            self.weights.margins_into(entries, &mut margins);
            margins[classes..].fill(NEVER);
            if let Some(own) = self.own.get(row) {
                margins
                    .iter_mut()
                    .zip(self.rows.truth(row))
                    .for_each(|(margin, truth)| *margin -= own * truth);
            }
            let share = &mut self.share[row * stride..][..stride];
            for c in 0..stride {
                target[c] = margins[c] + scale * share[c];
            }
            newton.minimise(&mut margins, &target, scale, &mut p);
            let mut largest = 0.0_f32;
            for c in 0..stride {
                let step = share[c] - p[c];
                largest = largest.max(step.abs());
                share[c] = p[c];
                p[c] = step * cost;
            }
            worst = worst.max(largest);
            if largest < AT_REST && epoch > 1 {
                self.resting[row] = 3;
            }
            self.weights.add(entries, &p);
        }
        worst
    }
}

/// Room for Newton's method.
struct Newton {
    step: Vec<f32>,
    next: Vec<f32>,
}

impl Newton {
    /// Moves `z` to the minimum of `|z - target|^2 / 2 + scale logsumexp(z)`; `p` becomes its softmax.
    #[inline(always)]
    fn minimise(&mut self, z: &mut Vec<f32>, target: &[f32], scale: f32, p: &mut [f32]) {
        let mut value = objective(z, target, scale, p);
        for _ in 0..MOST_NEWTON_STEPS {
            let largest = self.direction(z, target, scale, p);
            let mut length = (LONGEST_STEP / largest).min(1.0);
            for halving in 0.. {
                for ((next, z), step) in self.next.iter_mut().zip(z.iter()).zip(&self.step) {
                    *next = z - length * step;
                }
                let reached = objective(&self.next, target, scale, p);
                if reached <= value {
                    value = reached;
                    std::mem::swap(z, &mut self.next);
                    break;
                }
                if halving == MOST_HALVINGS {
                    objective(z, target, scale, p);
                    return;
                }
                length *= 0.5;
            }
            if largest < ARRIVED {
                break;
            }
        }
    }

    /// Newton's step at `z`, to be subtracted; the largest change of a margin.
    ///
    /// The Hessian is D + scale (diag p - p p'), D the unit matrix; its inverse is by Sherman and Morrison.
    #[inline(always)]
    fn direction(&mut self, z: &[f32], target: &[f32], scale: f32, p: &[f32]) -> f32 {
        let (mut along, mut curvature) = (0.0_f32, 0.0_f32);
        for c in 0..z.len() {
            let residual = z[c] + scale * p[c] - target[c];
            let inverse = p[c] / (1.0 + scale * p[c]);
            along += inverse * residual;
            curvature += inverse * p[c];
        }
        let common = scale * along / (1.0 - scale * curvature);
        let mut largest = 0.0_f32;
        for c in 0..z.len() {
            let residual = z[c] + scale * p[c] - target[c];
            self.step[c] = (residual + common * p[c]) / (1.0 + scale * p[c]);
            largest = largest.max(self.step[c].abs());
        }
        largest
    }
}

/// The objective at `z`, whose softmax goes into `p`.
#[inline(always)]
fn objective(z: &[f32], target: &[f32], scale: f32, p: &mut [f32]) -> f32 {
    let largest = z.iter().copied().fold(NEVER, f32::max);
    let (mut sum, mut distance) = (0.0_f32, 0.0_f32);
    for c in 0..z.len() {
        p[c] = exp32(z[c] - largest);
        sum += p[c];
        let away = z[c] - target[c];
        distance += away * away;
    }
    let factor = 1.0 / sum;
    p.iter_mut().for_each(|p| *p *= factor);
    0.5 * distance + scale * (largest + libm::logf(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_is_found_from_far_away_at_any_scale() {
        let mut random = Random::new(5);
        for scale in [0.1, 3.0, 40.0, 200.0, 1000.0_f32] {
            for _ in 0..200 {
                let uniform = |random: &mut Random| random.below(2001) as f32 / 1000.0 - 1.0;
                let mut target: Vec<f32> = (0..60).map(|_| 10.0 * uniform(&mut random)).collect();
                target[random.below(60)] += scale;
                let mut z: Vec<f32> = (0..60).map(|_| 10.0 * uniform(&mut random)).collect();
                let mut p = vec![0.0; 60];
                let mut newton = Newton { step: vec![0.0; 60], next: vec![0.0; 60] };
                // A row is visited in epoch after epoch.
                (0..5).for_each(|_| newton.minimise(&mut z, &target, scale, &mut p));
                for c in 0..60 {
                    let residual = z[c] + scale * p[c] - target[c];
                    assert!(residual.abs() < 0.02 + 1e-3 * scale, "scale {scale}: {residual}");
                }
            }
        }
    }
}
