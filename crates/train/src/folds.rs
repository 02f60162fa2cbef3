//! Stratified, grouped folds.
//!
//! Rows of one group (the group column, else the normalised text, so that duplicates stay together) are never
//! on both sides. Groups are dealt out largest first, those with the rarest labels before others, each to the
//! fold in which its labels are rarest so far: the greedy rule of scikit-learn's `StratifiedGroupKFold`, in
//! the form that also serves several labels a row (Sechidis et al. 2011). Rows with a label that has fewer
//! rows than there are folds are in every training side and in no evaluation side.

use std::collections::BTreeMap;

use crate::random::mix;

/// What folding needs to know of all rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoldInput<'a> {
    /// Labels of each row.
    pub(crate) labels: &'a [Vec<u32>],
    /// Group of each row.
    pub(crate) groups: &'a [u32],
    /// Number of labels.
    pub(crate) classes: usize,
}

/// The folds of a pool of rows.
#[derive(Debug, Clone)]
pub(crate) struct Folds {
    train: Vec<Vec<usize>>,
    eval: Vec<Vec<usize>>,
    /// Rows in no evaluation side.
    pinned: usize,
}

struct Group {
    rows: Vec<usize>,
    counts: Vec<(u32, f64)>,
    rarest: usize,
    order: u64,
}

impl Folds {
    /// Deals the rows of `pool` into `folds` folds. `None` when fewer than two folds get rows.
    pub(crate) fn new(input: FoldInput<'_>, pool: &[usize], folds: usize, seed: u64) -> Option<Self> {
        let totals = label_totals(input, pool);
        let rare = |row: usize| input.labels[row].iter().any(|label| totals[*label as usize] < folds);
        let free: Vec<usize> = pool.iter().copied().filter(|row| !rare(*row)).collect();
        let mut dealt = deal(groups(input, &free, &totals, seed), &totals, folds, free.len());
        dealt.retain(|rows| !rows.is_empty());
        if dealt.len() < 2 {
            return None;
        }
        let mut eval = Vec::with_capacity(dealt.len());
        let mut train = Vec::with_capacity(dealt.len());
        for mut rows in dealt {
            rows.sort_unstable();
            train.push(pool.iter().copied().filter(|row| rows.binary_search(row).is_err()).collect());
            eval.push(rows);
        }
        Some(Self { train, eval, pinned: pool.len() - free.len() })
    }

    /// Number of folds.
    pub(crate) fn count(&self) -> usize {
        self.eval.len()
    }

    /// Rows to train on when `fold` is held out, in the pool's order.
    pub(crate) fn train(&self, fold: usize) -> &[usize] {
        &self.train[fold]
    }

    /// Rows held out in `fold`, sorted.
    pub(crate) fn eval(&self, fold: usize) -> &[usize] {
        &self.eval[fold]
    }

    /// Rows held out in a fold, on average.
    pub(crate) fn held_out(&self) -> usize {
        self.eval.iter().map(Vec::len).sum::<usize>() / self.eval.len().max(1)
    }

    /// Rows that are in training whatever the fold.
    pub(crate) fn pinned(&self) -> usize {
        self.pinned
    }
}

fn label_totals(input: FoldInput<'_>, pool: &[usize]) -> Vec<usize> {
    let mut totals = vec![0usize; input.classes];
    for label in pool.iter().flat_map(|row| &input.labels[*row]) {
        totals[*label as usize] += 1;
    }
    totals
}

fn groups(input: FoldInput<'_>, rows: &[usize], totals: &[usize], seed: u64) -> Vec<Group> {
    let mut by_id: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for row in rows {
        by_id.entry(input.groups[*row]).or_default().push(*row);
    }
    let build = |(id, rows): (u32, Vec<usize>)| {
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        for label in rows.iter().flat_map(|row| &input.labels[*row]) {
            *counts.entry(*label).or_default() += 1.0;
        }
        let rarest = counts.keys().map(|label| totals[*label as usize]).min().unwrap_or(usize::MAX);
        Group { rows, counts: counts.into_iter().collect(), rarest, order: mix(seed, &[u64::from(id)]) }
    };
    let mut groups: Vec<Group> = by_id.into_iter().map(build).collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.rows.len()), group.rarest, group.order));
    groups
}

