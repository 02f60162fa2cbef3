//! The run from data to a registered version.

use std::collections::BTreeMap;
use std::path::Path;

use loquat_infer::Pipeline;
use loquat_spec::Constraints;
use loquat_store::{NewVersion, VersionRecord};

use crate::annotators;
use crate::artifact::{Built, build_first};
use crate::assemble;
use crate::baselines;
use crate::budget::Budget;
use crate::cuts::{Cuts, Stopped};
use crate::domains;
use crate::embedding;
use crate::encoder;
use crate::error::{Halt, TrainError};
use crate::evaluate;
use crate::families::{self, first_guesses};
use crate::few_shot;
use crate::folds::Folds;
use crate::halving;
use crate::inspection;
use crate::journal::Record;
use crate::languages;
use crate::learning_curve;
use crate::metrics::utility;
use crate::nested::{self, Outer};
use crate::out_of_fold;
use crate::promote;
use crate::quantisation;
use crate::recipe::{Ingredient, Recipe, recipes};
use crate::report::Report;
use crate::report_details::{Inspection, LearningCurve, Provenance};
use crate::request::{Outcome, Request, Trained};
use crate::run::{JOURNAL, Run};
use crate::search::{Search, SearchConfig};
use crate::tuning;

/// Candidates besides the finalists that constraints may fall back on.
const SUBSTITUTES: usize = 6;
/// Share of the timeout after which nothing optional is begun.
pub(crate) const LAST_CALL: f64 = 0.95;

/// Weights trained again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reproduction {
    /// SHA-256 of `model.safetensors` as it came out now.
    pub weights_digest: String,
    /// Whether it is the digest expected.
    pub identical: bool,
}

/// What a run has found out so far.
struct Found<'r> {
    search: Search<'r>,
    outer: Outer,
    cuts: Cuts,
    /// What a reader of the report must know beside.
    notes: Vec<String>,
}

/// Searches, evaluates, reports and registers a model for `request`.
///
/// Continues the run in `run_dir` when one with the same inputs was killed there. A run without a model is no
/// error: its outcome says `Cancelled` or `Failed`, and the report why.
pub fn train(request: &Request<'_>) -> Result<Trained, TrainError> {
    let run = Run::begin(request)?;
    if run.problem.pairs.is_some() {
        return embedding::train(&run);
    }
    let folds = run.final_folds()?;
    let mut found = Found {
        search: Search::new(&run, final_search(&run, &folds)),
        outer: Outer::default(),
        cuts: Cuts::default(),
        notes: Vec::new(),
    };
    let result = explore(&run, &folds, &mut found).and_then(|()| deliver(&run, &mut found));
    let trained = match result {
        Ok(trained) => trained,
        Err(Halt::Error(error)) => return Err(error),
        Err(Halt::Cancelled) => without_model(
            &run,
            &found,
            Outcome::Cancelled,
            "the training was ended before there was a model".to_owned(),
        ),
        Err(Halt::NoModel(reason)) => without_model(&run, &found, Outcome::Failed, reason),
    };
    write_results(&run, &trained.report)?;
    if matches!(trained.outcome, Outcome::Completed | Outcome::Failed) {
        run.journal.append(&Record::Finished { elapsed: run.elapsed() })?;
    }
    Ok(trained)
}

/// The hash of the inputs of the run in `run_dir`, where it did not end normally; calling [`train`] with the same inputs
/// continues it.
pub fn unfinished(run_dir: &Path) -> Option<String> {
    crate::journal::Journal::unfinished(&run_dir.join(JOURNAL))
}

