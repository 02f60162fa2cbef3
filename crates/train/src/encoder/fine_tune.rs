//! Full fine-tuning of a backbone, started from the best head that the search found on its features.
//!
//! It is too dear for every fold: it is trained once on the training side of the first fold and scored on its held-out rows,
//! then trained on all rows, for as many epochs as were best, if it wins. Where that leaves time for few epochs, it is trained on
//! the split alone, which gives twice as many: they are worth more than the rows held out.

use std::path::PathBuf;
use std::time::Instant;

use loquat_infer::{Input, Kernels};
use loquat_models::{Calibration, Checkpoint, Manifest, PooledClassifier, TokenClassifier, word_shapes};
use loquat_nn::{
    AdamW, Example, FineTune, Interrupt, LabelledWord, NnError, Outcome, Schedule, Targets, TextClassifier,
    Watch,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backbone::Loaded;
use super::course::{Course, SPLIT, keeps_split};
use super::export::calibrate;
use super::few_shot::is_few_shot;
use super::head::HeadConfig;
use super::student;
use super::words::{parted, tokens};
use crate::error::{Halt, TrainError};
use crate::linear::{LinearError, Parameters};
use crate::random::mix;
use crate::recipe::Ingredient;
use crate::run::Run;
use crate::tagging::Tagging;

/// The solver's word.
const SOLVER: &str = "fine-tune";
/// The parameter that names a teacher.
const TEACHER: &str = "teacher";
const BATCH: usize = 32;
const MOST_EPOCHS: usize = 10;
/// The same of a student, whose epochs are cheap and whose teacher has always more to say, and of an encoder from scratch, which
/// has more to learn.
const MOST_EPOCHS_OF_A_STUDENT: usize = 30;
const PATIENCE: usize = 3;
/// The highest rate of an encoder as wide as [`RATE_WIDTH`]; wider ones learn slower.
const RATE: f64 = 2e-4;
const RATE_WIDTH: f64 = 384.0;
/// The highest rate of any.
const HIGHEST_RATE: f64 = 1e-3;
const DROPOUT: f32 = 0.1;
const CHECKPOINT_EVERY: usize = 500;
/// Of the training rows of the split, one in so many tells when to stop.
const WATCHED: u64 = 10;
/// Steps timed to tell what an epoch costs.
const TIMED: usize = 4;
/// Margin of a word that the encoder does not see for being in no span, and against every other label.
const UNSEEN: f32 = 10.0;
/// Indices that name random choices.
const WATCHED_ROWS: u64 = 0x3A7C;
const ORDER: u64 = 0xF17E;

/// A fine-tune as parameters of a trial say it.
#[derive(Debug, Clone)]
pub(crate) struct FineTuneConfig {
    pub(crate) head: HeadConfig,
    rate: f64,
    epochs: usize,
    /// Whether it is trained again on all rows.
    refit: bool,
    seed: u64,
}

/// What the fine-tune on the split gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tuned {
    key: String,
    /// Margins of the split's held-out rows, `[rows, classes]`.
    pub(crate) margins: Vec<f32>,
    /// Epochs after which training was best.
    pub(crate) taken: usize,
    pub(crate) seconds: f64,
}

/// Whether parameters are those of a fine-tune, of labels or of pairs.
pub(crate) fn is_fine_tune(parameters: &Parameters) -> bool {
    parameters.get("solver").and_then(Value::as_str) == Some(SOLVER) || is_few_shot(parameters)
}

/// A text as tokens with its labels, for each row trained on.
struct Data {
    loaded: Loaded,
    checkpoint: Checkpoint,
    examples: Examples,
    seen: Seen,
    /// Texts of which only a teacher says something.
    unlabelled: Vec<Example>,
}

/// An example for each row of the table that is trained on.
type Examples = Vec<Option<Example>>;
/// Where words are labelled: for each row which of its words have a token; those alone have logits.
type Seen = Vec<Vec<bool>>;

