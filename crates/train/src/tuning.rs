//! The fine-tune of a search: planned by the time that is left, compared with the search's best on the rows of one split.

use loquat_spec::Family;
use serde_json::json;

use crate::cuts::Cuts;
use crate::encoder::{FineTuneConfig, SPLIT, is_head, leaves_heads};
use crate::error::{Halt, TrainError};
use crate::families::first_guesses;
use crate::few_shot;
use crate::journal::Record;
use crate::linear::Parameters;
use crate::metrics::utility;
use crate::recipe::{Ingredient, Recipe};
use crate::run::Run;
use crate::search::{ALL_ROWS, Search, Trial};
use crate::train::LAST_CALL;

/// Share of the time allowed that the search has at least where a fine-tune follows it.
const SEARCH_SHARE: f64 = 0.35;
/// Share of the time allowed that is for what follows both.
const CLOSING_SHARE: f64 = 0.05;

/// Share of the time allowed that belongs to the search: all of it where a fine-tune would not end in the rest, and all that
/// the longest fine-tune leaves.
pub(crate) fn search_share(run: &Run<'_>) -> Result<f64, Halt> {
    let timeout = run.request.training.search.timeout;
    let (true, Some(timeout), None) =
        (run.problem.families.contains(&Family::Encoder), timeout, run.past.plan)
    else {
        return Ok(if run.problem.families.contains(&Family::Encoder) { SEARCH_SHARE } else { 1.0 });
    };
    let guesses = first_guesses(&run.problem);
    let Some(head) = guesses.iter().find(|guess| is_head(guess)) else { return Ok(1.0) };
    let epoch = match FineTuneConfig::seconds_of_an_epoch(run, head) {
        Err(Halt::Error(error)) if leaves_heads(&error) => return Ok(1.0),
        epoch => epoch?,
    };
    let timeout = (timeout.as_secs_f64() - run.spent()).max(f64::MIN_POSITIVE);
    let rest = (1.0 - SEARCH_SHARE - CLOSING_SHARE) * timeout;
    let share = match FineTuneConfig::course(run, rest, epoch) {
        None => 1.0,
        Some(course) => 1.0 - CLOSING_SHARE - course.seconds(epoch) / timeout,
    };
    let few = few_shot::seconds(run, run.request.training.folds)? / timeout;
    Ok((share - few).max(SEARCH_SHARE))
}

