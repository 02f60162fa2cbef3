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
    /// The loss of one example, and its gradient in the place of `logits`.
    pub(crate) fn loss(self, logits: &mut [f32], labels: &[u32]) -> f64 {
        // A softmax over numbers that are none may look like probabilities.
        if !logits.iter().all(|logit| logit.is_finite()) {
            return f64::NAN;
        }
        let lost = |probability: f32| -f64::from(probability.max(f32::MIN_POSITIVE)).ln();
        match self {
            Self::SingleLabel => {
                softmax(logits);
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
