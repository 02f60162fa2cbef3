//! How long a fine-tune may be: epochs by the time left, on the split and then on all rows, or on the split alone.

use serde_json::{Value, json};

use crate::linear::Parameters;

/// The fold whose held-out rows score a fine-tune.
pub(crate) const SPLIT: usize = 0;
/// Share of the time left that fine-tuning plans with.
const PLANNED: f64 = 0.9;
/// What an epoch of both trainings costs, in epochs on all rows: the split has four fifths of them at most.
const BOTH: f64 = 1.8;
/// The same of the training on the split alone, with the rows that are answered after each epoch.
const SPLIT_ALONE: f64 = 0.8;
/// Fewest epochs worth beginning.
const LEAST_EPOCHS: usize = 2;
/// The parameters that say it.
const EPOCHS: &str = "epochs";
const REFIT: &str = "refit";

/// How long there is time to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Course {
    epochs: usize,
    /// Whether it is trained on all rows after the split.
    refit: bool,
}

impl Course {
    /// What there is time for in `seconds`, where an epoch on all rows costs `epoch` and more than `most` epochs are never useful;
    /// `None` where it is not worth to begin.
    pub(crate) fn within(seconds: f64, epoch: f64, most: usize) -> Option<Self> {
        let epochs = |refit| {
            let one = Self { epochs: 1, refit }.seconds(epoch);
            ((seconds / one) as usize).min(most)
        };
        // Half of the most are enough to learn what can be learned; with fewer, further epochs are worth more than further rows.
        let refit = epochs(true) * 2 >= most;
        let epochs = epochs(refit);
        (epochs >= LEAST_EPOCHS).then_some(Self { epochs, refit })
    }

    /// Seconds that it takes, where an epoch on all rows takes `epoch`.
    pub(crate) fn seconds(self, epoch: f64) -> f64 {
        let each = if self.refit { BOTH } else { SPLIT_ALONE };
        self.epochs as f64 * epoch * each / PLANNED
    }

    /// Writes it into the parameters of a trial.
    pub(crate) fn write(self, parameters: &mut Parameters) {
        parameters.insert(EPOCHS.to_owned(), json!(self.epochs));
        if !self.refit {
            parameters.insert(REFIT.to_owned(), json!(false));
        }
    }
}

/// Whether a fine-tune keeps the weights that it has of the split.
pub(crate) fn keeps_split(parameters: &Parameters) -> bool {
    parameters.get(REFIT).and_then(Value::as_bool) == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(seconds: f64) -> Option<(usize, bool)> {
        Course::within(seconds, 9.0, 10).map(|course| (course.epochs, course.refit))
    }

    #[test]
    fn few_epochs_on_all_rows_are_given_up_for_more_on_the_split() {
        // With a tenth to spare an epoch of both takes 18 s, one on the split alone 8 s.
        assert_eq!(within(1000.0), Some((10, true)));
        assert_eq!(within(91.0), Some((5, true)));
        assert_eq!(within(89.0), Some((10, false)));
        assert_eq!(within(25.0), Some((3, false)));
        assert_eq!(within(15.0), None);
    }

    #[test]
    fn what_is_planned_fits() {
        for seconds in [17.0, 40.0, 88.0, 93.0, 170.0, 400.0] {
            let course = Course::within(seconds, 9.0, 10).unwrap();
            assert!(course.seconds(9.0) <= seconds, "{course:?} in {seconds}");
        }
    }
}