impl FineTuneConfig {
    /// Reads the parameters that [`FineTuneConfig::plan`] writes.
    pub(crate) fn from_parameters(parameters: &Parameters, seed: u64) -> Result<Self, LinearError> {
        let number = |name: &'static str| {
            parameters.get(name).and_then(Value::as_f64).ok_or(LinearError::Parameter { name })
        };
        let mut of_head = parameters.clone();
        of_head.insert("solver".to_owned(), parameters.get("head").cloned().unwrap_or(Value::Null));
        let head = HeadConfig::from_parameters(&of_head)?;
        let (rate, epochs) = (number("rate")?, number("epochs")? as usize);
        Ok(Self { head, rate, epochs, refit: !keeps_split(parameters), seed })
    }

    /// A fine-tune that starts from the head `from`, as long as there is time for; `None` where there is too little.
    pub(crate) fn plan(run: &Run<'_>, from: &Parameters, seconds: f64) -> Result<Option<Parameters>, Halt> {
        let (mut parameters, epoch) = Self::timed(run, from, seconds.is_finite())?;
        if seconds.is_finite() {
            let Some(course) = Course::within(seconds, epoch, most_epochs(run)) else { return Ok(None) };
            course.write(&mut parameters);
        }
        Ok(Some(parameters))
    }

    /// What there is time for in `seconds`, where an epoch costs `epoch` seconds; `None` where it is not worth to begin.
    pub(crate) fn course(run: &Run<'_>, seconds: f64, epoch: f64) -> Option<Course> {
        Course::within(seconds, epoch, most_epochs(run))
    }

    /// Seconds that an epoch on all rows takes, started from the head `from`.
    pub(crate) fn seconds_of_an_epoch(run: &Run<'_>, from: &Parameters) -> Result<f64, Halt> {
        Ok(Self::timed(run, from, true)?.1)
    }

    /// The longest fine-tune, and what an epoch of it costs where that is asked for.
    fn timed(run: &Run<'_>, from: &Parameters, timed: bool) -> Result<(Parameters, f64), Halt> {
        let head = HeadConfig::from_parameters(from).map_err(TrainError::from)?;
        let data = Data::new(run, head.backbone)?;
        let width = data.loaded.encoder.feature_size() as f64;
        let rate = (RATE * libm::pow(RATE_WIDTH / width, 1.5)).min(HIGHEST_RATE);
        let mut parameters = from.clone();
        let solver = parameters.insert("solver".to_owned(), json!(SOLVER)).unwrap_or(Value::Null);
        parameters.insert("head".to_owned(), solver);
        parameters.insert("rate".to_owned(), json!(rate));
        parameters.insert("epochs".to_owned(), json!(most_epochs(run)));
        if let Some(teacher) = &run.request.origins.teacher {
            parameters.insert(TEACHER.to_owned(), json!(teacher.name));
        }
        let config = Self::from_parameters(&parameters, 0).map_err(TrainError::from)?;
        // What can't be fine-tuned is refused here.
        let model = config.model(run, &data, &run.problem.pool)?;
        let seconds = if timed { config.seconds_per_epoch(run, &data, model)? } else { 0.0 };
        Ok((parameters, seconds))
    }

    fn seconds_per_epoch(&self, run: &Run<'_>, data: &Data, mut model: TextClassifier) -> Result<f64, Halt> {
        let rows = &run.problem.pool;
        let steps = rows.len().div_ceil(BATCH);
        let timed = TIMED.min(steps);
        // Rows spread over all of them, so that their lengths are usual.
        let step = (rows.len() / (timed * BATCH).max(1)).max(1);
        let some: Vec<usize> = rows.iter().copied().step_by(step).take(timed * BATCH).collect();
        let plan = self.plan_of(1);
        let watch = Watching { run, rows: &[], data, ends: 2 };
        let examples = data.of(&some);
        // The first step is slower than all others: buffers are made in it.
        let warm = data.of(&some[..some.len().min(BATCH)]);
        run.pool.install(|| plan.train(&mut model, &warm, (None, ""), &watch)).map_err(TrainError::from)?;
        let start = Instant::now();
        run.pool
            .install(|| plan.train(&mut model, &examples, (None, ""), &watch))
            .map_err(TrainError::from)?;
        let all = rows.len() + data.unlabelled.len();
        Ok(start.elapsed().as_secs_f64() * all as f64 / some.len().max(1) as f64)
    }

    fn plan_of(&self, run: usize) -> FineTune {
        FineTune {
            epochs: self.epochs,
            run,
            batch: BATCH,
            schedule: Schedule { rate: self.rate as f32, warm_up: 0.1 },
            optimiser: AdamW::default(),
            dropout: DROPOUT,
            patience: PATIENCE.max(self.epochs / 3),
            seed: self.seed,
            checkpoint_every: CHECKPOINT_EVERY,
            keep: false,
        }
    }

    /// The backbone with the head fitted on the rows `train`, from which training starts.
    fn model(&self, run: &Run<'_>, data: &Data, train: &[usize]) -> Result<TextClassifier, TrainError> {
        let seed = mix(self.seed, &[ORDER]);
        let head = self.head.fit(&run.problem, train, seed)?.unscaled();
        if run.problem.tagging.is_some() {
            let shapes = run.problem.features(self.head.backbone)?.shapes;
            let (weights, shapes) = parted(&head.0, (head.1.len(), shapes));
            let (kernels, head) = (Kernels::detect(), (weights, head.1));
            let model = TextClassifier::of_words(kernels, &data.checkpoint, head, shapes)?;
            return Ok(model.on(run.gpu.as_ref())?);
        }
        let targets = if run.problem.multi_label { Targets::MultiLabel } else { Targets::SingleLabel };
        let pooling = data.loaded.encoder.feature_pooling();
        let model = TextClassifier::new(Kernels::detect(), &data.checkpoint, pooling, targets, head)?;
        Ok(model.on(run.gpu.as_ref())?)
    }

    /// Trains on the rows `train` but those that tell when to stop, and gives the margins of `eval`.
    pub(crate) fn on_split(&self, run: &Run<'_>, (train, eval): (&[usize], &[usize])) -> Result<Tuned, Halt> {
        let (key, result) = (self.key(run, "split"), place(run, "split.json"));
        if let Some(known) = read(&result, &key) {
            return Ok(known);
        }
        let start = Instant::now();
        let data = Data::new(run, self.head.backbone)?;
        let (learned, watched) = Self::parts(run, train);
        let mut model = self.model(run, &data, &learned)?;
        let steps = data.steps(learned.len());
        run.request.progress.stage("fine-tuning", Some((self.epochs * steps) as u64));
        let outcome =
            self.train(run, &mut model, (&data, &learned, &watched), (&key, "split", self.epochs))?;
        let margins = run.pool.install(|| data.margins(run, &model, eval));
        if !margins.iter().all(|margin| margin.is_finite()) {
            let step = outcome.epochs.len() * steps;
            return Err(TrainError::Nn(NnError::Diverged { step, what: "answer" }).into());
        }
        let tuned = Tuned { key, margins, taken: outcome.taken, seconds: start.elapsed().as_secs_f64() };
        let text = serde_json::to_string(&tuned).map_err(TrainError::from)?;
        std::fs::write(&result, text).map_err(TrainError::file("write", &result))?;
        Ok(tuned)
    }

    /// The rows of the training side `train` that are learned from, and those that tell when to stop.
    fn parts(run: &Run<'_>, train: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let is_watched = |row: &usize| {
            let group = u64::from(run.problem.groups[*row]);
            mix(run.seed(), &[WATCHED_ROWS, group]).is_multiple_of(WATCHED)
        };
        let (watched, learned) = train.iter().copied().partition(is_watched);
        (learned, watched)
    }

    fn train(
        &self,
        run: &Run<'_>,
        model: &mut TextClassifier,
        (data, learned, watched): (&Data, &[usize], &[usize]),
        (key, name, epochs): (&str, &str, usize),
    ) -> Result<Outcome, Halt> {
        let folder = place(run, name);
        let parent = folder.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).map_err(TrainError::file("create", parent))?;
        // Without rows to watch it is the last training, which a first request lets finish.
        let watch = Watching { run, rows: watched, data, ends: if watched.is_empty() { 2 } else { 1 } };
        let mut examples = data.of(learned);
        examples.extend_from_slice(&data.unlabelled);
        // What is not trained again is exported from the checkpoint of the split.
        let plan = FineTune { keep: !self.refit, ..self.plan_of(epochs) };
        let ended = run.pool.install(|| plan.train(model, &examples, (Some(&folder), key), &watch));
        ended.map_err(TrainError::from)?.ok_or(Halt::Cancelled)
    }

    /// Trains on all rows for as many epochs as were best on the split, or gives what was trained there, and writes the model into
    /// `folder`.
    pub(crate) fn export(
        &self,
        run: &Run<'_>,
        part: &Ingredient,
        manifest: Manifest,
        folder: &std::path::Path,
    ) -> Result<Manifest, Halt> {
        let problem = &run.problem;
        let taken =
            part.parameters.get("taken").and_then(Value::as_u64).unwrap_or(self.epochs as u64) as usize;
        let data = Data::new(run, self.head.backbone)?;
        let mut model;
        if self.refit {
            model = self.model(run, &data, &problem.pool)?;
            run.request.progress.stage("refit", Some((taken * data.steps(problem.pool.len())) as u64));
            let key = self.key(run, &format!("final {taken}"));
            self.train(run, &mut model, (&data, &problem.pool, &[]), (&key, "final", taken))?;
        } else {
            let (learned, watched) = Self::parts(run, run.final_folds()?.train(SPLIT));
            model = self.model(run, &data, &learned)?;
            let key = self.key(run, "split");
            self.train(run, &mut model, (&data, &learned, &watched), (&key, "split", self.epochs))?;
        }
        let (weights, bias) = model.head();
        let (mut weights, mut bias) = (weights.to_vec(), bias.to_vec());
        calibrate(&part.calibration, &mut weights, &mut bias);
        let (labels, multi_label) = (manifest.labels.clone(), problem.multi_label);
        let tuned = data.checkpoint.with_tensors(model.trunk_tensors());
        let saved = if problem.tagging.is_some() {
            let mut shapes = model.shapes().to_vec();
            if let Calibration::Temperature(temperature) = part.calibration {
                shapes.iter_mut().for_each(|shape| *shape /= temperature);
            }
            tuned.save_token_classifier(&TokenClassifier { labels, weights, bias, shapes }, folder)
        } else {
            tuned.save_classifier(&PooledClassifier { labels, multi_label, weights, bias }, folder)
        };
        saved.map_err(TrainError::from)?;
        let precision = Some(loquat_spec::Precision::F32);
        Ok(Manifest { max_tokens: Some(data.loaded.max_tokens), precision, ..manifest })
    }

    /// What identifies a training, so that the checkpoint of another is not believed.
    fn key(&self, run: &Run<'_>, name: &str) -> String {
        format!("{} {name} {:?}", run.inputs, self)
    }
}

