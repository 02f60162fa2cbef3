//! What a student learns from a teacher: its probabilities, softened, besides the labels (Hinton, Vinyals and Dean 2015).

use loquat_models::math::{sigmoid32, softmax};

use crate::loss::Targets;

/// What logits are divided by before student and teacher are compared, so that the teacher's small probabilities count too.
const TEMPERATURE: f32 = 2.0;

/// What a teacher says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Taught {
    /// Its logits, `[labels]`; of one label a text they are known but for a constant.
    pub logits: Vec<f32>,
    /// Share of the labels' own loss in the sum; 0 where nobody knows the labels.
    pub hard: f32,
}

impl Targets {
    /// The loss of one example, and its gradient in the place of `logits`; with a teacher a mixture of the loss of its labels and
    /// of the divergence from the teacher, times the square of the temperature.
    pub(crate) fn taught(
        self,
        logits: &mut [f32],
        (labels, shares): (&[u32], &[(u32, f32)]),
        taught: Option<&Taught>,
    ) -> f64 {
        let Some(Taught { logits: teacher, hard }) = taught else { return self.loss(logits, labels, shares) };
        let mut softened: Vec<f32> = logits.iter().map(|logit| logit / TEMPERATURE).collect();
        let divergence = self.divergence(&mut softened, teacher);
        let of_labels = if *hard > 0.0 {
            self.loss(logits, labels, shares)
        } else {
            logits.fill(0.0);
            0.0
        };
        let soft = 1.0 - hard;
        for (logit, softened) in logits.iter_mut().zip(softened) {
            *logit = hard * *logit + soft * TEMPERATURE * softened;
        }
        f64::from(*hard) * of_labels + f64::from(soft * TEMPERATURE * TEMPERATURE) * divergence
    }

    /// The divergence of softened logits from the teacher's, and its gradient in their place.
    fn divergence(self, softened: &mut [f32], teacher: &[f32]) -> f64 {
        if !softened.iter().all(|logit| logit.is_finite()) {
            return f64::NAN;
        }
        let mut wanted: Vec<f32> = teacher.iter().map(|logit| logit / TEMPERATURE).collect();
        match self {
            Self::SingleLabel => {
                softmax(&mut wanted);
                softmax(softened);
            }
            Self::MultiLabel => {
                wanted.iter_mut().for_each(|one| *one = sigmoid32(*one));
                softened.iter_mut().for_each(|one| *one = sigmoid32(*one));
            }
        }
        let mut divergence = 0.0;
        for (found, wanted) in softened.iter_mut().zip(wanted) {
            divergence += surplus(wanted, *found);
            if self == Self::MultiLabel {
                divergence += surplus(1.0 - wanted, 1.0 - *found);
            }
            *found -= wanted;
        }
        divergence
    }
}

/// One term of a Kullback-Leibler divergence.
fn surplus(wanted: f32, found: f32) -> f64 {
    if wanted <= 0.0 {
        return 0.0;
    }
    let (wanted, found) = (f64::from(wanted), f64::from(found.max(f32::MIN_POSITIVE)));
    wanted * (wanted / found).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.4, -1.2, 2.0, 0.1];
    const TEACHER: [f32; 4] = [1.5, -0.5, 1.0, -2.0];

    fn taught(hard: f32) -> Taught {
        Taught { logits: TEACHER.to_vec(), hard }
    }

    /// As `tests/reference/make_masked.py` prints them.
    #[test]
    fn losses_and_gradients_are_those_of_pytorch() {
        let cases: [(Targets, &[u32], f64, [f32; 4]); 2] = [
            (Targets::SingleLabel, &[2], 0.564_788_2, [-0.251_154_4, -0.074_474_6, 0.132_567_3, 0.193_061_6]),
            (Targets::MultiLabel, &[0, 2], 1.055_315_4, [-0.301_476_4, -0.047_429_2, 0.116_278, 0.498_472]),
        ];
        for (targets, labels, loss, gradient) in cases {
            let mut found = LOGITS;
            let found_loss = targets.taught(&mut found, (labels, &[]), Some(&taught(0.3)));
            assert!((found_loss - loss).abs() < 1e-5, "{targets:?}: {found_loss}");
            let near = |(found, wanted): (&f32, &f32)| (found - wanted).abs() < 1e-5;
            assert!(found.iter().zip(&gradient).all(near), "{targets:?}: {found:?}");
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        const STEP: f32 = 1e-2;
        for targets in [Targets::SingleLabel, Targets::MultiLabel] {
            for hard in [0.0, 0.5, 1.0] {
                let loss = |place: usize, step: f32| {
                    let mut logits = LOGITS;
                    logits[place] += step;
                    targets.taught(&mut logits, (&[1], &[]), Some(&taught(hard)))
                };
                let mut gradient = LOGITS;
                targets.taught(&mut gradient, (&[1], &[]), Some(&taught(hard)));
                for (place, gradient) in gradient.into_iter().enumerate() {
                    let slope = (loss(place, STEP) - loss(place, -STEP)) / f64::from(2.0 * STEP);
                    assert!(
                        (slope - f64::from(gradient)).abs() < 1e-3,
                        "{targets:?} {hard}: {slope} {gradient}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_student_that_says_what_its_teacher_says_has_nothing_to_learn_from_it() {
        let mut logits = TEACHER;
        assert!(Targets::SingleLabel.taught(&mut logits, (&[], &[]), Some(&taught(0.0))).abs() < 1e-9);
        assert!(logits.iter().all(|gradient| gradient.abs() < 1e-6), "{logits:?}");
    }
}
