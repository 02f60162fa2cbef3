//! The run of an embedding, from pairs to a registered version.

use std::path::Path;

use loquat_infer::Pipeline;
use loquat_nn::NnError;
use loquat_spec::PairData;
use loquat_store::Staging;
use serde_json::json;

use super::artifact::build;
use super::embeddings::Embeddings;
use super::scoring::of_rows;
use super::texts::Contrastive;
use super::tune::{TuneConfig, TunePlan, backbone_of, is_untuned, untuned};
use crate::artifact::{Built, exceeded, measure};
use crate::assemble;
use crate::cuts::Cuts;
use crate::domains;
use crate::error::{Halt, TrainError};
use crate::evaluate::{self, Measured};
use crate::journal::Record;
use crate::metrics::utility;
use crate::quantisation;
use crate::report::Report;
use crate::report_details::BaselineReport;
use crate::request::{Outcome, Trained};
use crate::run::Run;
use crate::search::Trial;
use crate::train::{LAST_CALL, Reproduction, register, write_results};

/// What a run has found out so far.
#[derive(Default)]
struct Found {
    trials: Vec<Trial>,
    cuts: Cuts,
    notes: Vec<String>,
}

/// Tunes, evaluates, reports and registers an embedding.
pub(crate) fn train(run: &Run<'_>) -> Result<Trained, TrainError> {
    let mut found = Found::default();
    let without_model = |found: &Found, outcome, reason: String| {
        let mut report = assemble::bare(run, &found.trials, &found.cuts);
        report.outcome = outcome;
        report.notes.push(reason.clone());
        Trained { outcome, record: None, promoted: false, promotion_reason: reason, report }
    };
    let trained = match deliver(run, &mut found) {
        Ok(trained) => trained,
        Err(Halt::Error(error)) => return Err(error),
        Err(Halt::Cancelled) => {
            let reason = "the training was ended before there was a model".to_owned();
            without_model(&found, Outcome::Cancelled, reason)
        }
        Err(Halt::NoModel(reason)) => without_model(&found, Outcome::Failed, reason),
    };
    write_results(run, &trained.report)?;
    if matches!(trained.outcome, Outcome::Completed | Outcome::Failed) {
        run.journal.append(&Record::Finished { elapsed: run.elapsed() })?;
    }
    Ok(trained)
}

/// Trains again what an earlier run chose, and compares the weights.
pub(crate) fn reproduce(run: &Run<'_>, cuts: &Cuts, expected: &str) -> Result<Reproduction, TrainError> {
    let chosen = cuts.fine_tune.as_ref();
    let chosen = chosen.ok_or(TrainError::Replay { reason: "it does not say what was chosen" })?;
    let again = || -> Result<Staging, Halt> {
        let open = open(run)?;
        let all = Embeddings::new(run, &open, backbone_of(chosen).map_err(TrainError::from)?)?;
        build(run, &all, (&open, chosen))
    };
    let staging = match again() {
        Ok(staging) => staging,
        Err(Halt::Error(error)) => return Err(error),
        Err(Halt::Cancelled | Halt::NoModel(_)) => {
            return Err(TrainError::Replay { reason: "it was ended before the weights were trained" });
        }
    };
    let weights_digest = loquat_store::weights_digest(staging.path())?;
    Ok(Reproduction { identical: weights_digest == expected, weights_digest })
}

fn deliver(run: &Run<'_>, found: &mut Found) -> Result<Trained, Halt> {
    let open = open(run)?;
    let mut all = Embeddings::new(run, &open, 0)?;
    let best = score_untuned(run, &all, found);
    if best > 0 {
        all.tokens = all.tokens_of(run, &open[best])?;
    }
    tune(run, &all, (&open[best], best), found)?;
    let mut order: Vec<usize> =
        (0..found.trials.len()).filter(|trial| reached(found, *trial).is_some()).collect();
    order.sort_by(|a, b| {
        let of = |trial: &usize| reached(found, *trial).unwrap_or(f64::NEG_INFINITY);
        of(b).total_cmp(&of(a)).then(a.cmp(b))
    });
    run.request.progress.stage("refit", None);
    for trial in order {
        let chosen = found.trials[trial].parameters.clone();
        match build(run, &all, (&open, &chosen)) {
            Ok(staging) => return conclude(run, (&all, &open), found, (trial, staging)),
            // A fine-tune may diverge on all pairs though it did not on its split; the next best takes its place.
            Err(Halt::Error(TrainError::Nn(error @ NnError::Diverged { .. }))) => {
                found
                    .notes
                    .push(format!("trial {trial} gave no model on all pairs and is left out: {error}"));
            }
            Err(halt) => return Err(halt),
        }
    }
    Err(Halt::NoModel("no trial gave a model; see the failures of the trials".to_owned()))
}