impl Data {
    fn new(run: &Run<'_>, backbone: usize) -> Result<Self, Halt> {
        let backbone = run.start(backbone)?;
        let loaded = backbone.load(Kernels::detect())?;
        let problem = &run.problem;
        let checkpoint = Checkpoint::open(&backbone.folder).map_err(TrainError::from)?;
        if let Some(tagging) = &problem.tagging {
            let (examples, seen) = of_words(run, &loaded, tagging)?;
            return Ok(Self { loaded, checkpoint, examples, seen, unlabelled: Vec::new() });
        }
        let inputs: Vec<Input> = problem.pool.iter().map(|row| problem.input(*row)).collect();
        let texts: Vec<(&str, Option<&str>)> =
            inputs.iter().map(|input| (input.text.as_str(), input.second.as_deref())).collect();
        let threads = run.pool.current_num_threads();
        let encoded = loaded.tokenizer.encode_batch(&texts, Some(loaded.max_tokens), threads);
        let encodings = encoded.map_err(|source| TrainError::Tokenizer { source })?;
        let mut examples = vec![None; problem.table.rows.len()];
        for (row, encoding) in problem.pool.iter().zip(encodings) {
            let (labels, weight) = (problem.labels()[*row].clone(), problem.table.rows[*row].weight);
            let (ids, type_ids) = (encoding.ids, encoding.type_ids);
            let (shares, words) = (problem.table.rows[*row].shares.clone(), Vec::new());
            examples[*row] = Some(Example { ids, type_ids, labels, shares, words, weight, taught: None });
        }
        let mut unlabelled = Vec::new();
        if let Some(teacher) = &run.request.origins.teacher {
            for (row, taught) in problem.pool.iter().zip(student::lessons(run, teacher)?) {
                examples[*row].iter_mut().for_each(|example| example.taught = Some(taught.clone()));
            }
            unlabelled = student::unlabelled(run, teacher, &loaded)?;
        }
        Ok(Self { checkpoint, loaded, examples, seen: Vec::new(), unlabelled })
    }