/// Adding a group to a fold raises the sum of squared label shares; the fold where it rises least is taken.
fn deal(groups: Vec<Group>, totals: &[usize], folds: usize, rows: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0f64; totals.len()]; folds];
    let mut dealt: Vec<Vec<usize>> = vec![Vec::new(); folds];
    for group in groups {
        let cost = |fold: usize| {
            let square =
                |present: f64, added: f64, total: f64| added * (2.0 * present + added) / (total * total);
            let labels: f64 = group
                .counts
                .iter()
                .map(|(label, n)| square(counts[fold][*label as usize], *n, totals[*label as usize] as f64))
                .sum();
            labels + square(dealt[fold].len() as f64, group.rows.len() as f64, rows as f64)
        };
        let best = (0..folds)
            .min_by(|a, b| cost(*a).total_cmp(&cost(*b)).then(dealt[*a].len().cmp(&dealt[*b].len())))
            .unwrap_or(0);
        for (label, n) in &group.counts {
            counts[best][*label as usize] += n;
        }
        dealt[best].extend(group.rows);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singles(labels: &[u32]) -> (Vec<Vec<u32>>, Vec<u32>, Vec<usize>) {
        let rows = labels.len();
        (labels.iter().map(|label| vec![*label]).collect(), (0..rows as u32).collect(), (0..rows).collect())
    }

    #[test]
    fn are_disjoint_complete_and_stratified() {
        let labels: Vec<u32> = (0..103).map(|i| u32::from(i % 4 == 0)).collect();
        let (labels, groups, pool) = singles(&labels);
        let folds =
            Folds::new(FoldInput { labels: &labels, groups: &groups, classes: 2 }, &pool, 5, 1).unwrap();
        let mut seen: Vec<usize> = (0..5).flat_map(|fold| folds.eval(fold).to_vec()).collect();
        seen.sort_unstable();
        assert_eq!(seen, pool);
        for fold in 0..5 {
            let ones = folds.eval(fold).iter().filter(|row| labels[**row] == [1]).count();
            assert!((5..=6).contains(&ones), "{ones} rows of the second class in fold {fold}");
            assert!((20..=21).contains(&folds.eval(fold).len()));
            assert!(folds.train(fold).iter().all(|row| folds.eval(fold).binary_search(row).is_err()));
            assert_eq!(folds.train(fold).len() + folds.eval(fold).len(), 103);
        }
    }

    #[test]
    fn keep_a_group_on_one_side() {
        let (labels, _, pool) = singles(&(0..90).map(|i| i % 3).collect::<Vec<u32>>());
        let groups: Vec<u32> = (0..90).map(|i| i / 7).collect();
        let folds =
            Folds::new(FoldInput { labels: &labels, groups: &groups, classes: 3 }, &pool, 4, 9).unwrap();
        for fold in 0..folds.count() {
            for row in folds.eval(fold) {
                assert!(folds.train(fold).iter().all(|other| groups[*other] != groups[*row]));
            }
        }
    }

    #[test]
    fn hold_rare_classes_in_training() {
        let mut labels = vec![0u32; 20];
        labels.extend([1; 20]);
        labels.extend([2; 3]);
        let (labels, groups, pool) = singles(&labels);
        let folds =
            Folds::new(FoldInput { labels: &labels, groups: &groups, classes: 3 }, &pool, 5, 0).unwrap();
        assert_eq!(folds.pinned(), 3);
        for fold in 0..5 {
            assert!((40..43).all(|row| folds.train(fold).contains(&row)));
        }
    }

    #[test]
    fn refuse_when_nothing_can_be_held_out() {
        let (labels, groups, pool) = singles(&[0, 1, 2]);
        assert!(
            Folds::new(FoldInput { labels: &labels, groups: &groups, classes: 3 }, &pool, 2, 0).is_none()
        );
    }

    #[test]
    fn spread_several_labels_a_row() {
        let labels: Vec<Vec<u32>> = (0..60)
            .map(|i| (0..3u32).filter(|l| (i + *l as usize).is_multiple_of(2 + *l as usize)).collect())
            .collect();
        let groups: Vec<u32> = (0..60).collect();
        let pool: Vec<usize> = (0..60).collect();
        let folds =
            Folds::new(FoldInput { labels: &labels, groups: &groups, classes: 3 }, &pool, 3, 5).unwrap();
        for label in 0..3u32 {
            let counts: Vec<usize> = (0..3)
                .map(|f| folds.eval(f).iter().filter(|row| labels[**row].contains(&label)).count())
                .collect();
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 2, "{label}: {counts:?}");
        }
    }
}
