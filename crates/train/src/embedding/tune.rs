//! The fine-tune of an embedding: pairs that belong together by multiple negatives ranking, pairs with scores by CoSENT.

use std::path::PathBuf;
use std::time::Instant;

use loquat_nn::{Interrupt, NnError, TextEmbedder, TextPair, Watch};
use loquat_spec::PairData;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::embeddings::Embeddings;
use super::mining::mined;
use super::scoring::of_rows;
use super::texts::{Contrastive, Course, learn};
use crate::error::{Halt, TrainError};
use crate::linear::{LinearError, Parameters};
use crate::metrics::utility;
use crate::random::mix;
use crate::run::Run;

/// The solvers' words.
const SOLVER: &str = "fine-tune";
const UNTUNED: &str = "untuned";
const BATCH: usize = 32;
const MOST_EPOCHS: usize = 6;
const PATIENCE: usize = 2;
/// The highest rate of an encoder of width 384.
const RATE: f64 = 1e-4;
/// Steps timed to tell what an epoch costs.
const TIMED: usize = 4;
/// Share of the time left that fine-tuning plans with.
const PLANNED: f64 = 0.85;
/// What an epoch on the split costs, of one on all pairs.
const SPLIT_COST: f64 = 0.75;
/// Index that names the order of pairs.
const ORDER: u64 = 0xE4BE;

/// A fine-tune as parameters of a trial say it.
#[derive(Debug, Clone)]
pub(super) struct TuneConfig {
    pub(super) backbone: usize,
    /// Whether hard negatives are looked for.
    mines: bool,
    rate: f64,
    epochs: usize,
    seed: u64,
}

/// How much is tuned in the time that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TunePlan {
    /// Epochs of each; 0: none.
    pub(super) epochs: usize,
    /// Whether one with hard negatives is tried beside the one without.
    pub(super) mines: bool,
}

/// What a fine-tune on the split gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tuned {
    key: String,
    /// The metric on the held-out pairs, larger is better.
    pub(super) utility: f64,
    /// Epochs after which training was best.
    pub(super) taken: usize,
    pub(super) seconds: f64,
}

/// Whether parameters are those of a backbone as it is.
pub(crate) fn is_untuned(parameters: &Parameters) -> bool {
    parameters.get("solver").and_then(Value::as_str) == Some(UNTUNED)
}

/// The parameters of the backbone at `place`, as it is.
pub(super) fn untuned(place: usize) -> Parameters {
    Parameters::from([
        ("solver".to_owned(), json!(UNTUNED)),
        ("backbone".to_owned(), json!((place + 1).to_string())),
    ])
}

/// Place of the backbone that parameters name.
pub(super) fn backbone_of(parameters: &Parameters) -> Result<usize, LinearError> {
    let place: Option<usize> =
        parameters.get("backbone").and_then(Value::as_str).and_then(|place| place.parse().ok());
    place.and_then(|place| place.checked_sub(1)).ok_or(LinearError::Parameter { name: "backbone" })
}

impl TunePlan {
    /// What fits into `seconds`, where an epoch on all pairs costs `epoch` seconds. Looking for hard negatives is given up first.
    pub(super) fn of(seconds: f64, epoch: f64, may_mine: bool) -> Self {
        let epochs = |tunes: f64| {
            let each = epoch * (tunes * SPLIT_COST + 1.0) / PLANNED;
            ((seconds / each) as usize).min(MOST_EPOCHS)
        };
        let (both, one) = (epochs(2.0), epochs(1.0));
        if may_mine && both * 2 > one {
            return Self { epochs: both, mines: true };
        }
        Self { epochs: one, mines: false }
    }

    /// As the journal keeps it.
    pub(super) fn to_parameters(self) -> Parameters {
        Parameters::from([("epochs".to_owned(), json!(self.epochs)), ("mines".to_owned(), json!(self.mines))])
    }

    pub(super) fn from_parameters(parameters: &Parameters) -> Option<Self> {
        let epochs = parameters.get("epochs").and_then(Value::as_u64)? as usize;
        Some(Self { epochs, mines: parameters.get("mines").and_then(Value::as_bool)? })
    }
}