    /// The model's margins of `rows`; a word without a token is outside of all spans.
    fn margins(&self, run: &Run<'_>, model: &TextClassifier, rows: &[usize]) -> Vec<f32> {
        let logits = model.logits(&self.of(rows));
        if self.seen.is_empty() {
            return logits;
        }
        let width = run.problem.width();
        let mut known = logits.chunks_exact(width);
        let mut outside = vec![-UNSEEN; width];
        outside[0] = UNSEEN;
        let words = rows.iter().flat_map(|row| &self.seen[*row]);
        let margins = words.map(|seen| if *seen { known.next() } else { None });
        margins.flat_map(|margins| margins.unwrap_or(&outside)).copied().collect()
    }

    /// Steps of an epoch on so many rows.
    fn steps(&self, rows: usize) -> usize {
        (rows + self.unlabelled.len()).div_ceil(BATCH)
    }

    /// The examples of rows that are trained on.
    fn of(&self, rows: &[usize]) -> Vec<Example> {
        rows.iter().filter_map(|row| self.examples[*row].clone()).collect()
    }
}

/// An example for each row that is trained on, and which words of it have a token.
fn of_words(run: &Run<'_>, loaded: &Loaded, tagging: &Tagging) -> Result<(Examples, Seen), TrainError> {
    let count = tagging.rows.len();
    let (mut examples, mut seen) = (vec![None; count], vec![Vec::new(); count]);
    for (row, tokens) in run.problem.pool.iter().zip(tokens(run, loaded, tagging)?) {
        let tagged = &tagging.rows[*row];
        let shapes = word_shapes(&tagged.text, &tagged.words);
        let of = |((first, tag), shapes): ((&Option<usize>, &u32), [u32; 3])| {
            Some((LabelledWord { token: (*first)? as u32, shapes }, *tag))
        };
        let (words, labels) = tokens.firsts.iter().zip(&tagged.tags).zip(shapes).filter_map(of).unzip();
        seen[*row] = tokens.firsts.iter().map(Option::is_some).collect();
        let (ids, type_ids) = (tokens.encoding.ids, tokens.encoding.type_ids);
        let weight = run.problem.table.rows[*row].weight;
        let shares = Vec::new();
        examples[*row] = Some(Example { ids, type_ids, labels, shares, words, weight, taught: None });
    }
    Ok((examples, seen))
}

