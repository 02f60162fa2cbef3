//! How the time allowed is shared out.
//!
//! Of the timeout, the nested cross-validation may use up to 40 %, the final search what is left up to 85 %,
//! and the rest belongs to the refit, the calibration and the evaluation; more than the rest where the first
//! round shows that they will take longer. Where time is short, every outer fold is still searched, in fewer
//! trials; only then are there fewer folds.

use crate::cuts::Plan;
use crate::halving;
use crate::search::{FINALISTS, ROUND};

const OUTER_SHARE: f64 = 0.40;
const RESERVED_SHARE: f64 = 0.15;
/// How much longer than measured the refit may take.
const CAUTION: f64 = 1.5;
/// Fewest trials of an inner search that is worth its name.
const LEAST_TRIALS: usize = 2;
/// Folds of an inner search.
const INNER_FOLDS: usize = 3;

/// What the first round of the final search measured, and what the resource allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Seconds allowed for everything after that.
    pub(crate) timeout: Option<f64>,
    /// Folds of the final search.
    pub(crate) folds: usize,
    /// Rows held out in each of them.
    pub(crate) rows: usize,
    /// Most trials of the final search.
    pub(crate) trials: usize,
    /// Trials of a first round.
    pub(crate) guesses: usize,
    /// Seconds that the first round took.
    pub(crate) first_round: f64,
    /// When it had ended, in seconds since the beginning.
    pub(crate) begun: f64,
    /// Seconds that had been spent on making backbones; the timeout counts from then on.
    pub(crate) spent: f64,
}

impl Budget {
    /// Seconds for one fit, on all threads together.
    pub(crate) fn seconds_per_fit(&self) -> f64 {
        self.first_round / halving::fits(self.guesses, self.folds, self.rows).max(1) as f64
    }

    /// When the nested cross-validation ends at the latest.
    pub(crate) fn outer_end(&self) -> f64 {
        self.timeout.map_or(f64::INFINITY, |timeout| self.spent + OUTER_SHARE * timeout)
    }

    /// When the final search ends at the latest.
    pub(crate) fn search_end(&self) -> f64 {
        let Some(timeout) = self.timeout else { return f64::INFINITY };
        // Completing the finalists and fitting two components on all rows.
        let tail = self.seconds_per_fit() * ((FINALISTS - 1) * self.folds + 3) as f64;
        self.spent + timeout - (RESERVED_SHARE * timeout).max(CAUTION * tail)
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
        let left = self.outer_end() - self.begun;
        let fit = self.seconds_per_fit();
        let inner_fit = fit * (inner_folds - 1) as f64 / inner_folds as f64;
        let first = |trials: usize| inner_fit * self.inner_fits(trials) as f64;
        let further = first(ROUND);
        // Trials that were given up early are completed where they are finalists: those that others do not replace.
        let closing =
            |trials: usize| inner_fit * (trials.min(FINALISTS) * inner_folds) as f64 / 2.0 + 2.0 * fit;
        let whole_fold = |trials: usize| first(trials) + closing(trials);
        let each = left / self.folds as f64;
        if each < whole_fold(self.guesses) {
            let least = LEAST_TRIALS.min(self.guesses);
            let trials = (least..=self.guesses).rev().find(|trials| whole_fold(*trials) <= each);
            let trials = trials.unwrap_or(least);
            let outer_folds = (left / whole_fold(trials)).max(0.0) as usize;
            return Plan {
                outer_folds: outer_folds.min(self.folds),
                inner_trials: most_trials.min(trials),
                ..whole
            };
        }
        let (first, closing) = (first(self.guesses), closing(self.guesses));
        let rounds = ((each - first - closing) / further.max(f64::MIN_POSITIVE)).min(1e6) as usize;
        Plan { inner_trials: most_trials.min(self.guesses + rounds * ROUND), ..whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(timeout: Option<f64>, first_round: f64) -> Budget {
        Budget {
            timeout,
            folds: 5,
            rows: 1000,
            trials: 40,
            guesses: 7,
            first_round,
            begun: first_round,
            spent: 0.0,
        }
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
        let tighter = budget(Some(40.0), 4.0).plan();
        assert!(tighter.outer_folds == 5 && (2..7).contains(&tighter.inner_trials), "{tighter:?}");
        let tightest = budget(Some(20.0), 4.0).plan();
        assert!((1..5).contains(&tightest.outer_folds) && tightest.inner_trials == 2, "{tightest:?}");
        assert_eq!(budget(Some(5.0), 4.0).plan().outer_folds, 0);
    }

    #[test]
    fn what_was_prepared_before_the_first_round_is_no_cost_of_a_fit() {
        let prepared = Budget { begun: 20.0, ..budget(Some(200.0), 2.0) };
        assert_eq!(prepared.plan().outer_folds, 5);
        assert!((prepared.seconds_per_fit() - budget(Some(200.0), 2.0).seconds_per_fit()).abs() < 1e-12);
    }

    #[test]
    fn what_was_spent_on_backbones_moves_all_ends() {
        let at_once = budget(Some(100.0), 1.0);
        let later = Budget { spent: 60.0, begun: 61.0, ..at_once };
        assert_eq!(later.plan(), at_once.plan());
        assert!((later.search_end() - at_once.search_end() - 60.0).abs() < 1e-9);
    }

    #[test]
    fn the_reserve_grows_with_the_cost_of_a_fit() {
        assert!((budget(Some(100.0), 1.0).search_end() - 85.0).abs() < 1e-9);
        assert!(budget(Some(100.0), 40.0).search_end() < 60.0);
    }
}