fn reached(found: &Found, trial: usize) -> Option<f64> {
    found.trials[trial].mean()
}

/// Opens the backbones of the run.
fn open(run: &Run<'_>) -> Result<Vec<Contrastive>, TrainError> {
    if run.request.training.is_from_scratch() {
        return Err(TrainError::EmbeddingFromScratch);
    }
    let (named, given) = (run.problem.backbones, run.request.backbones.len());
    if named != given || given == 0 {
        return Err(TrainError::Backbones { named, given });
    }
    run.request.backbones.iter().map(Contrastive::open).collect()
}

/// A trial for each backbone as it is; gives the place of the best.
fn score_untuned(run: &Run<'_>, all: &Embeddings<'_>, found: &mut Found) -> usize {
    let metric = run.problem.metric;
    for (place, vectors) in all.untuned.iter().enumerate() {
        let answers = run.pool.install(|| of_rows(&all.pairs, &all.split.held_out, vectors));
        let value = utility(metric, answers.value(metric));
        found.trials.push(Trial {
            number: place,
            parameters: untuned(place),
            utilities: vec![Some(value)],
            seconds: 0.0,
            failure: None,
        });
    }
    let value = |place: &usize| found.trials[*place].mean().unwrap_or(f64::NEG_INFINITY);
    let mut best = 0;
    for place in 1..found.trials.len() {
        if value(&place) > value(&best) {
            best = place;
        }
    }
    best
}

/// Trials that fine-tune the backbone at `place`, as many and as long as there is time for.
fn tune(
    run: &Run<'_>,
    all: &Embeddings<'_>,
    (open, place): (&Contrastive, usize),
    found: &mut Found,
) -> Result<(), Halt> {
    let plan = plan(run, all, (open, place))?;
    if plan.epochs == 0 {
        let note = "no backbone was fine-tuned: too little time was left; raise spec.search.timeout";
        found.notes.push(note.to_owned());
        return Ok(());
    }
    let ways: &[bool] = if plan.mines { &[false, true] } else { &[false] };
    for mines in ways {
        let number = found.trials.len();
        let parameters = TuneConfig::parameters(open, place, (all.data, *mines, plan.epochs));
        let config = TuneConfig::from_parameters(&parameters, run.seed()).map_err(TrainError::from)?;
        let mut trial = Trial { number, parameters, utilities: vec![None], seconds: 0.0, failure: None };
        match config.on_split(run, all, (open, number)) {
            Ok(tuned) => {
                trial.utilities = vec![Some(tuned.utility)];
                trial.seconds = tuned.seconds;
                trial.parameters.insert("taken".to_owned(), json!(tuned.taken));
            }
            Err(Halt::Error(TrainError::Nn(error @ NnError::Diverged { .. }))) => {
                found.notes.push(format!("the fine-tune of trial {number} gave no model: {error}"));
                trial.failure = Some(error.to_string());
            }
            Err(Halt::Cancelled) if run.request.cancel.level() == 1 => {
                found.notes.push("the fine-tune was ended before it had a score".to_owned());
                return Ok(());
            }
            Err(halt) => return Err(halt),
        }
        found.trials.push(trial);
    }
    Ok(())
}

/// As it was decided before, else by the time that is left.
fn plan(run: &Run<'_>, all: &Embeddings<'_>, (open, place): (&Contrastive, usize)) -> Result<TunePlan, Halt> {
    if let Some(known) =
        run.past.fine_tune.as_ref().and_then(|known| TunePlan::from_parameters(known.as_ref()?))
    {
        return Ok(known);
    }
    let has_negatives = |row: &usize| all.pairs.rows[*row].negative.is_some();
    let may_mine = all.data == PairData::Together && !run.problem.pool.iter().any(has_negatives);
    let plan = match run.request.training.search.timeout {
        None => TunePlan::of(f64::INFINITY, 1.0, may_mine),
        Some(timeout) => {
            let epoch = TuneConfig::seconds_of_an_epoch(run, all, (open, place))?;
            TunePlan::of(LAST_CALL * timeout.as_secs_f64() - run.elapsed(), epoch, may_mine)
        }
    };
    let parameters = Some(plan.to_parameters());
    run.journal.append(&Record::FineTune { parameters, elapsed: run.elapsed() })?;
    Ok(plan)
}