/// Trains again with the decisions of an earlier run and compares the weights. Registers nothing and keeps no
/// journal.
pub fn reproduce(request: &Request<'_>, cuts: &Cuts, expected: &str) -> Result<Reproduction, TrainError> {
    let run = Run::repeat(request, cuts.clone())?;
    if run.problem.pairs.is_some() {
        return embedding::reproduce(&run, cuts, expected);
    }
    let folds = run.final_folds()?;
    let mut found = Found {
        search: Search::new(&run, final_search(&run, &folds)),
        outer: Outer::default(),
        cuts: cuts.clone(),
        notes: Vec::new(),
    };
    let mut repeat = || -> Result<Built, Halt> {
        encoder::prepare(&run)?;
        if cuts.stopped.is_none() {
            nested::rounds(&run, &mut found.search, f64::INFINITY)?;
        }
        let recipes = candidates(&run, &mut found)?;
        build_first(&run, &recipes)
    };
    let built = match repeat() {
        Ok(built) => built,
        Err(Halt::Error(error)) => return Err(error),
        Err(Halt::Cancelled) => {
            return Err(TrainError::Replay { reason: "it was ended before the weights were trained" });
        }
        Err(Halt::NoModel(_)) => {
            return Err(TrainError::Replay { reason: "the chosen trial gives no model" });
        }
    };
    let weights_digest = loquat_store::weights_digest(built.staging.path())?;
    Ok(Reproduction { identical: weights_digest == expected, weights_digest })
}

fn final_search<'f>(run: &Run<'_>, folds: &'f Folds) -> SearchConfig<'f> {
    SearchConfig { id: 0, folds, trials: run.request.training.search.trials }
}

/// The first round of the final search tells the cost of a fit; then come the outer folds, then the rest of
/// the search.
fn explore(run: &Run<'_>, folds: &Folds, found: &mut Found<'_>) -> Result<(), Halt> {
    let progress = run.request.progress;
    encoder::prepare(run)?;
    found.cuts.adaptation = run.adapted.get().copied();
    let guesses = first_guesses(&run.problem).len();
    let guesses = guesses.min(run.request.training.search.trials);
    progress.stage("first round", Some(halving::fits(guesses, folds.count(), folds.held_out()) as u64));
    let prepared = run.elapsed();
    found.search.round()?;
    if run.is_stopping() {
        return Ok(());
    }
    let (timeout, trials) = (run.request.training.search.timeout, run.request.training.search.trials);
    let begun = run.past.plan.map_or_else(|| run.elapsed(), |(_, when)| when);
    let share = if timeout.is_some() { tuning::search_share(run)? } else { 1.0 };
    let budget = Budget {
        timeout: timeout.map(|timeout| (timeout.as_secs_f64() - run.spent()) * share),
        folds: folds.count(),
        rows: folds.held_out(),
        trials,
        guesses,
        first_round: (begun - prepared).max(f64::MIN_POSITIVE),
        begun,
        spent: run.spent(),
    };
    let plan = run.past.plan.map_or_else(|| budget.plan(), |(plan, _)| plan);
    if run.past.plan.is_none() {
        run.journal.append(&Record::Plan { plan, elapsed: begun })?;
    }
    found.cuts.plan = Some(plan);
    let inner_fits = budget.inner_fits(plan.inner_trials) * plan.outer_folds;
    progress.stage("nested cross-validation", Some(inner_fits as u64));
    found.outer = nested::run(run, folds, plan, &budget)?;
    found.cuts.outer_rounds.clone_from(&found.outer.rounds);
    if run.is_stopping() {
        return Ok(());
    }
    let rest = halving::fits(trials.saturating_sub(guesses), folds.count(), folds.held_out());
    let known = rest <= budget.fits_until_search_end(run.elapsed());
    progress.stage("search", known.then_some(rest as u64));
    found.cuts.by_timeout = nested::rounds(run, &mut found.search, budget.search_end())?;
    Ok(())
}

