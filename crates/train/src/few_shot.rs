//! The contrastive fine-tune of a search with few rows a label: cross-validated where there is time, else scored on one split.

use std::path::PathBuf;
use std::time::Instant;

use loquat_spec::Family;
use serde::{Deserialize, Serialize};

use crate::cuts::Cuts;
use crate::encoder::{FewShotConfig, FewTexts, has_few_rows, is_head, leaves_heads};
use crate::error::{Halt, TrainError};
use crate::families::first_guesses;
use crate::journal::Record;
use crate::linear::Parameters;
use crate::metrics::utility;
use crate::recipe::Recipe;
use crate::run::Run;
use crate::search::{ALL_ROWS, Search, Trial};
use crate::train::LAST_CALL;
use crate::tuning::{on_split, recipe};

/// How much longer than measured a fit may take.
const CAUTION: f64 = 1.3;

/// How a contrastive fine-tune is scored, as it was decided by the time left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FewShotPlan {
    /// Its trial's parameters.
    pub parameters: Parameters,
    /// Folds that are held out in turn; one: a split.
    pub folds: usize,
}

/// A fold that was held out.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    key: String,
    /// `[rows, classes]`.
    margins: Vec<f32>,
    seconds: f64,
}

/// Seconds that belong to the contrastive fine-tune of a run with few rows: those of every fold, and of all rows.
pub(crate) fn seconds(run: &Run<'_>, folds: usize) -> Result<f64, Halt> {
    let guesses = first_guesses(&run.problem);
    let Some(head) = guesses.iter().find(|guess| is_head(guess)).filter(|_| has_few_rows(run)) else {
        return Ok(0.0);
    };
    match timed(run, head) {
        Err(Halt::Error(error)) if leaves_heads(&error) => Ok(0.0),
        fit => Ok(fit?.1 * (folds + 1) as f64 * CAUTION),
    }
}

/// The parameters of a fine-tune that starts from `head`, and the seconds of one fit.
fn timed(run: &Run<'_>, head: &Parameters) -> Result<(Parameters, f64), Halt> {
    let place = backbone_of(head)?;
    let texts = FewTexts::new(run, place)?;
    let parameters = FewShotConfig::parameters(&texts, head)?;
    let config = FewShotConfig::from_parameters(&parameters, 0).map_err(TrainError::from)?;
    let seconds = config.seconds(run, &texts)?;
    Ok((parameters, seconds))
}

fn backbone_of(head: &Parameters) -> Result<usize, Halt> {
    Ok(crate::encoder::HeadConfig::from_parameters(head).map_err(TrainError::from)?.backbone)
}