/// Measures the artifact on the sealed pairs, reports and registers it.
fn conclude(
    run: &Run<'_>,
    (all, open): (&Embeddings<'_>, &[Contrastive]),
    found: &mut Found,
    (trial, staging): (usize, Staging),
) -> Result<Trained, Halt> {
    let chosen = found.trials[trial].parameters.clone();
    let cost = measure(run, staging.path())?;
    let exceeds = exceeded(&run.request.training.constraints, &cost);
    if !exceeds.is_empty() {
        return Err(Halt::NoModel(format!(
            "the model exceeds {}; raise the limit of spec.constraints or name a smaller backbone",
            exceeds.join(" and ")
        )));
    }
    run.request.progress.stage("evaluation", None);
    found.cuts.fine_tune = Some(chosen.clone());
    let mut report = assemble::bare(run, &found.trials, &found.cuts);
    let metric = report.metric;
    report.chosen = vec![trial];
    report.best_search = reached(found, trial).map(|best| utility(metric, best));
    report.cost = Some(cost);
    report.notes.append(&mut found.notes);
    report.notes.push(told(run, all, found, trial));
    let pipeline = Pipeline::load(staging.path())?;
    let test = (!run.problem.test.is_empty()).then(|| evaluate::measure(run, &pipeline)).transpose()?;
    if let Some(test) = &test {
        report.test = Some(evaluate::report(run, test)?);
        assemble::set_measured(&mut report, &run.problem, test, "test");
        assemble::set_languages(&mut report, &run.problem, test, &Default::default());
        if !is_untuned(&chosen) {
            let untuned = untuned(backbone_of(&chosen).map_err(TrainError::from)?);
            let as_it_is = build(run, all, (open, &untuned))?;
            push(run, &mut report, "the backbone untuned", as_it_is.path())?;
        }
        domains::set(run, &mut report, test);
        let loss = quantisation::measure(run, staging.path(), test)?;
        report.baselines.push(BaselineReport { name: "this model in int8".to_owned(), value: loss.int8 });
        report.quantisation = Some(loss);
    }
    report.outcome = if run.is_stopping() { Outcome::StoppedEarly } else { Outcome::Completed };
    let built = Built { staging, cost, place: 0, pareto: Vec::new(), trimming: None, notes: Vec::new() };
    register(run, built, report, test.as_ref())
}

/// What the trials reached, and on what.
fn told(run: &Run<'_>, all: &Embeddings<'_>, found: &Found, trial: usize) -> String {
    let metric = run.problem.metric;
    let of = |trial: &Trial| {
        trial.mean().map_or("none".to_owned(), |value| format!("{:.4}", utility(metric, value)))
    };
    let others = found.trials.iter().filter(|other| other.number != trial);
    let others: Vec<String> = others
        .map(|other| {
            let what =
                if is_untuned(&other.parameters) { "the backbone untuned" } else { "another fine-tune" };
            format!("{what} (trial {}) {}", other.number, of(other))
        })
        .collect();
    let what =
        if is_untuned(&found.trials[trial].parameters) { "the backbone as it is" } else { "a fine-tune" };
    format!(
        "trial {trial} is {what}; on the {} held-out pairs of one split it reaches {} {}{}{}; nothing is cross-validated",
        all.split.held_out.len(),
        metric.as_str(),
        of(&found.trials[trial]),
        if others.is_empty() { "" } else { ", " },
        others.join(", "),
    )
}

/// Adds what the artifact in `folder` reaches on the test pairs.
fn push(run: &Run<'_>, report: &mut Report, name: &str, folder: &Path) -> Result<(), Halt> {
    let Measured { answers, .. } = evaluate::measure(run, &Pipeline::load(folder)?)?;
    let value = answers.value(run.problem.metric);
    report.baselines.push(BaselineReport { name: name.to_owned(), value });
    Ok(())
}
