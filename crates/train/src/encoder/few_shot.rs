//! A backbone that learns from few labelled texts: texts of one label are drawn together and those of different labels apart,
//! then a linear head is fitted on its vectors (SetFit, Tunstall et al. 2022).
//!
//! Pairs are drawn from the labels, as many alike as different for each text. They are learned in their order (CoSENT), which
//! asks of a pair of one label no more than to be nearer than a pair of two.

use std::sync::Arc;
use std::time::Instant;

use loquat_models::{Manifest, PooledClassifier};
use loquat_nn::{Contrast, Interrupt, NnError, PairedText, TextEmbedder, TextPair, Watch};
use loquat_spec::{Precision, Task};
use serde_json::{Value, json};

use super::export::calibrate;
use super::head::HeadConfig;
use crate::embedding::{Contrastive, Course, learn};
use crate::error::{Halt, TrainError};
use crate::linear::{DenseFit, LinearError, Parameters, Random};
use crate::random::mix;
use crate::recipe::Ingredient;
use crate::run::Run;

/// The solver's word.
const SOLVER: &str = "few-shot";
/// Most rows a label where contrasting them is tried.
const FEW: usize = 64;
/// Pairs of each kind that are drawn for a text, where they are no more than [`MOST_PAIRS`] in all.
const EACH: usize = 8;
const MOST_PAIRS: usize = 8192;
const BATCH: usize = 32;
/// The highest rate of an encoder of width 384.
const RATE: f64 = 1e-4;
const SCALE: f32 = 20.0;
/// Steps timed to tell what a fit costs.
const TIMED: usize = 3;
/// Indices that name random choices.
const DRAWN: u64 = 0xFE3D;
const ORDER: u64 = 0xFE40;

/// A contrastive fine-tune with a head, as parameters of a trial say it.
#[derive(Debug, Clone)]
pub(crate) struct FewShotConfig {
    pub(crate) head: HeadConfig,
    rate: f64,
    seed: u64,
}

/// The texts that are trained on, as tokens of the backbone.
pub(crate) struct FewTexts {
    open: Contrastive,
    /// One for each row of the table that is trained on.
    tokens: Vec<Option<Arc<PairedText>>>,
}

/// Whether parameters are those of a contrastive fine-tune.
pub(crate) fn is_few_shot(parameters: &Parameters) -> bool {
    parameters.get("solver").and_then(Value::as_str) == Some(SOLVER)
}

/// Whether the rows of a run are so few that contrasting them may pay.
pub(crate) fn has_few_rows(run: &Run<'_>) -> bool {
    let problem = &run.problem;
    problem.table.task == Task::TextClassification && problem.pool.len() <= FEW * problem.classes
}

impl FewTexts {
    pub(crate) fn new(run: &Run<'_>, backbone: usize) -> Result<Self, TrainError> {
        let open = Contrastive::open(run.start(backbone)?)?;
        let problem = &run.problem;
        let texts: Vec<(u32, &str)> =
            problem.pool.iter().map(|row| (*row as u32, problem.text(*row))).collect();
        let mut tokens = vec![None; problem.table.rows.len()];
        for (row, own) in problem.pool.iter().zip(open.tokens(&texts, run.pool.current_num_threads())?) {
            tokens[*row] = Some(own);
        }
        Ok(Self { open, tokens })
    }

    fn of(&self, rows: &[usize]) -> Vec<Arc<PairedText>> {
        rows.iter().filter_map(|row| self.tokens[*row].clone()).collect()
    }
}

impl FewShotConfig {
    /// The parameters of a fine-tune whose head is that of the trial `from`.
    ///
    /// # Errors
    /// When the backbone can't be fine-tuned.
    pub(crate) fn parameters(texts: &FewTexts, from: &Parameters) -> Result<Parameters, TrainError> {
        texts.open.model(None, Contrast::Ordered { scale: SCALE })?;
        let mut parameters = from.clone();
        let solver = parameters.insert("solver".to_owned(), json!(SOLVER)).unwrap_or(Value::Null);
        parameters.insert("head".to_owned(), solver);
        parameters.insert("rate".to_owned(), json!(texts.open.rate(RATE)));
        Ok(parameters)
    }

    /// Reads what [`FewShotConfig::parameters`] writes.
    pub(crate) fn from_parameters(parameters: &Parameters, seed: u64) -> Result<Self, LinearError> {
        let rate = parameters.get("rate").and_then(Value::as_f64);
        let mut of_head = parameters.clone();
        of_head.insert("solver".to_owned(), parameters.get("head").cloned().unwrap_or(Value::Null));
        let head = HeadConfig::from_parameters(&of_head)?;
        Ok(Self { head, rate: rate.ok_or(LinearError::Parameter { name: "rate" })?, seed })
    }

    /// Seconds that a fit on all rows takes.
    pub(crate) fn seconds(&self, run: &Run<'_>, texts: &FewTexts) -> Result<f64, Halt> {
        let pairs = self.pairs(run, texts, &run.problem.pool);
        let timed = (TIMED * BATCH).min(pairs.len());
        let some = spread(&pairs, timed);
        self.contrast(run, texts, &some[..some.len().min(BATCH)], 2)?;
        let start = Instant::now();
        self.contrast(run, texts, &some, 2)?;
        Ok(start.elapsed().as_secs_f64() * pairs.len() as f64 / timed.max(1) as f64)
    }