/// The contrastive fine-tune with the best head among `recipes`, as one more recipe and trial; `None` where rows are many,
/// there is no such head, no time, or no backward pass for its backbone.
pub(crate) fn contrasted(
    run: &Run<'_>,
    (search, cuts): (&mut Search<'_>, &mut Cuts),
    recipes: &[Recipe],
    notes: &mut Vec<String>,
) -> Result<Option<Recipe>, Halt> {
    let is_own = |recipe: &&Recipe| {
        recipe.family() == Family::Encoder && recipe.ingredients.iter().all(|part| is_head(&part.parameters))
    };
    let (Some(best), Some(head)) = (recipes.first(), recipes.iter().find(is_own)) else { return Ok(None) };
    if !has_few_rows(run) {
        return Ok(None);
    }
    let folds = search.folds().count();
    let planned = match plan(run, &head.ingredients[0].parameters, folds) {
        Err(Halt::Error(error)) if leaves_heads(&error) => {
            notes.push(format!("no backbone learned from pairs of the few rows: {error}"));
            return Ok(None);
        }
        planned => planned?,
    };
    cuts.few_shot.clone_from(&planned);
    let Some(FewShotPlan { parameters, folds }) = planned else {
        let note = "no backbone learned from pairs of the few rows: too little time was left; raise spec.search.timeout";
        notes.push(note.to_owned());
        return Ok(None);
    };
    let number = search.trials.len();
    let utilities = vec![None; search.folds().count()];
    let mut trial = Trial { number, parameters, utilities, seconds: 0.0, failure: None };
    let seed = search.fit_seed(number, ALL_ROWS);
    let made = evidence(run, search, &mut trial, (folds, seed));
    let (rows, margins) = match made {
        Ok(made) => made,
        Err(Halt::Error(error)) if leaves_heads(&error) => {
            notes.push(format!("trial {number}, tuned on pairs of the few rows, gave no model: {error}"));
            trial.failure = Some(error.to_string());
            search.trials.push(trial);
            return Ok(None);
        }
        Err(Halt::Cancelled) if run.request.cancel.level() == 1 => {
            notes.push("the fine-tune on pairs of the few rows was ended before it had a score".to_owned());
            cuts.few_shot = None;
            return Ok(None);
        }
        Err(halt) => return Err(halt),
    };
    let mut recipe = recipe(run, (&rows, &margins), seed, &trial);
    let mean = trial.mean().unwrap_or(f64::NEG_INFINITY);
    let whole = folds == search.folds().count();
    recipe.utility =
        if whole { mean } else { best.utility + mean - on_split(run, best, search.folds().eval(0).len()) };
    notes.push(told(run, &trial, (head, best), whole));
    search.trials.push(trial);
    Ok(Some(recipe))
}

fn told(run: &Run<'_>, trial: &Trial, (head, best): (&Recipe, &Recipe), whole: bool) -> String {
    let metric = run.problem.metric;
    let shown = |value: f64| format!("{:.4}", utility(metric, value));
    let how = if whole {
        format!("cross-validated on all {} folds like the trials before it", trial.utilities.len())
    } else {
        "scored on the held-out rows of one split, since there was no time for every fold".to_owned()
    };
    format!(
        "trial {} tunes the backbone of trial {} on pairs drawn from the labels, few as the rows are, and fits a head on it; it was \
         {how} ({} {}, the best before it {})",
        trial.number,
        head.ingredients[0].trial,
        metric.as_str(),
        shown(trial.mean().unwrap_or(f64::NAN)),
        shown(best.utility),
    )
}

/// As it was decided before, else by the time that is left.
fn plan(run: &Run<'_>, head: &Parameters, folds: usize) -> Result<Option<FewShotPlan>, Halt> {
    if let Some(cuts) = &run.replay {
        return Ok(cuts.few_shot.clone());
    }
    if let Some(known) = &run.past.few_shot {
        return Ok(known.clone());
    }
    let (parameters, fit) = timed(run, head)?;
    let left = run
        .request
        .training
        .search
        .timeout
        .map_or(f64::INFINITY, |timeout| LAST_CALL * timeout.as_secs_f64() - run.elapsed());
    let fits = |folds: usize| left >= fit * (folds + 1) as f64 * CAUTION;
    let folds = [folds, 1].into_iter().find(|folds| fits(*folds));
    let plan = folds.map(|folds| FewShotPlan { parameters, folds });
    run.journal.append(&Record::FewShot { plan: plan.clone(), elapsed: run.elapsed() })?;
    Ok(plan)
}

/// Held-out rows with their margins, fold after fold; notes what each fold reached in `trial`.
fn evidence(
    run: &Run<'_>,
    search: &Search<'_>,
    trial: &mut Trial,
    (folds, seed): (usize, u64),
) -> Result<(Vec<usize>, Vec<f32>), Halt> {
    let texts = FewTexts::new(run, backbone_of_trial(trial, seed)?)?;
    let (mut rows, mut margins) = (Vec::new(), Vec::new());
    for fold in 0..folds {
        let eval = search.folds().eval(fold);
        let seed = search.fit_seed(trial.number, fold as u64);
        let config = FewShotConfig::from_parameters(&trial.parameters, seed).map_err(TrainError::from)?;
        let key = format!("{} few-shot {fold} {config:?}", run.inputs);
        let held = match read(run, fold, &key) {
            Some(known) => known,
            None => {
                let start = Instant::now();
                let margins = config.margins(run, &texts, (search.folds().train(fold), eval))?;
                let held = Held { key, margins, seconds: start.elapsed().as_secs_f64() };
                write(run, fold, &held)?;
                held
            }
        };
        trial.seconds += held.seconds;
        trial.utilities[fold] = Some(run.problem.fold_utility(eval, &held.margins));
        rows.extend_from_slice(eval);
        margins.extend(held.margins);
    }
    Ok((rows, margins))
}

fn backbone_of_trial(trial: &Trial, seed: u64) -> Result<usize, Halt> {
    let config = FewShotConfig::from_parameters(&trial.parameters, seed).map_err(TrainError::from)?;
    Ok(config.head.backbone)
}

fn place(run: &Run<'_>, fold: usize) -> PathBuf {
    run.request.run_dir.join("few-shot").join(format!("fold-{fold}.json"))
}

fn read(run: &Run<'_>, fold: usize, key: &str) -> Option<Held> {
    let held: Held = serde_json::from_slice(&std::fs::read(place(run, fold)).ok()?).ok()?;
    (held.key == key).then_some(held)
}

fn write(run: &Run<'_>, fold: usize, held: &Held) -> Result<(), TrainError> {
    let path = place(run, fold);
    let folder = path.parent().unwrap_or(&path);
    std::fs::create_dir_all(folder).map_err(TrainError::file("create", folder))?;
    std::fs::write(&path, serde_json::to_string(held)?).map_err(TrainError::file("write", &path))
}
