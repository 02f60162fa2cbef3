//! From a search's best trials to what is fitted on all rows: one configuration or the average of two,
//! calibrated, with thresholds.

use std::collections::BTreeMap;

use loquat_models::{Calibration, Component};
use loquat_spec::Family;
use rayon::prelude::*;

use crate::encoder::{is_fine_tune, keeps_split};
use crate::error::{Halt, TrainError};
use crate::families::family;
use crate::linear::{LinearConfig, LinearError, Parameters};
use crate::metrics::utility;
use crate::problem::Problem;
use crate::run::Run;
use crate::search::{ALL_ROWS, FINALISTS, Search};

/// What the average of two must gain, since it doubles the artifact and the time of a prediction.
const LEAST_GAIN: f64 = 0.001;

/// A configuration with its share in the probabilities.
#[derive(Debug, Clone)]
pub(crate) struct Ingredient {
    pub(crate) trial: usize,
    pub(crate) parameters: Parameters,
    pub(crate) calibration: Calibration,
    pub(crate) weight: f32,
    /// Seed of the fit on all rows.
    pub(crate) seed: u64,
}

/// One or two configurations, ready to be fitted on all rows.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) ingredients: Vec<Ingredient>,
    pub(crate) thresholds: Option<Vec<f32>>,
    /// Mean of the metric over the folds, larger is better.
    pub(crate) utility: f64,
    /// Held-out rows, fold after fold, and their probabilities `[rows, classes]`.
    pub(crate) rows: Vec<usize>,
    pub(crate) probabilities: Vec<f32>,
}

impl Recipe {
    /// The family that it belongs to.
    pub(crate) fn family(&self) -> Family {
        self.ingredients.first().map_or(Family::Linear, |part| family(&part.parameters))
    }

    /// Whether it is a fine-tune, which nothing but the one split was held out from.
    pub(crate) fn is_fine_tune(&self) -> bool {
        self.ingredients.iter().any(|part| is_fine_tune(&part.parameters))
    }

    /// Whether it is a fine-tune that is not fitted again on all rows.
    pub(crate) fn keeps_split(&self) -> bool {
        self.ingredients.iter().any(|part| keeps_split(&part.parameters))
    }

    /// Probabilities `[eval, classes]` of the recipe fitted on `train`.
    pub(crate) fn predict(
        &self,
        run: &Run<'_>,
        train: &[usize],
        eval: &[usize],
    ) -> Result<Vec<f32>, LinearError> {
        let fit = |ingredient: &Ingredient| {
            let margins = run.problem.margins(&ingredient.parameters, (train, eval), ingredient.seed)?;
            Ok((ingredient.weight, run.problem.probabilities(&ingredient.calibration, &margins)))
        };
        let fitted: Result<Vec<(f32, Vec<f32>)>, LinearError> =
            run.pool.install(|| self.ingredients.par_iter().map(fit).collect());
        Ok(average(&fitted?))
    }

    /// The artifact's components, fitted on `train`.
    pub(crate) fn components(
        &self,
        run: &Run<'_>,
        train: &[usize],
        most_bytes: Option<u64>,
    ) -> Result<Vec<Component>, TrainError> {
        let share = most_bytes.map(|bytes| bytes / self.ingredients.len().max(1) as u64);
        let fit = |ingredient: &Ingredient| {
            let config = LinearConfig::from_parameters(&ingredient.parameters)?;
            let mut component = run.problem.workspace.component(&config, train, ingredient.seed, share)?;
            component.calibration = ingredient.calibration.clone();
            component.weight = ingredient.weight;
            Ok(component)
        };
        let fitted: Result<Vec<Component>, LinearError> =
            run.pool.install(|| self.ingredients.par_iter().map(fit).collect());
        Ok(fitted?)
    }
}