/// Recipes in order of merit: from the finalists, or from the best trial seen when the user ended the search.
fn candidates(run: &Run<'_>, found: &mut Found<'_>) -> Result<Vec<Recipe>, Halt> {
    if let Some(stopped) = run.replay.as_ref().and_then(|cuts| cuts.stopped.clone()) {
        found.search.restore(stopped.trial, stopped.parameters.clone());
        return recipes(&found.search, run, &[stopped.trial], &stopped.folds);
    }
    found.cuts.rounds = found.search.rounds;
    if !run.is_stopping() {
        let all: Vec<usize> = (0..found.search.folds().count()).collect();
        let mut trials = found.search.finalists();
        if run.request.training.constraints != Constraints::default() {
            let others = found.search.ranking(true).into_iter().filter(|trial| !trials.contains(trial));
            let substitutes: Vec<usize> = others.take(SUBSTITUTES).collect();
            trials.extend(substitutes);
        }
        let mut recipes = recipes(&found.search, run, &trials, &all)?;
        let tuned =
            tuning::fine_tuned(run, (&mut found.search, &mut found.cuts), &recipes, &mut found.notes)?;
        let contrasted =
            few_shot::contrasted(run, (&mut found.search, &mut found.cuts), &recipes, &mut found.notes)?;
        for tuned in tuned.into_iter().chain(contrasted) {
            let place = recipes.partition_point(|recipe| recipe.utility > tuned.utility);
            recipes.insert(place, tuned);
        }
        return Ok(recipes);
    }
    let best = |complete| found.search.ranking(complete).first().copied();
    let Some(trial) = best(true).or_else(|| best(false)) else { return Err(Halt::Cancelled) };
    let folds = found.search.trials[trial].met();
    let parameters = found.search.trials[trial].parameters.clone();
    found.cuts.stopped = Some(Stopped { trial, parameters, folds: folds.clone() });
    recipes(&found.search, run, &[trial], &folds)
}

fn deliver(run: &Run<'_>, found: &mut Found<'_>) -> Result<Trained, Halt> {
    let progress = run.request.progress;
    progress.stage("refit", None);
    let recipes = candidates(run, found)?;
    if recipes.is_empty() {
        return Err(Halt::NoModel(no_trial(found)));
    }
    let mut built = build_first(run, &recipes)?;
    found.notes.append(&mut built.notes);
    found.cuts.candidate = built.place;
    let recipe = &recipes[built.place];
    progress.stage("evaluation", None);
    let pipeline = Pipeline::load(built.staging.path())?;
    let mut report = assemble::draft(run, &found.search, &found.outer, &found.cuts);
    let single = report.best_search.map(|best| utility(report.metric, best));
    let chosen = (!recipe.is_fine_tune()).then_some(recipe.utility);
    if let Some(best) = single.into_iter().chain(chosen).reduce(f64::max) {
        assemble::set_best(&mut report, utility(run.problem.metric, best));
    }
    report.chosen = recipe.ingredients.iter().map(|part| part.trial).collect();
    if recipe.keeps_split() {
        report.refit_on = format!("one split of {}", report.refit_on);
    }
    report.cost = Some(built.cost);
    report.pareto.clone_from(&built.pareto);
    report.trimming.clone_from(&built.trimming);
    assemble::set_origins(run, (&found.search, recipe), &pipeline, &mut report)?;
    report.notes.append(&mut found.notes);
    report.notes.extend(families::runner_up(&built.pareto, report.metric));
    let doubts = assemble::set_noise(&mut report, &run.problem, recipe);
    out_of_fold::write(run, recipe, &doubts)?;
    let test = (!run.problem.test.is_empty()).then(|| evaluate::measure(run, &pipeline)).transpose()?;
    if let Some(test) = &test {
        report.test = Some(evaluate::report(run, test)?);
        report.calibration = evaluate::calibration(&run.problem, test);
    }
    let outer;
    let (measured, on) = match &test {
        Some(test) => (test, "test"),
        None => {
            outer = assemble::outer_measured(&run.problem, &found.search, &found.outer);
            (&outer, "outer")
        }
    };
    assemble::set_measured(&mut report, &run.problem, measured, on);
    report.baselines.extend(baselines::untuned(run, measured));
    if let Some((alone, note)) = baselines::second_text_alone(run, measured) {
        report.baselines.push(alone);
        report.notes.extend(note);
    }
    report.inspection = Some(inspect(run, recipe, test.as_ref(), &pipeline)?);
    report.learning_curve = learning_curve(run, found, recipe, &mut report.notes);
    let comparisons = compare_languages(run, found, recipe, &mut report)?;
    assemble::set_languages(&mut report, &run.problem, measured, &comparisons);
    domains::set(run, &mut report, measured);
    annotators::set(run, &mut report, (recipe, test.as_ref()));
    quantisation::set(run, &mut report, (recipe, built.staging.path()), test.as_ref())?;
    let outcome = if run.is_stopping() { Outcome::StoppedEarly } else { Outcome::Completed };
    report.outcome = outcome;
    register(run, built, report, test.as_ref())
}

