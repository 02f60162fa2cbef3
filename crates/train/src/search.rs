//! One search: rounds of trials, proposed from all results so far and thinned out over folds.
//!
//! What a round proposes depends on the results of earlier rounds alone, and the seed of each fit on its
//! place, so that a search is the same whatever the number of threads and however often it was interrupted.
//! Only the number of rounds may follow from time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use crate::encoder::is_head;
use crate::error::{Halt, TrainError};
use crate::families::{first_guesses, space};
use crate::folds::Folds;
use crate::halving;
use crate::journal::{FoldRecord, Record};
use crate::linear::{LinearError, Parameters, Random};
use crate::random::mix;
use crate::run::Run;
use crate::tpe::{self, Observation};

/// Trials proposed in each round after the first.
pub(crate) const ROUND: usize = 8;
/// How the trials of a round are proposed: half from the densities of all trials, some by a step from one of the best, and
/// one from the prior, so that no corner is given up for good.
const PLACES: [Proposal; ROUND] = {
    use Proposal::{Guided, Prior, Step};
    [Guided, Step, Guided, Step, Guided, Step, Guided, Prior]
};
/// Best trials from which steps are made.
const STEPPED_FROM: usize = 3;
/// Best trials, of different kinds, solvers, n-grams or backbones, whose held-out margins are kept.
pub(crate) const FINALISTS: usize = 5;
/// Tries to propose a configuration that was not there before.
const TRIES: u64 = 8;
/// Index that names the fit on all rows, where other fits name their fold.
pub(crate) const ALL_ROWS: u64 = u64::MAX;

/// Where a proposal comes from.
#[derive(Debug, Clone, Copy)]
enum Proposal {
    Guided,
    Step,
    Prior,
}

/// A configuration and what it reached.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) number: usize,
    pub(crate) parameters: Parameters,
    /// The metric on each fold met, larger is better.
    pub(crate) utilities: Vec<Option<f64>>,
    pub(crate) seconds: f64,
    pub(crate) failure: Option<String>,
}

impl Trial {
    pub(crate) fn is_complete(&self) -> bool {
        self.failure.is_none() && self.utilities.iter().all(Option::is_some)
    }

    /// Folds met.
    pub(crate) fn met(&self) -> Vec<usize> {
        (0..self.utilities.len()).filter(|fold| self.utilities[*fold].is_some()).collect()
    }

    /// Mean over the folds met; `None` for a failed trial.
    pub(crate) fn mean(&self) -> Option<f64> {
        let known: Vec<f64> = self.utilities.iter().flatten().copied().collect();
        (self.failure.is_none() && !known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Name of the solver.
    fn solver(&self) -> &str {
        self.parameters.get("solver").and_then(|solver| solver.as_str()).unwrap_or_default()
    }

    /// The kind of its solver: those of one kind err alike.
    fn kind(&self) -> SolverKind {
        match self.solver() {
            "complement-bayes" | "multinomial-bayes" => SolverKind::Generative,
            "embedding" => SolverKind::Embedding,
            _ if is_head(&self.parameters) => SolverKind::Head,
            _ => SolverKind::Discriminative,
        }
    }

    /// What it sees of a text: its kinds of n-gram, its features of words, or its backbone.
    fn view(&self) -> &str {
        let names: &[&str] =
            if self.kind() == SolverKind::Head { &["backbone"] } else { &["ngrams", "features"] };
        let mut views = names.iter().filter_map(|name| self.parameters.get(*name));
        views.next().and_then(|view| view.as_str()).unwrap_or_default()
    }
}

/// What a solver models: the classes' words, the borders between classes, words as vectors, or the borders between classes
/// of an encoder's vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SolverKind {
    Generative,
    Discriminative,
    Embedding,
    Head,
}

/// Where a search searches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SearchConfig<'f> {
    /// 0 is the final search, `k + 1` that of outer fold `k`.
    pub(crate) id: u32,
    pub(crate) folds: &'f Folds,
    /// Most trials.
    pub(crate) trials: usize,
}