    /// Fits on the rows `train` and gives the margins of `eval`, `[eval, classes]`.
    pub(crate) fn margins(
        &self,
        run: &Run<'_>,
        texts: &FewTexts,
        (train, eval): (&[usize], &[usize]),
    ) -> Result<Vec<f32>, Halt> {
        let (model, head) = self.fit(run, texts, (train, 1))?;
        let features = run.pool.install(|| model.vectors(&texts.of(eval)));
        let width = features.len() / eval.len().max(1);
        Ok(head.margins(features.chunks_exact(width.max(1))).map_err(TrainError::from)?)
    }

    /// The tuned backbone and the head on its vectors; `ends` requests to stop end the training.
    fn fit(
        &self,
        run: &Run<'_>,
        texts: &FewTexts,
        (train, ends): (&[usize], u8),
    ) -> Result<(TextEmbedder, DenseFit), Halt> {
        let pairs = self.pairs(run, texts, train);
        run.request.progress.stage("few-shot", Some(pairs.len().div_ceil(BATCH) as u64));
        let model = self.contrast(run, texts, &pairs, ends)?;
        let features = run.pool.install(|| model.vectors(&texts.of(train)));
        if !features.iter().all(|value| value.is_finite()) {
            let step = pairs.len().div_ceil(BATCH);
            return Err(TrainError::Nn(NnError::Diverged { step, what: "answer" }).into());
        }
        let width = features.len() / train.len().max(1);
        let place = |row: usize| train.binary_search(&row).unwrap_or_default();
        let seed = mix(self.seed, &[ORDER]);
        let row = |row: usize| &features[place(row) * width..][..width];
        let head = self.head.fit_on(&run.problem, row, (train, seed)).map_err(TrainError::from)?;
        Ok((model, head))
    }

    fn contrast(
        &self,
        run: &Run<'_>,
        texts: &FewTexts,
        pairs: &[TextPair],
        ends: u8,
    ) -> Result<TextEmbedder, Halt> {
        let mut model = texts.open.model(run.gpu.as_ref(), Contrast::Ordered { scale: SCALE })?;
        let seed = mix(self.seed, &[ORDER]);
        let course = Course { epochs: (1, 1), batch: BATCH, rate: self.rate, patience: 1, seed };
        let watch = Watching { run, ends };
        learn(run, &mut model, (pairs, course), (None, ""), &watch)?.ok_or(Halt::Cancelled)?;
        Ok(model)
    }

    /// Pairs of the rows `train`: for each as many others of its label as of other labels.
    fn pairs(&self, run: &Run<'_>, texts: &FewTexts, train: &[usize]) -> Vec<TextPair> {
        let labels = run.problem.labels();
        let label = |row: usize| labels[row].first().copied();
        let each = (MOST_PAIRS / (2 * train.len()).max(1)).clamp(1, EACH);
        let mut pairs = Vec::with_capacity(2 * each * train.len());
        for row in train {
            let (alike, others): (Vec<usize>, Vec<usize>) = train
                .iter()
                .copied()
                .filter(|other| other != row)
                .partition(|other| label(*other) == label(*row));
            let mut random = Random::new(mix(self.seed, &[DRAWN, *row as u64]));
            for (group, score) in [(alike, 1.0), (others, 0.0)] {
                if group.is_empty() {
                    continue;
                }
                let drawn = (0..each).map(|_| group[random.below(group.len())]);
                let pair = |other: usize| {
                    let (first, second) = (texts.tokens[*row].clone()?, texts.tokens[other].clone()?);
                    let weight = run.problem.table.rows[*row].weight;
                    Some(TextPair { first, second, negative: None, score, weight })
                };
                pairs.extend(drawn.filter_map(pair));
            }
        }
        pairs
    }

    /// Fits on all rows and writes the model into `folder`.
    pub(super) fn export(
        &self,
        run: &Run<'_>,
        part: &Ingredient,
        manifest: Manifest,
        folder: &std::path::Path,
    ) -> Result<Manifest, Halt> {
        let texts = FewTexts::new(run, self.head.backbone)?;
        let (model, head) = self.fit(run, &texts, (&run.problem.pool, 2))?;
        let (mut weights, mut bias) = head.unscaled();
        calibrate(&part.calibration, &mut weights, &mut bias);
        let (labels, multi_label) = (manifest.labels.clone(), false);
        let tuned = texts.open.checkpoint.with_tensors(model.trunk_tensors());
        tuned.save_classifier(&PooledClassifier { labels, multi_label, weights, bias }, folder)?;
        let max_tokens = Some(texts.open.loaded.max_tokens);
        Ok(Manifest { max_tokens, precision: Some(Precision::F32), ..manifest })
    }
}

/// So many of `pairs`, from all over.
fn spread(pairs: &[TextPair], count: usize) -> Vec<TextPair> {
    let step = (pairs.len() / count.max(1)).max(1);
    pairs.iter().step_by(step).take(count).cloned().collect()
}

struct Watching<'w, 'r> {
    run: &'w Run<'r>,
    /// Requests to stop that end the training.
    ends: u8,
}

impl Watch<TextEmbedder> for Watching<'_, '_> {
    fn step(&self) -> Result<(), Interrupt> {
        self.run.request.progress.advance(1);
        if self.run.request.cancel.level() >= self.ends { Err(Interrupt) } else { Ok(()) }
    }

    fn score(&self, _model: &TextEmbedder) -> Option<f64> {
        None
    }
}