fn no_trial(found: &Found<'_>) -> String {
    let failure = found.search.trials.iter().find_map(|trial| trial.failure.as_deref());
    format!("no trial gave a model: {}", failure.unwrap_or("none was finished on every fold"))
}

/// What is confused and the worst mistakes: on the test rows, else on the rows held out in the final search.
fn inspect(
    run: &Run<'_>,
    recipe: &Recipe,
    test: Option<&evaluate::Measured>,
    pipeline: &Pipeline,
) -> Result<Inspection, TrainError> {
    match test {
        Some(test) => inspection::inspect(&run.problem, test, Some(pipeline), "test"),
        // The model was fitted on these rows, so it can't explain why it failed on them when it was not.
        None => {
            let held_out = assemble::held_out_measured(&run.problem, recipe);
            inspection::inspect(&run.problem, &held_out, None, "out-of-fold")
        }
    }
}

/// Whether `fits` more fits like those of `recipe` end in time.
fn has_time(run: &Run<'_>, found: &Found<'_>, recipe: &Recipe, fits: f64) -> bool {
    let cost = |part: &Ingredient| {
        let trial = &found.search.trials[part.trial];
        trial.seconds / trial.met().len().max(1) as f64
    };
    // The parts of an average are fitted side by side, so the dearest counts.
    let each = recipe.ingredients.iter().map(cost).fold(0.0, f64::max);
    let timeout = run.request.training.search.timeout.map(|timeout| timeout.as_secs_f64());
    timeout.is_none_or(|timeout| run.elapsed() + each * fits <= LAST_CALL * timeout)
}

fn learning_curve(
    run: &Run<'_>,
    found: &Found<'_>,
    recipe: &Recipe,
    notes: &mut Vec<String>,
) -> Option<LearningCurve> {
    if run.is_stopping() {
        return None;
    }
    if recipe.is_fine_tune() {
        notes.push("the learning curve was not measured: each of its points would be a fine-tune".to_owned());
        return None;
    }
    if !has_time(run, found, recipe, learning_curve::fits(&found.search)) {
        notes.push("the learning curve was not measured: no time was left".to_owned());
        return None;
    }
    run.request.progress.stage("learning curve", None);
    learning_curve::measure(run, &found.search, recipe)
}

fn compare_languages(
    run: &Run<'_>,
    found: &Found<'_>,
    recipe: &Recipe,
    report: &mut Report,
) -> Result<BTreeMap<u32, languages::Comparison>, Halt> {
    let is_language_task = run.problem.table.task == loquat_spec::Task::LanguageIdentification;
    if run.problem.table.languages.len() < 2 || is_language_task || run.is_stopping() || recipe.is_fine_tune()
    {
        return Ok(BTreeMap::new());
    }
    let timeout = run.request.training.search.timeout.map(|timeout| timeout.as_secs_f64());
    let ingredient = &recipe.ingredients[0];
    // One fit a fold and language costs together what the joint fits cost.
    let cost = found.search.trials[ingredient.trial].seconds / run.pool.current_num_threads() as f64;
    if timeout.is_some_and(|timeout| run.elapsed() + cost > LAST_CALL * timeout) {
        report.notes.push("one model per language was not tried: no time was left".to_owned());
        return Ok(BTreeMap::new());
    }
    run.request.progress.stage("one model per language", None);
    languages::compare(run, &found.search, ingredient)
}

