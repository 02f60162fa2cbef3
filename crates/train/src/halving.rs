//! Successive halving over folds (Jamieson and Talwalkar 2016): a round's trials meet one fold, the better
//! half of them half of the folds, the better half of those all folds. A rung with too few held-out rows to
//! tell trials apart is skipped.

/// Held-out rows under which the difference of two trials is mostly luck.
const LEAST_ROWS: usize = 300;

/// Numbers of folds that a trial has met after each rung; `rows` are held out in each fold.
pub(crate) fn rungs(folds: usize, rows: usize) -> Vec<usize> {
    let mut rungs = vec![1, folds.div_ceil(2), folds];
    rungs.retain(|met| *met == folds || met * rows >= LEAST_ROWS);
    rungs.dedup();
    rungs
}

/// The better half of `scored` (trial, utility), best first; at least one. Equal utilities keep the earlier
/// trial.
pub(crate) fn survivors(mut scored: Vec<(usize, f64)>) -> Vec<usize> {
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let keep = scored.len().div_ceil(2);
    scored.into_iter().take(keep).map(|(trial, _)| trial).collect()
}

/// Fits that a round of `trials` costs.
pub(crate) fn fits(trials: usize, folds: usize, rows: usize) -> usize {
    let mut left = trials;
    let mut met = 0;
    let mut fits = 0;
    for rung in rungs(folds, rows) {
        fits += left * (rung - met);
        met = rung;
        left = left.div_ceil(2);
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grow_to_all_folds() {
        for (folds, expected) in
            [(2, vec![1, 2]), (3, vec![1, 2, 3]), (5, vec![1, 3, 5]), (10, vec![1, 5, 10])]
        {
            assert_eq!(rungs(folds, 1000), expected);
        }
    }

    #[test]
    fn skip_rungs_that_decide_by_luck() {
        assert_eq!(rungs(5, 160), [3, 5]);
        assert_eq!(rungs(5, 20), [5]);
    }

    #[test]
    fn keep_the_better_half() {
        assert_eq!(
            survivors(vec![(4, 0.1), (5, 0.9), (6, 0.9), (7, f64::NEG_INFINITY), (8, 0.2)]),
            [5, 6, 8]
        );
        assert_eq!(survivors(vec![(0, 0.3)]), [0]);
    }

    #[test]
    fn cost_half_of_a_full_grid() {
        assert_eq!(fits(8, 5, 1000), 8 + 4 * 2 + 2 * 2);
    }
}
