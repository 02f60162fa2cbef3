//! One model for all languages against one for each: the same configuration, the same folds, the same rows.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::error::Halt;
use crate::random::mix;
use crate::recipe::Ingredient;
use crate::run::Run;
use crate::search::Search;

/// Index that names fits on one language.
const SEPARATE: u64 = 0x1A76;

/// Scores of both ways on the rows of one language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) joint: f64,
    pub(crate) separate: f64,
}

/// Compares the ways for each language that every fold can train on.
pub(crate) fn compare(
    run: &Run<'_>,
    search: &Search<'_>,
    part: &Ingredient,
) -> Result<BTreeMap<u32, Comparison>, Halt> {
    let problem = &run.problem;
    let folds = search.folds();
    let language = |row: usize| problem.table.rows[row].language;
    let languages: BTreeSet<u32> = problem.pool.iter().filter_map(|row| language(*row)).collect();
    let all: Vec<usize> = (0..folds.count()).collect();
    let Some(joint) = search.held_out(&[part.trial], &all)?.remove(&part.trial) else {
        return Ok(BTreeMap::new());
    };
    let rows: Vec<usize> = all.iter().flat_map(|fold| folds.eval(*fold)).copied().collect();
    let values = problem.places(&rows);
    let fit = |(wanted, fold): (u32, usize)| {
        let only = |rows: &[usize]| -> Vec<usize> {
            rows.iter().copied().filter(|row| language(*row) == Some(wanted)).collect()
        };
        let (train, eval) = (only(folds.train(fold)), only(folds.eval(fold)));
        let labels: BTreeSet<u32> = train.iter().flat_map(|row| &problem.labels()[*row]).copied().collect();
        if labels.len() < 2 || run.is_stopping() {
            return None;
        }
        let seed = mix(run.seed(), &[SEPARATE, u64::from(wanted), fold as u64]);
        // A language that this configuration can't be fitted on has no separate model to compare with.
        let margins = problem.margins(&part.parameters, (&train, &eval), seed).ok();
        problem.workspace.release(&train);
        margins
    };
    let one = |wanted: &u32| {
        let separate: Option<Vec<Vec<f32>>> = all.par_iter().map(|fold| fit((*wanted, *fold))).collect();
        let separate: Vec<f32> = separate?.into_iter().flatten().collect();
        let places: Vec<usize> =
            (0..rows.len()).filter(|place| language(rows[*place]) == Some(*wanted)).collect();
        let own: Vec<usize> = places.iter().map(|place| rows[*place]).collect();
        let joint: Vec<f32> =
            places.iter().flat_map(|place| &joint[values[*place].clone()]).copied().collect();
        let finite = separate.iter().all(|margin| margin.is_finite());
        (finite && !own.is_empty()).then(|| {
            (*wanted, Comparison { joint: value(run, &own, &joint), separate: value(run, &own, &separate) })
        })
    };
    let languages: Vec<u32> = languages.into_iter().collect();
    Ok(run.pool.install(|| languages.par_iter().filter_map(one).collect()))
}

fn value(run: &Run<'_>, rows: &[usize], margins: &[f32]) -> f64 {
    // Twice turned is the metric as it is reported.
    crate::metrics::utility(run.problem.metric, run.problem.fold_utility(rows, margins))
}
