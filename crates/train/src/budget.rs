//! How the time allowed is shared out.
//!
//! Of the timeout, the nested cross-validation may use up to 40 %, the final search what is left up to 85 %,
//! and the rest belongs to the refit, the calibration and the evaluation; more than the rest where the first
//! round shows that they will take longer.

use crate::cuts::Plan;
use crate::halving;
use crate::search::{FINALISTS, ROUND};

const OUTER_SHARE: f64 = 0.40;
const RESERVED_SHARE: f64 = 0.15;
/// How much longer than measured the refit may take.
const CAUTION: f64 = 1.5;
/// Folds of an inner search.
const INNER_FOLDS: usize = 3;

/// What the first round of the final search measured, and what the resource allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Seconds allowed for everything.
    pub(crate) timeout: Option<f64>,
    /// Folds of the final search.
    pub(crate) folds: usize,
    /// Rows held out in each of them.
    pub(crate) rows: usize,
    /// Most trials of the final search.
    pub(crate) trials: usize,
    /// Trials of a first round.
    pub(crate) guesses: usize,
    /// Seconds until the end of the first round.
    pub(crate) first_round: f64,
}

impl Budget {
    /// Seconds for one fit, on all threads together.
    pub(crate) fn seconds_per_fit(&self) -> f64 {
        self.first_round / halving::fits(self.guesses, self.folds, self.rows).max(1) as f64
    }

    /// When the nested cross-validation ends at the latest.
    pub(crate) fn outer_end(&self) -> f64 {
        self.timeout.map_or(f64::INFINITY, |timeout| OUTER_SHARE * timeout)
    }

    /// When the final search ends at the latest.
    pub(crate) fn search_end(&self) -> f64 {
        let Some(timeout) = self.timeout else { return f64::INFINITY };
        // Completing the finalists and fitting two components on all rows.
        let tail = self.seconds_per_fit() * ((FINALISTS - 1) * self.folds + 3) as f64;
        timeout - (RESERVED_SHARE * timeout).max(CAUTION * tail)
    }

    /// Fits of the final search for which there is time after `elapsed` seconds.
    pub(crate) fn fits_until_search_end(&self, elapsed: f64) -> usize {
        ((self.search_end() - elapsed) / self.seconds_per_fit()).max(0.0) as usize
    }

    fn inner_folds(&self) -> usize {
        self.folds.clamp(2, INNER_FOLDS)
    }

    /// Fits that a round of an inner search costs.
    pub(crate) fn inner_fits(&self, trials: usize) -> usize {
        let training = self.rows * (self.folds - 1);
        halving::fits(trials, self.inner_folds(), training / self.inner_folds())
    }

    /// How many outer folds and inner trials fit.
    pub(crate) fn plan(&self) -> Plan {
        let inner_folds = self.inner_folds();
        let most_trials = self.trials.min((self.trials / 2).max(self.guesses));
        let whole = Plan { outer_folds: self.folds, inner_folds, inner_trials: most_trials };
        if self.timeout.is_none() {
            return whole;
        }
        let left = self.outer_end() - self.first_round;
        let fit = self.seconds_per_fit();
        let inner_fit = fit * (inner_folds - 1) as f64 / inner_folds as f64;
        let first = inner_fit * self.inner_fits(self.guesses) as f64;
        let further = inner_fit * self.inner_fits(ROUND) as f64;
        let closing = inner_fit * ((FINALISTS - 1) * inner_folds) as f64 + 2.0 * fit;
        let each = left / self.folds as f64;
        if each < first + closing {
            let outer_folds = (left / (first + closing)).max(0.0) as usize;
            return Plan {
                outer_folds: outer_folds.min(self.folds),
                inner_trials: most_trials.min(self.guesses),
                ..whole
            };
        }
        let rounds = ((each - first - closing) / further.max(f64::MIN_POSITIVE)).min(1e6) as usize;
        Plan { inner_trials: most_trials.min(self.guesses + rounds * ROUND), ..whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(timeout: Option<f64>, first_round: f64) -> Budget {
        Budget { timeout, folds: 5, rows: 1000, trials: 40, guesses: 7, first_round }
    }

    #[test]
    fn without_a_timeout_every_fold_is_searched() {
        assert_eq!(budget(None, 9.0).plan(), Plan { outer_folds: 5, inner_folds: 3, inner_trials: 20 });
    }

    #[test]
    fn a_short_time_gives_fewer_inner_trials_then_fewer_folds() {
        assert_eq!(
            budget(Some(600.0), 1.0).plan(),
            Plan { outer_folds: 5, inner_folds: 3, inner_trials: 20 }
        );
        let tight = budget(Some(60.0), 3.0).plan();
        assert!(tight.outer_folds == 5 && tight.inner_trials < 20, "{tight:?}");
        let tighter = budget(Some(30.0), 4.0).plan();
        assert!(tighter.outer_folds < 5 && tighter.inner_trials == 7, "{tighter:?}");
        assert_eq!(budget(Some(5.0), 4.0).plan().outer_folds, 0);
    }

    #[test]
    fn the_reserve_grows_with_the_cost_of_a_fit() {
        assert!((budget(Some(100.0), 1.0).search_end() - 85.0).abs() < 1e-9);
        assert!(budget(Some(100.0), 40.0).search_end() < 60.0);
    }
}
