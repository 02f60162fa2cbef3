//! Losses of classifiers and their gradients.

use loquat_models::math::{sigmoid32, softmax};

/// What the labels of an example mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// One of several: cross entropy over a softmax.
    SingleLabel,
    /// Any number of them: the sum over labels of the cross entropy of a sigmoid each.
    MultiLabel,
}

impl Targets {
    /// The loss of one example, and its gradient in the place of `logits`. Of one label a text `shares` go before `labels` where
    /// there are any: the cross entropy against them.
    pub(crate) fn loss(self, logits: &mut [f32], labels: &[u32], shares: &[(u32, f32)]) -> f64 {
        // A softmax over numbers that are none may look like probabilities.
        if !logits.iter().all(|logit| logit.is_finite()) {
            return f64::NAN;
        }
        let lost = |probability: f32| -f64::from(probability.max(f32::MIN_POSITIVE)).ln();
        match self {
            Self::SingleLabel => {
                softmax(logits);
                if !shares.is_empty() {
                    let of = |(label, share): &(u32, f32)| f64::from(*share) * lost(logits[*label as usize]);
                    let loss = shares.iter().map(of).sum();
                    shares.iter().for_each(|(label, share)| logits[*label as usize] -= share);
                    return loss;
                }
                let Some(label) = labels.first() else {
                    logits.fill(0.0);
                    return 0.0;
                };
                let loss = lost(logits[*label as usize]);
                logits[*label as usize] -= 1.0;
                loss
            }
            Self::MultiLabel => {
                let mut loss = 0.0;
                for (logit, label) in logits.iter_mut().zip(0..) {
                    let probability = sigmoid32(*logit);
                    let is_there = labels.contains(&label);
                    loss += lost(if is_there { probability } else { 1.0 - probability });
                    *logit = probability - f32::from(u8::from(is_there));
                }
                loss
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 3] = [0.4, -1.2, 2.0];

    fn of(labels: &[u32], shares: &[(u32, f32)]) -> (f64, [f32; 3]) {
        let mut logits = LOGITS;
        let loss = Targets::SingleLabel.loss(&mut logits, labels, shares);
        (loss, logits)
    }

    #[test]
    fn the_loss_of_shares_is_the_mean_over_them() {
        let (first, last) = (of(&[0], &[]), of(&[2], &[]));
        let (loss, gradient) = of(&[2], &[(0, 0.25), (2, 0.75)]);
        assert!((loss - 0.25 * first.0 - 0.75 * last.0).abs() < 1e-6, "{loss}");
        for (place, found) in gradient.iter().enumerate() {
            let wanted = 0.25 * first.1[place] + 0.75 * last.1[place];
            assert!((found - wanted).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn nothing_is_to_learn_where_the_shares_are_met() {
        let logits = [0.7_f32.ln(), 0.2_f32.ln(), 0.1_f32.ln()];
        let mut gradient = logits;
        let loss = Targets::SingleLabel.loss(&mut gradient, &[0], &[(0, 0.7), (1, 0.2), (2, 0.1)]);
        assert!((loss - 0.801_818).abs() < 1e-5, "{loss}");
        assert!(gradient.iter().all(|one| one.abs() < 1e-6), "{gradient:?}");
    }
}