impl TuneConfig {
    /// The parameters of a fine-tune of the backbone at `place`.
    pub(super) fn parameters(
        open: &Contrastive,
        place: usize,
        (pairs, mines, epochs): (PairData, bool, usize),
    ) -> Parameters {
        let loss = match pairs {
            PairData::Scored => "cosent",
            PairData::Together => "multiple-negatives-ranking",
        };
        let mut parameters = untuned(place);
        parameters.insert("solver".to_owned(), json!(SOLVER));
        parameters.insert("loss".to_owned(), json!(loss));
        parameters.insert("rate".to_owned(), json!(open.rate(RATE)));
        parameters.insert("epochs".to_owned(), json!(epochs));
        if pairs == PairData::Together {
            let negatives = if mines { "mined" } else { "in-batch" };
            parameters.insert("negatives".to_owned(), json!(negatives));
        }
        parameters
    }

    pub(super) fn from_parameters(parameters: &Parameters, seed: u64) -> Result<Self, LinearError> {
        let number = |name: &'static str| {
            parameters.get(name).and_then(Value::as_f64).ok_or(LinearError::Parameter { name })
        };
        Ok(Self {
            backbone: backbone_of(parameters)?,
            mines: parameters.get("negatives").and_then(Value::as_str) == Some("mined"),
            rate: number("rate")?,
            epochs: number("epochs")? as usize,
            seed: mix(seed, &[ORDER]),
        })
    }

    fn course(&self, run: usize) -> Course {
        Course {
            epochs: (self.epochs, run),
            batch: BATCH,
            rate: self.rate,
            patience: PATIENCE,
            seed: self.seed,
        }
    }

    /// Seconds that an epoch on all pairs takes.
    pub(super) fn seconds_of_an_epoch(
        run: &Run<'_>,
        all: &Embeddings<'_>,
        (open, place): (&Contrastive, usize),
    ) -> Result<f64, Halt> {
        let parameters = Self::parameters(open, place, (all.data, false, 1));
        let config = Self::from_parameters(&parameters, 0).map_err(TrainError::from)?;
        let rows = &run.problem.pool;
        let timed = TIMED.min(rows.len().div_ceil(BATCH)).max(1);
        // Pairs spread over all of them, so that their lengths are usual.
        let step = (rows.len() / (timed * BATCH)).max(1);
        let some: Vec<usize> = rows.iter().copied().step_by(step).take(timed * BATCH).collect();
        let examples = config.examples(all, &some, &[]);
        let watch = Watching { run, all, rows: &[], ends: 2 };
        let mut model = open.model(run.gpu.as_ref(), all.contrast())?;
        // The first step is slower than all others: buffers are made in it.
        learn(
            run,
            &mut model,
            (&examples[..examples.len().min(BATCH)], config.course(1)),
            (None, ""),
            &watch,
        )?;
        let start = Instant::now();
        learn(run, &mut model, (&examples, config.course(1)), (None, ""), &watch)?;
        Ok(start.elapsed().as_secs_f64() * rows.len() as f64 / some.len().max(1) as f64)
    }

    /// The pairs of `rows`, with the negatives that were mined for each, if any were.
    fn examples(&self, all: &Embeddings<'_>, rows: &[usize], mined: &[Option<u32>]) -> Vec<TextPair> {
        let example = |(place, row): (usize, &usize)| {
            let pair = all.pairs.rows[*row];
            let negative = pair.negative.or(mined.get(place).copied().flatten());
            TextPair {
                first: all.token(pair.first),
                second: all.token(pair.second),
                negative: negative.map(|number| all.token(number)),
                score: pair.score.unwrap_or_default(),
                weight: pair.weight,
            }
        };
        rows.iter().enumerate().map(example).collect()
    }

    fn learned(&self, all: &Embeddings<'_>, rows: &[usize]) -> Vec<TextPair> {
        let mined = if self.mines {
            mined(&all.pairs, rows, &all.untuned[self.backbone], self.seed)
        } else {
            Vec::new()
        };
        self.examples(all, rows, &mined)
    }

    /// Trains on the split's pairs but those that tell when to stop, and scores the held-out pairs.
    pub(super) fn on_split(
        &self,
        run: &Run<'_>,
        all: &Embeddings<'_>,
        (open, trial): (&Contrastive, usize),
    ) -> Result<Tuned, Halt> {
        let (key, result) = (self.key(run, "split"), place(run, &format!("split-{trial}.json")));
        if let Some(known) = read(&result, &key) {
            return Ok(known);
        }
        let start = Instant::now();
        let split = &all.split;
        let examples = run.pool.install(|| self.learned(all, &split.learned));
        let mut model = open.model(run.gpu.as_ref(), all.contrast())?;
        let steps = self.epochs * examples.len().div_ceil(BATCH);
        run.request.progress.stage("fine-tuning", Some(steps as u64));
        let watch = Watching { run, all, rows: &split.watched, ends: 1 };
        let folder = folder(run, &format!("split-{trial}"))?;
        let taught = (examples.as_slice(), self.course(self.epochs));
        let outcome =
            learn(run, &mut model, taught, (Some(&folder), &key), &watch)?.ok_or(Halt::Cancelled)?;
        let vectors = all.vectors(run, &model, &split.held_out);
        if !vectors.are_finite() {
            return Err(TrainError::Nn(NnError::Diverged { step: steps, what: "answer" }).into());
        }
        let answers = run.pool.install(|| of_rows(&all.pairs, &split.held_out, &vectors));
        let metric = run.problem.metric;
        let tuned = Tuned {
            key,
            utility: utility(metric, answers.value(metric)),
            taken: outcome.taken,
            seconds: start.elapsed().as_secs_f64(),
        };
        let text = serde_json::to_string(&tuned).map_err(TrainError::from)?;
        std::fs::write(&result, text).map_err(TrainError::file("write", &result))?;
        Ok(tuned)
    }

    /// The backbone trained on all pairs for `taken` epochs.
    pub(super) fn on_all(
        &self,
        run: &Run<'_>,
        all: &Embeddings<'_>,
        (open, taken): (&Contrastive, usize),
    ) -> Result<TextEmbedder, Halt> {
        let rows = &run.problem.pool;
        let examples = run.pool.install(|| self.learned(all, rows));
        let mut model = open.model(run.gpu.as_ref(), all.contrast())?;
        run.request.progress.stage("refit", Some((taken * rows.len().div_ceil(BATCH)) as u64));
        let key = self.key(run, &format!("final {taken}"));
        // It is the last training, which a first request to stop lets finish.
        let watch = Watching { run, all, rows: &[], ends: 2 };
        let folder = folder(run, "final")?;
        let taught = (examples.as_slice(), self.course(taken));
        learn(run, &mut model, taught, (Some(&folder), &key), &watch)?.ok_or(Halt::Cancelled)?;
        Ok(model)
    }

    /// What identifies a training, so that the checkpoint of another is not believed.
    fn key(&self, run: &Run<'_>, name: &str) -> String {
        format!("{} embedding {name} {:?}", run.inputs, self)
    }
}