struct Watching<'w, 'r> {
    run: &'w Run<'r>,
    /// Rows that tell when to stop; none: the last weights are taken.
    rows: &'w [usize],
    data: &'w Data,
    /// Requests to stop that end the training.
    ends: u8,
}

impl Watch for Watching<'_, '_> {
    fn step(&self) -> Result<(), Interrupt> {
        self.run.request.progress.advance(1);
        if self.run.request.cancel.level() >= self.ends { Err(Interrupt) } else { Ok(()) }
    }

    fn score(&self, model: &TextClassifier) -> Option<f64> {
        let margins = || self.data.margins(self.run, model, self.rows);
        (!self.rows.is_empty()).then(|| self.run.problem.fold_utility(self.rows, &margins()))
    }
}

fn most_epochs(run: &Run<'_>) -> usize {
    let learns_much = run.request.origins.teacher.is_some() || run.request.training.is_from_scratch();
    if learns_much { MOST_EPOCHS_OF_A_STUDENT } else { MOST_EPOCHS }
}

/// Removes what a fine-tune kept to be exported.
pub(crate) fn forget_split(run: &Run<'_>) -> Result<(), TrainError> {
    let folder = place(run, "split");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::file("remove", &folder)(error))
        }
        _ => Ok(()),
    }
}

fn place(run: &Run<'_>, name: &str) -> PathBuf {
    run.request.run_dir.join("fine-tune").join(name)
}

fn read(path: &std::path::Path, key: &str) -> Option<Tuned> {
    let tuned: Tuned = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (tuned.key == key).then_some(tuned)
}

/// Whether an error means that this backbone can't be fine-tuned, and the search's heads remain.
pub(crate) fn leaves_heads(error: &TrainError) -> bool {
    matches!(
        error,
        TrainError::Nn(NnError::Architecture { .. } | NnError::Pooling | NnError::Diverged { .. })
    )
}