/// Recipes from `trials` in order of merit: averages of two of the first [`FINALISTS`] that win, then the
/// trials themselves.
pub(crate) fn recipes(
    search: &Search<'_>,
    run: &Run<'_>,
    trials: &[usize],
    folds: &[usize],
) -> Result<Vec<Recipe>, Halt> {
    let margins = search.held_out(trials, folds)?;
    let rows: Vec<usize> = folds.iter().flat_map(|fold| search.folds().eval(*fold)).copied().collect();
    let problem = &run.problem;
    let single = |trial: &usize| {
        let margins = margins.get(trial)?;
        let calibration = problem.calibrate(&rows, margins);
        let probabilities = problem.probabilities(&calibration, margins);
        let ingredient = Ingredient {
            trial: *trial,
            parameters: search.trials[*trial].parameters.clone(),
            calibration,
            weight: 1.0,
            seed: search.fit_seed(*trial, ALL_ROWS),
        };
        Some(finish(
            search,
            problem,
            folds,
            Recipe {
                ingredients: vec![ingredient],
                thresholds: None,
                utility: f64::NEG_INFINITY,
                rows: rows.clone(),
                probabilities,
            },
        ))
    };
    // The artifact of an encoder, and of a model of words, holds one model, so only others are averaged.
    let mixable = |recipe: &Recipe| recipe.family() == Family::Linear && problem.tagging.is_none();
    let singles: Vec<Recipe> = run.pool.install(|| trials.par_iter().filter_map(single).collect());
    let best = singles.iter().map(|recipe| recipe.utility).fold(f64::NEG_INFINITY, f64::max);
    let mixed: Vec<usize> =
        (0..singles.len().min(FINALISTS)).filter(|place| mixable(&singles[*place])).collect();
    let pairs: Vec<(usize, usize)> =
        mixed.iter().flat_map(|a| mixed.iter().map(move |b| (*a, *b))).filter(|(a, b)| a < b).collect();
    let pair = |(a, b): &(usize, usize)| {
        finish(search, problem, folds, blend(problem, &margins, [&singles[*a], &singles[*b]]))
    };
    let blended: Vec<Recipe> = run.pool.install(|| pairs.par_iter().map(pair).collect());
    let mut all: Vec<Recipe> =
        blended.into_iter().filter(|recipe| recipe.utility >= best + LEAST_GAIN).collect();
    all.extend(singles);
    all.sort_by(|a, b| b.utility.total_cmp(&a.utility));
    Ok(all)
}

/// The average of two recipes of one trial each, with calibrations made for it.
fn blend(problem: &Problem<'_>, margins: &BTreeMap<usize, Vec<f32>>, singles: [&Recipe; 2]) -> Recipe {
    let ingredients: Vec<&Ingredient> = singles.iter().flat_map(|recipe| &recipe.ingredients).collect();
    let values: Vec<&[f32]> = ingredients.iter().map(|part| margins[&part.trial].as_slice()).collect();
    let own: Vec<&Calibration> = ingredients.iter().map(|part| &part.calibration).collect();
    let calibrations = problem.calibrate_blend(&singles[0].rows, &own, &values);
    let weight = 1.0 / ingredients.len() as f32;
    let parts: Vec<(f32, Vec<f32>)> = calibrations
        .iter()
        .zip(&values)
        .map(|(calibration, margins)| (weight, problem.probabilities(calibration, margins)))
        .collect();
    let ingredients = ingredients
        .into_iter()
        .zip(calibrations)
        .map(|(part, calibration)| Ingredient { weight, calibration, ..part.clone() })
        .collect();
    let rows = singles[0].rows.clone();
    Recipe { ingredients, thresholds: None, utility: f64::NEG_INFINITY, rows, probabilities: average(&parts) }
}

/// Adds thresholds and the mean metric over folds.
fn finish(search: &Search<'_>, problem: &Problem<'_>, folds: &[usize], recipe: Recipe) -> Recipe {
    let thresholds = problem.thresholds(&recipe.rows, &recipe.probabilities);
    let mut sum = 0.0;
    let mut start = 0;
    for fold in folds {
        let rows = search.folds().eval(*fold);
        let values = &recipe.probabilities[start..][..problem.values(rows)];
        let answers = problem.answers(rows, values, thresholds.as_deref());
        sum += utility(problem.metric, answers.value(problem.metric));
        start += values.len();
    }
    Recipe { thresholds, utility: sum / folds.len().max(1) as f64, ..recipe }
}

fn average(parts: &[(f32, Vec<f32>)]) -> Vec<f32> {
    let length = parts.first().map_or(0, |(_, values)| values.len());
    let total: f32 = parts.iter().map(|(weight, _)| weight).sum();
    (0..length)
        .map(|index| parts.iter().map(|(weight, values)| weight * values[index]).sum::<f32>() / total)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_weighs_its_parts() {
        assert_eq!(average(&[(0.5, vec![0.2, 0.8]), (0.5, vec![0.6, 0.4])]), [0.4, 0.6]);
        assert_eq!(average(&[(1.0, vec![0.2, 0.8])]), [0.2, 0.8]);
    }
}