struct Watching<'w, 'r> {
    run: &'w Run<'r>,
    all: &'w Embeddings<'w>,
    /// Pairs that tell when to stop; none: the last weights are taken.
    rows: &'w [usize],
    /// Requests to stop that end the training.
    ends: u8,
}

impl Watch<TextEmbedder> for Watching<'_, '_> {
    fn step(&self) -> Result<(), Interrupt> {
        self.run.request.progress.advance(1);
        if self.run.request.cancel.level() >= self.ends { Err(Interrupt) } else { Ok(()) }
    }

    fn score(&self, model: &TextEmbedder) -> Option<f64> {
        let metric = self.run.problem.metric;
        let score = || {
            let vectors = self.all.vectors(self.run, model, self.rows);
            utility(metric, of_rows(&self.all.pairs, self.rows, &vectors).value(metric))
        };
        (!self.rows.is_empty()).then(score)
    }
}

fn place(run: &Run<'_>, name: &str) -> PathBuf {
    run.request.run_dir.join("fine-tune").join(name)
}

/// The folder of a checkpoint, whose parent is made.
fn folder(run: &Run<'_>, name: &str) -> Result<PathBuf, TrainError> {
    let folder = place(run, name);
    let parent = folder.parent().unwrap_or(&folder);
    std::fs::create_dir_all(parent).map_err(TrainError::file("create", parent))?;
    Ok(folder)
}

fn read(path: &std::path::Path, key: &str) -> Option<Tuned> {
    let tuned: Tuned = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (tuned.key == key).then_some(tuned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_gives_up_hard_negatives_then_epochs() {
        let plan = |epochs, mines| TunePlan { epochs, mines };
        assert_eq!(TunePlan::of(f64::INFINITY, 0.0, true), plan(6, true));
        assert_eq!(TunePlan::of(1e6, 10.0, false), plan(6, false));
        assert_eq!(TunePlan::of(100.0, 10.0, true), plan(3, true));
        assert_eq!(TunePlan::of(25.0, 10.0, true), plan(1, false));
        assert_eq!(TunePlan::of(5.0, 10.0, true), plan(0, false));
    }

    #[test]
    fn plans_are_read_as_they_were_written() {
        let plan = TunePlan { epochs: 4, mines: true };
        assert_eq!(TunePlan::from_parameters(&plan.to_parameters()), Some(plan));
    }
}
