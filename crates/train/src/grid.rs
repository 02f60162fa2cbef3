//! A plain grid: given configurations, each evaluated on the same folds.

use loquat_data::Table;
use loquat_spec::Training;
use rayon::prelude::*;

use crate::error::TrainError;
use crate::linear::{LinearError, Parameters};
use crate::metrics::utility;
use crate::problem::Problem;
use crate::random::mix;
use crate::run;

/// What a grid reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Mean over the folds of the training's metric, for each configuration.
    pub values: Vec<f64>,
    /// The fold that holds out each row of the table; none for rows of the test split, and for rows of classes too small
    /// to be shared out, which are trained on in every fold.
    pub folds: Vec<Option<usize>>,
}

/// Evaluates each of `configurations`, given by the parameters that a report's trials have, on the folds that `training`
/// declares, `threads` fits at a time.
///
/// No budget, no halving, nothing registered: for comparing with other tools.
///
/// # Errors
/// When the data can't be folded, or a configuration can't be read or fitted.
pub fn evaluate_grid(
    training: &Training,
    table: &Table,
    configurations: &[Parameters],
    threads: usize,
) -> Result<Grid, TrainError> {
    let problem = Problem::new(training, table)?;
    let folds = problem.folds(&problem.pool, training.folds, training.search.seed)?;
    let evaluate = |(configuration, fold): (usize, usize)| {
        let seed = mix(training.search.seed, &[configuration as u64, fold as u64]);
        let (train, eval) = (folds.train(fold), folds.eval(fold));
        let margins = problem.margins(&configurations[configuration], (train, eval), seed)?;
        Ok(problem.fold_utility(eval, &margins))
    };
    let jobs: Vec<(usize, usize)> = (0..folds.count())
        .flat_map(|fold| (0..configurations.len()).map(move |configuration| (configuration, fold)))
        .collect();
    let utilities: Result<Vec<f64>, LinearError> =
        run::pool(threads)?.install(|| jobs.into_par_iter().with_max_len(1).map(evaluate).collect());
    let utilities = utilities?;
    let mean = |configuration: usize| {
        let of_folds = utilities.iter().skip(configuration).step_by(configurations.len());
        utility(training.metric, of_folds.sum::<f64>() / folds.count() as f64)
    };
    let values = (0..configurations.len()).map(mean).collect();
    let mut held_out = vec![None; table.rows.len()];
    for fold in 0..folds.count() {
        folds.eval(fold).iter().for_each(|row| held_out[*row] = Some(fold));
    }
    Ok(Grid { values, folds: held_out })
}