pub(crate) fn register(
    run: &Run<'_>,
    built: Built,
    mut report: Report,
    test: Option<&evaluate::Measured>,
) -> Result<Trained, Halt> {
    let request = run.request;
    let name = &request.training.name;
    let champion = promote::champion(run)?;
    let outcome = report.outcome;
    let verdict = promote::decide(run, outcome, champion.as_ref(), test);
    if request.cancel.level() > 1 {
        return Err(Halt::Cancelled);
    }
    report.seconds = run.elapsed();
    report.promotion = Some(verdict.reason.clone());
    report.baselines.extend(verdict.champion);
    let inputs_hash = run.inputs.clone();
    let created = jiff::Timestamp::now().to_string();
    report.provenance = Some(Provenance {
        created: created.clone(),
        code_version: request.code_version.to_owned(),
        inputs_hash: inputs_hash.clone(),
        parent: champion.as_ref().map(|champion| champion.version),
        resource: request.resource.to_owned(),
    });
    let new = NewVersion {
        metrics: metrics(&report),
        data_hash: run.problem.table.hash.clone(),
        resource: request.resource.to_owned(),
        inputs_hash,
        code_version: request.code_version.to_owned(),
        seed: run.seed(),
        parent: champion.map(|champion| champion.version),
        outcome: outcome.as_str().to_owned(),
        origin: None,
        report: Some(serde_json::to_value(&report)?),
        created,
    };
    let record = match already_registered(run, &new, &built)? {
        Some(record) => record,
        None => request.store.register(name, built.staging, new)?,
    };
    report.version = Some(record.version);
    if verdict.moves {
        request.store.set_alias(name, &promote::champion_alias(), record.version)?;
    }
    Ok(Trained {
        outcome,
        record: Some(record),
        promoted: verdict.moves,
        promotion_reason: verdict.reason,
        report,
    })
}

/// The version that this very run registered before it was killed, so that it is not registered twice.
fn already_registered(run: &Run<'_>, new: &NewVersion, built: &Built) -> Result<Option<VersionRecord>, Halt> {
    if run.past.folds.is_empty() && run.past.fine_tune.is_none() {
        return Ok(None);
    }
    let digest = loquat_store::weights_digest(built.staging.path())?;
    let name = run.request.training.name.as_str();
    let models = run.request.store.models()?;
    let versions = models.into_iter().filter(|model| model.name == name).flat_map(|model| model.versions);
    let same = |version: &VersionRecord| {
        version.inputs_hash == new.inputs_hash
            && version.weights_digest == digest
            && version.outcome == new.outcome
    };
    Ok(versions.filter(same).max_by_key(|version| version.version))
}

fn metrics(report: &Report) -> BTreeMap<String, f64> {
    let mut metrics: BTreeMap<String, f64> = report
        .test
        .iter()
        .flat_map(|test| &test.metrics)
        .map(|(name, score)| (name.clone(), score.value))
        .collect();
    let others = [
        ("outer-mean", report.outer.mean),
        ("best-search", report.best_search),
        ("fine-tuned", report.fine_tuned),
    ];
    metrics.extend(others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    metrics.retain(|_, value| value.is_finite());
    metrics
}

fn without_model(run: &Run<'_>, found: &Found<'_>, outcome: Outcome, reason: String) -> Trained {
    let mut report = assemble::draft(run, &found.search, &found.outer, &found.cuts);
    report.outcome = outcome;
    report.notes.push(reason.clone());
    Trained { outcome, record: None, promoted: false, promotion_reason: reason, report }
}

/// Writes `report.json`, `report.md`, `report.html`, `model-card.md` and `endpoint.yaml` into the run's folder.
pub(crate) fn write_results(run: &Run<'_>, report: &Report) -> Result<(), TrainError> {
    let write = |name: &str, text: String| {
        let path = run.request.run_dir.join(name);
        std::fs::write(&path, text).map_err(TrainError::file("write", &path))
    };
    write("report.json", serde_json::to_string_pretty(report)? + "\n")?;
    write("report.md", report.markdown())?;
    write("report.html", report.html())?;
    if report.version.is_some() {
        write("model-card.md", report.model_card())?;
        write("endpoint.yaml", endpoint(&report.name))?;
    }
    Ok(())
}

/// The resource that serves the model.
fn endpoint(name: &str) -> String {
    format!(
        "# Serves the champion of {name}. Apply it unedited, or put it beside the other resources.\n\
         apiVersion: loquat.dev/v1alpha1\nkind: Endpoint\nmetadata:\n  name: {name}\nspec:\n  model: {name}@champion\n"
    )
}
