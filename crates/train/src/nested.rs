//! Nested cross-validation: each outer fold repeats the search on its own training rows, so that its score is
//! that of the whole procedure on rows that no part of it has seen (Cawley and Talbot 2010).

use crate::budget::Budget;
use crate::cuts::Plan;
use crate::error::{Halt, TrainError};
use crate::folds::Folds;
use crate::journal::{OuterAnswers, Record};
use crate::metrics::utility;
use crate::random::mix;
use crate::recipe::recipes;
use crate::run::Run;
use crate::search::{Search, SearchConfig};

/// Index that names the choice of inner folds.
const INNER: u64 = 0x1AAE;

/// The outer folds that were finished.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outer {
    /// Fold number and what was answered for its rows.
    pub(crate) folds: Vec<(usize, OuterAnswers)>,
    /// Rounds of each search.
    pub(crate) rounds: Vec<usize>,
}

/// Searches and scores the planned outer folds until the time for it is over, and further ones while the longest so far would
/// still fit.
pub(crate) fn run(run: &Run<'_>, folds: &Folds, plan: Plan, budget: &Budget) -> Result<Outer, Halt> {
    let mut outer = Outer::default();
    let start = run.elapsed();
    let each = (budget.outer_end() - start) / plan.outer_folds.max(1) as f64;
    let mut longest = 0.0_f64;
    for fold in 0..folds.count() {
        if let Some(answers) = run.past.outer.get(&fold) {
            outer.rounds.push(run.past.cuts.get(&(fold as u32 + 1)).map_or(0, |(rounds, _)| *rounds));
            outer.folds.push((fold, answers.clone()));
            continue;
        }
        let begun = run.elapsed();
        let unplanned = fold >= plan.outer_folds;
        let needed = if unplanned { longest } else { 0.0 };
        if run.is_stopping() || begun + needed > budget.outer_end() || (unplanned && longest == 0.0) {
            break;
        }
        let deadline = if unplanned { budget.outer_end() } else { start + each * (fold + 1) as f64 };
        let Some((rounds, answers)) = outer_fold(run, folds, (fold, plan), deadline)? else { continue };
        run.journal.append(&Record::Outer { fold, answers: answers.clone(), elapsed: run.elapsed() })?;
        outer.rounds.push(rounds);
        outer.folds.push((fold, answers));
        longest = longest.max(run.elapsed() - begun);
    }
    Ok(outer)
}

/// One outer fold; `None` when it gave no score.
fn outer_fold(
    run: &Run<'_>,
    folds: &Folds,
    (fold, plan): (usize, Plan),
    deadline: f64,
) -> Result<Option<(usize, OuterAnswers)>, Halt> {
    let (train, eval) = (folds.train(fold), folds.eval(fold));
    let seed = mix(run.seed(), &[INNER, fold as u64]);
    // A fold whose training rows can't be folded again is left out, and the report counts it as missing.
    let inner = match run.problem.folds(train, plan.inner_folds, seed) {
        Ok(inner) => inner,
        Err(TrainError::TooFewRows { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let config = SearchConfig { id: fold as u32 + 1, folds: &inner, trials: plan.inner_trials };
    let mut search = Search::new(run, config);
    rounds(run, &mut search, deadline)?;
    let scored = score(run, &search, train, eval);
    (0..inner.count()).for_each(|fold| run.problem.workspace.release(inner.train(fold)));
    Ok(scored?.map(|answers| (search.rounds, answers)))
}

/// Runs rounds until the trials or the time are spent; a cut found in the journal is repeated.
pub(crate) fn rounds(run: &Run<'_>, search: &mut Search<'_>, deadline: f64) -> Result<bool, Halt> {
    let replay = run.replay.as_ref().filter(|_| search.id() == 0).map(|cuts| (cuts.rounds, cuts.by_timeout));
    let known = replay.or_else(|| run.past.cuts.get(&search.id()).copied());
    let mut by_timeout = false;
    loop {
        let start = run.elapsed();
        match known {
            Some((rounds, timeout)) if search.rounds >= rounds => {
                by_timeout = timeout;
                break;
            }
            None if search.rounds > 0 && start + search.last_round > deadline => {
                by_timeout = true;
                break;
            }
            _ => {}
        }
        if !search.round()? {
            break;
        }
    }
    if known.is_none() && !run.is_stopping() {
        let (search, rounds, elapsed) = (search.id(), search.rounds, run.elapsed());
        run.journal.append(&Record::Cut { search, rounds, timeout: by_timeout, elapsed })?;
    }
    Ok(by_timeout)
}

fn score(
    run: &Run<'_>,
    search: &Search<'_>,
    train: &[usize],
    eval: &[usize],
) -> Result<Option<OuterAnswers>, Halt> {
    if run.is_stopping() {
        return Ok(None);
    }
    let all: Vec<usize> = (0..search.folds().count()).collect();
    let Some(recipe) = recipes(search, run, &search.finalists(), &all)?.into_iter().next() else {
        return Ok(None);
    };
    // The recipe's fit may fail on these rows; then the fold has no score, as if the user had got no model.
    let Ok(probabilities) = recipe.predict(run, train, eval) else { return Ok(None) };
    let answers = run.problem.answers(eval, &probabilities, recipe.thresholds.as_deref());
    let metric = run.problem.metric;
    let best = search.trials.iter().filter(|trial| trial.is_complete()).filter_map(|trial| trial.mean());
    Ok(Some(OuterAnswers {
        value: answers.value(metric),
        best_inner: utility(metric, best.fold(f64::NEG_INFINITY, f64::max)),
        trials: search.trials.len(),
        predicted: answers.predicted,
        losses: answers.losses,
    }))
}