/// The fine-tune that starts from the best head among `recipes`, as one more recipe and trial; `None` where there is no time,
/// no such head, or no backward pass for its backbone.
pub(crate) fn fine_tuned(
    run: &Run<'_>,
    (search, cuts): (&mut Search<'_>, &mut Cuts),
    recipes: &[Recipe],
    notes: &mut Vec<String>,
) -> Result<Option<Recipe>, Halt> {
    let (Some(best), Some(head)) =
        (recipes.first(), recipes.iter().find(|recipe| recipe.family() == Family::Encoder))
    else {
        return Ok(None);
    };
    let planned = match plan(run, &head.ingredients[0].parameters) {
        Err(Halt::Error(error)) if leaves_heads(&error) => {
            notes.push(format!("no encoder was fine-tuned: {error}"));
            return Ok(None);
        }
        planned => planned?,
    };
    cuts.fine_tune.clone_from(&planned);
    let Some(parameters) = planned else {
        notes.push(
            "no encoder was fine-tuned: too little time was left; raise spec.search.timeout".to_owned(),
        );
        return Ok(None);
    };
    let trial = search.trials.len();
    let seed = search.fit_seed(trial, ALL_ROWS);
    let config = FineTuneConfig::from_parameters(&parameters, seed).map_err(TrainError::from)?;
    let rows = (search.folds().train(SPLIT), search.folds().eval(SPLIT));
    let mut entry = Trial {
        number: trial,
        parameters,
        utilities: vec![None; search.folds().count()],
        seconds: 0.0,
        failure: None,
    };
    let tuned = match config.on_split(run, rows) {
        Ok(tuned) => tuned,
        Err(Halt::Error(error)) if leaves_heads(&error) => {
            notes.push(format!("the fine-tune of trial {trial} gave no model: {error}"));
            entry.failure = Some(error.to_string());
            search.trials.push(entry);
            return Ok(None);
        }
        Err(Halt::Cancelled) if run.request.cancel.level() == 1 => {
            notes.push("the fine-tune was ended before it had a score".to_owned());
            cuts.fine_tune = None;
            return Ok(None);
        }
        Err(halt) => return Err(halt),
    };
    entry.seconds = tuned.seconds;
    entry.parameters.insert("taken".to_owned(), json!(tuned.taken));
    // Thresholds and calibrations of its own are fitted on one half of the rows and scored on the other.
    let value = run.problem.fold_utility(rows.1, &tuned.margins);
    entry.utilities[SPLIT] = Some(value);
    let mut recipe = recipe(run, (rows.1, &tuned.margins), seed, &entry);
    recipe.utility = best.utility + value - on_split(run, best, rows.1.len());
    notes.push(format!(
        "trial {trial} is a fine-tune of the backbone of trial {}: it was trained on one split and scored on its {} held-out rows \
         ({} {:.4}, the best of the search there {:.4}); all other trials are cross-validated, and so are the outer scores, \
         of searches without a fine-tune",
        head.ingredients[0].trial,
        rows.1.len(),
        run.problem.metric.as_str(),
        utility(run.problem.metric, value),
        utility(run.problem.metric, on_split(run, best, rows.1.len())),
    ));
    if recipe.keeps_split() {
        notes.push(format!(
            "trial {trial} keeps the weights of that split: there was no time for enough epochs on all rows too; a longer \
             spec.search.timeout gives it that"
        ));
    }
    search.trials.push(entry);
    Ok(Some(recipe))
}

/// What is fine-tuned and for how long: as it was decided before, else by the time that is left.
fn plan(run: &Run<'_>, from: &Parameters) -> Result<Option<Parameters>, Halt> {
    if let Some(cuts) = &run.replay {
        return Ok(cuts.fine_tune.clone());
    }
    if let Some(known) = &run.past.fine_tune {
        return Ok(known.clone());
    }
    let timeout = run.request.training.search.timeout;
    let left = timeout.map_or(f64::INFINITY, |timeout| LAST_CALL * timeout.as_secs_f64() - run.elapsed());
    let parameters = FineTuneConfig::plan(run, from, left)?;
    run.journal.append(&Record::FineTune { parameters: parameters.clone(), elapsed: run.elapsed() })?;
    Ok(parameters)
}

/// The fine-tune as a recipe that has no utility yet.
pub(crate) fn recipe(run: &Run<'_>, (rows, margins): (&[usize], &[f32]), seed: u64, trial: &Trial) -> Recipe {
    let problem = &run.problem;
    let calibration = problem.calibrate(rows, margins);
    let probabilities = problem.probabilities(&calibration, margins);
    let parameters = trial.parameters.clone();
    let ingredient = Ingredient { trial: trial.number, parameters, calibration, weight: 1.0, seed };
    Recipe {
        ingredients: vec![ingredient],
        thresholds: problem.thresholds(rows, &probabilities),
        utility: f64::NEG_INFINITY,
        rows: rows.to_vec(),
        probabilities,
    }
}

/// The metric of a recipe on its first `rows` held-out rows, which are those of the first fold; larger is better.
pub(crate) fn on_split(run: &Run<'_>, recipe: &Recipe, rows: usize) -> f64 {
    let problem = &run.problem;
    let values = &recipe.probabilities[..problem.values(&recipe.rows[..rows])];
    let answers = problem.answers(&recipe.rows[..rows], values, recipe.thresholds.as_deref());
    utility(problem.metric, answers.value(problem.metric))
}