/// A search under way.
pub(crate) struct Search<'r> {
    run: &'r Run<'r>,
    config: SearchConfig<'r>,
    pub(crate) trials: Vec<Trial>,
    pub(crate) rounds: usize,
    /// Seconds of the last round.
    pub(crate) last_round: f64,
    /// Seconds of all rounds of this process.
    pub(crate) seconds: f64,
    /// Held-out margins of (trial, fold), of trials that can still win.
    margins: Mutex<BTreeMap<(usize, usize), Vec<f32>>>,
}

/// The end of one fit.
enum Fitted {
    Done(FoldRecord),
    /// Not begun, because the user asked to stop.
    Skipped,
}

impl<'r> Search<'r> {
    pub(crate) fn new(run: &'r Run<'r>, config: SearchConfig<'r>) -> Self {
        Self {
            run,
            config,
            trials: Vec::new(),
            rounds: 0,
            last_round: 0.0,
            seconds: 0.0,
            margins: Mutex::default(),
        }
    }

    pub(crate) fn folds(&self) -> &'r Folds {
        self.config.folds
    }

    pub(crate) fn id(&self) -> u32 {
        self.config.id
    }

    /// Puts a trial of an earlier run in its place, so that it can be fitted as it was then.
    pub(crate) fn restore(&mut self, trial: usize, parameters: Parameters) {
        let folds = self.config.folds.count();
        self.trials = (0..=trial)
            .map(|number| Trial {
                number,
                parameters: parameters.clone(),
                utilities: vec![None; folds],
                seconds: 0.0,
                failure: None,
            })
            .collect();
    }

    /// Seed of a fit of this search.
    pub(crate) fn fit_seed(&self, trial: usize, fold: u64) -> u64 {
        mix(self.run.seed(), &[u64::from(self.config.id), trial as u64, fold])
    }

    /// Proposes and evaluates one round. `false` when all trials are spent or the user asked to stop.
    pub(crate) fn round(&mut self) -> Result<bool, Halt> {
        let start = Instant::now();
        let more = self.propose_and_evaluate();
        self.last_round = start.elapsed().as_secs_f64();
        self.seconds += self.last_round;
        more
    }

    fn propose_and_evaluate(&mut self) -> Result<bool, Halt> {
        let first = self.trials.len();
        let proposals = self.proposals();
        if proposals.is_empty() {
            return Ok(false);
        }
        for parameters in proposals {
            self.trials.push(Trial {
                number: self.trials.len(),
                parameters,
                utilities: vec![None; self.config.folds.count()],
                seconds: 0.0,
                failure: None,
            });
        }
        let mut alive: Vec<usize> = (first..self.trials.len()).collect();
        let mut met = 0;
        for rung in halving::rungs(self.config.folds.count(), self.config.folds.held_out()) {
            let jobs: Vec<(usize, usize)> =
                (met..rung).flat_map(|fold| alive.iter().map(move |trial| (*trial, fold))).collect();
            let finished = self.evaluate(&jobs)?;
            if !finished {
                return Ok(false);
            }
            let utility = |trial: &usize| self.trials[*trial].mean();
            alive = halving::survivors(
                alive.iter().filter_map(|trial| Some((*trial, utility(trial)?))).collect(),
            );
            self.forget(&alive);
            met = rung;
        }
        self.rounds += 1;
        self.forget(&[]);
        Ok(true)
    }

    fn proposals(&self) -> Vec<Parameters> {
        let left = self.config.trials.saturating_sub(self.trials.len());
        let problem = &self.run.problem;
        if self.rounds == 0 {
            let mut guesses = first_guesses(problem);
            guesses.truncate(left);
            return guesses;
        }
        let space = space(problem);
        let utilities = self.comparable();
        let observations: Vec<Observation<'_>> = self
            .trials
            .iter()
            .map(|trial| Observation { parameters: &trial.parameters, utility: utilities[trial.number] })
            .collect();
        let mut proposals: Vec<Parameters> = Vec::new();
        let best: Vec<usize> = self.ranking(false).into_iter().take(STEPPED_FROM).collect();
        for (index, place) in PLACES.into_iter().enumerate().take(left) {
            let number = (self.trials.len() + index) as u64;
            let propose = |attempt| {
                let seed = mix(self.run.seed(), &[u64::from(self.config.id), number, ALL_ROWS - 1, attempt]);
                let random = &mut Random::new(seed);
                match place {
                    Proposal::Guided => tpe::propose(&space, &observations, random),
                    Proposal::Step if !best.is_empty() => {
                        let from = best[random.below(best.len())];
                        tpe::neighbour(&space, &self.trials[from].parameters, random)
                    }
                    _ => tpe::propose(&space, &[], random),
                }
            };
            let is_new = |parameters: &Parameters| {
                !proposals.contains(parameters)
                    && self.trials.iter().all(|trial| trial.parameters != *parameters)
            };
            proposals.extend((0..TRIES).map(propose).find(is_new));
        }
        proposals
    }

    /// Utility of each trial on equal terms: a trial that met only some folds is freed of how easy those
    /// folds are, as trials that met all of them found. Failed trials get minus infinity.
    pub(crate) fn comparable(&self) -> Vec<f64> {
        let folds = self.config.folds.count();
        let complete: Vec<&Trial> = self.trials.iter().filter(|trial| trial.is_complete()).collect();
        let count = complete.len().max(1) as f64;
        let mean = complete.iter().filter_map(|trial| trial.mean()).sum::<f64>() / count;
        let ease: Vec<f64> = (0..folds)
            .map(|fold| complete.iter().filter_map(|trial| trial.utilities[fold]).sum::<f64>() / count - mean)
            .collect();
        let adjusted = |trial: &Trial| {
            let met = trial.met();
            let ease_met = met.iter().map(|fold| ease[*fold]).sum::<f64>() / met.len().max(1) as f64;
            trial.mean().map_or(f64::NEG_INFINITY, |mean| mean - ease_met)
        };
        self.trials.iter().map(adjusted).collect()
    }

    /// Trials that gave a score, best first.
    pub(crate) fn ranking(&self, complete_only: bool) -> Vec<usize> {
        let utilities = self.comparable();
        let usable = |trial: &&Trial| trial.mean().is_some() && (trial.is_complete() || !complete_only);
        let mut ranking: Vec<usize> = self.trials.iter().filter(usable).map(|trial| trial.number).collect();
        ranking.sort_by(|a, b| utilities[*b].total_cmp(&utilities[*a]).then(a.cmp(b)));
        ranking
    }

    /// The best complete trial; the best of each other kind of solver; then in order of merit trials that differ from
    /// all before in solver, n-grams or backbone, where no solver has more than two. Their averages gain where they err
    /// differently, so merit alone would not do.
    pub(crate) fn finalists(&self) -> Vec<usize> {
        let Some(best) = self.ranking(true).first().copied() else { return Vec::new() };
        let ranking = self.ranking(false);
        let mut finalists = vec![best];
        for number in &ranking {
            let kind = self.trials[*number].kind();
            if finalists.iter().all(|known| self.trials[*known].kind() != kind) {
                finalists.push(*number);
            }
        }
        for number in ranking {
            let trial = &self.trials[number];
            let known = || finalists.iter().map(|known| &self.trials[*known]);
            let of_solver = known().filter(|known| known.solver() == trial.solver()).count();
            let is_new =
                known().all(|known| known.solver() != trial.solver() || known.view() != trial.view());
            if finalists.len() < FINALISTS && of_solver < 2 && is_new {
                finalists.push(number);
            }
        }
        finalists
    }

    /// Drops margins of trials that are neither finalists nor in `alive`.
    fn forget(&self, alive: &[usize]) {
        let mut keep = self.finalists();
        keep.extend(alive);
        self.lock().retain(|(trial, _), _| keep.contains(trial));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(usize, usize), Vec<f32>>> {
        self.margins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Evaluates (trial, fold) pairs in parallel. `false` when the user asked to stop before all were done.
    fn evaluate(&mut self, jobs: &[(usize, usize)]) -> Result<bool, Halt> {
        let results: Vec<Result<Fitted, TrainError>> = {
            let search = &*self;
            let work =
                || jobs.par_iter().with_max_len(1).map(|(trial, fold)| search.fit(*trial, *fold)).collect();
            self.run.pool.install(work)
        };
        let mut finished = true;
        for result in results {
            match result? {
                Fitted::Done(record) => self.note(record),
                Fitted::Skipped => finished = false,
            }
        }
        if self.run.request.cancel.level() > 1 { Err(Halt::Cancelled) } else { Ok(finished) }
    }

    fn note(&mut self, record: FoldRecord) {
        let trial = &mut self.trials[record.trial];
        trial.seconds += record.seconds;
        trial.utilities[record.fold] = record.utility;
        if trial.failure.is_none() {
            trial.failure = record.failure;
        }
    }

    fn fit(&self, trial: usize, fold: usize) -> Result<Fitted, TrainError> {
        if let Some(record) = self.run.past.folds.get(&(self.config.id, trial, fold)) {
            self.run.request.progress.advance(1);
            return Ok(Fitted::Done(record.clone()));
        }
        if self.run.request.cancel.level() > 0 {
            return Ok(Fitted::Skipped);
        }
        let start = Instant::now();
        let margins = self.margins_of(trial, fold);
        let rows = self.config.folds.eval(fold);
        let utility = margins.as_ref().ok().map(|margins| self.run.problem.fold_utility(rows, margins));
        let record = FoldRecord {
            search: self.config.id,
            trial,
            fold,
            utility,
            failure: margins.as_ref().err().map(ToString::to_string),
            seconds: start.elapsed().as_secs_f64(),
            elapsed: self.run.elapsed(),
        };
        if let Ok(margins) = margins {
            self.lock().insert((trial, fold), margins);
        }
        self.run.journal.append(&Record::Fold(record.clone()))?;
        self.run.request.progress.advance(1);
        Ok(Fitted::Done(record))
    }

    fn margins_of(&self, trial: usize, fold: usize) -> Result<Vec<f32>, LinearError> {
        let rows = (self.config.folds.train(fold), self.config.folds.eval(fold));
        self.run.problem.margins(&self.trials[trial].parameters, rows, self.fit_seed(trial, fold as u64))
    }

    /// Held-out margins of `trials` on `folds`, row after row and fold after fold. What is no longer kept is
    /// computed again. A trial that fails on a fold it had not met is left out.
    pub(crate) fn held_out(
        &self,
        trials: &[usize],
        folds: &[usize],
    ) -> Result<BTreeMap<usize, Vec<f32>>, Halt> {
        let jobs: Vec<(usize, usize)> =
            folds.iter().flat_map(|fold| trials.iter().map(move |trial| (*trial, *fold))).collect();
        let missing: Vec<(usize, usize)> = {
            let known = self.lock();
            jobs.into_iter().filter(|job| !known.contains_key(job)).collect()
        };
        let fit = |(trial, fold): &(usize, usize)| {
            if self.run.request.cancel.level() > 1 {
                return;
            }
            if let Ok(margins) = self.margins_of(*trial, *fold) {
                self.lock().insert((*trial, *fold), margins);
            }
        };
        self.run.pool.install(|| missing.par_iter().with_max_len(1).for_each(fit));
        if self.run.request.cancel.level() > 1 {
            return Err(Halt::Cancelled);
        }
        let known = self.lock();
        let whole = |trial: &usize| {
            let parts: Option<Vec<&Vec<f32>>> =
                folds.iter().map(|fold| known.get(&(*trial, *fold))).collect();
            Some((*trial, parts?.into_iter().flatten().copied().collect()))
        };
        Ok(trials.iter().filter_map(whole).collect())
    }
}
