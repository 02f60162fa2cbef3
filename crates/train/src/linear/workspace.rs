//! All rows of a training, with the features and targets that trials share.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use loquat_models::Component;

use super::config::{ClassWeight, LinearConfig, LinearError, Solver};
use super::corpus::Corpus;
use super::embedding::Schedule;
use super::matrix::{FeatureRequest, FoldFeatures, Matrix};
use super::naive_bayes::Ratio;
use super::softmax::Start;
use super::weights::{Rows, Weights, stride};
use super::{component, embedding, logistic, naive_bayes, softmax, svm};

/// Most bytes of features kept for further trials.
const CACHE_BYTES: usize = 1_500_000_000;

/// The labels of every row.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// Number of labels.
    pub classes: usize,
    /// Whether a row may have several labels, or none.
    pub multi_label: bool,
    /// Labels of each row.
    pub labels: Vec<Vec<u32>>,
    /// Of each row the share of each label, where annotators disagree; empty where they do of no row.
    pub shares: Vec<Vec<(u32, f32)>>,
    /// How much each row counts.
    pub weights: Vec<f32>,
}

impl Targets {
    /// The share of each label of a row; empty: its labels say all.
    pub(crate) fn shares(&self, row: usize) -> &[(u32, f32)] {
        self.shares.get(row).map_or(&[], Vec::as_slice)
    }
}

/// A training row as a solver sees it: a row of which annotators disagree stands there once for each label.
struct Occurrence<'t> {
    /// Its place among the training rows.
    place: usize,
    labels: &'t [u32],
    share: f32,
}

/// What identifies the features of a fold.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    features: loquat_models::FeatureConfig,
    min_rows: u32,
    inverse_document_frequency: bool,
    train: Vec<usize>,
}

type Cell = Arc<std::sync::OnceLock<Result<Arc<FoldFeatures>, LinearError>>>;

/// All rows' texts and labels, with what trials computed from them.
#[derive(Debug)]
pub(crate) struct Workspace<'t> {
    corpus: Corpus<'t>,
    targets: Targets,
    /// Features by fold, oldest first.
    cache: Mutex<Vec<(Key, Cell)>>,
}

impl<'t> Workspace<'t> {
    /// `texts` and `targets` are in the same order.
    pub(crate) fn new(texts: Vec<Cow<'t, str>>, targets: Targets) -> Self {
        Self { corpus: Corpus::new(texts), targets, cache: Mutex::default() }
    }

    /// The labels of every row.
    pub(crate) fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Fits `config` on the rows `train` and returns the margins of the rows `eval`, `[eval, classes]`.
    ///
    /// Runs on the caller's thread; the result depends on the arguments alone.
    pub(crate) fn margins(
        &self,
        config: &LinearConfig,
        train: &[usize],
        eval: &[usize],
        seed: u64,
    ) -> Result<Vec<f32>, LinearError> {
        let features = self.features(config, train)?;
        let weights = self.fit(config, &features, train, seed);
        weights.margins(&features.rows(&self.corpus, &config.features, eval))
    }

    /// Fits `config` on the rows `train` and returns the pruned, quantised component of at most about `max_bytes`.
    pub(crate) fn component(
        &self,
        config: &LinearConfig,
        train: &[usize],
        seed: u64,
        max_bytes: Option<u64>,
    ) -> Result<Component, LinearError> {
        let features = self.features(config, train)?;
        let weights = self.fit(config, &features, train, seed);
        component::build(config, &features, &weights, max_bytes)
    }

    /// Forgets the features of a training set that no trial will ask for again.
    pub(crate) fn release(&self, train: &[usize]) {
        self.lock().retain(|(key, _)| key.train != train);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Key, Cell)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn features(&self, config: &LinearConfig, train: &[usize]) -> Result<Arc<FoldFeatures>, LinearError> {
        let key = Key {
            features: config.features.clone(),
            min_rows: config.min_rows,
            inverse_document_frequency: config.inverse_document_frequency,
            train: train.to_vec(),
        };
        let cell = {
            let mut cache = self.lock();
            match cache.iter().find(|(known, _)| *known == key) {
                Some((_, cell)) => Arc::clone(cell),
                None => {
                    let cell = Cell::default();
                    cache.push((key, Arc::clone(&cell)));
                    cell
                }
            }
        };
        let request = FeatureRequest {
            config: &config.features,
            min_rows: config.min_rows,
            inverse_document_frequency: config.inverse_document_frequency,
            classes: self.targets.classes,
        };
        let made =
            cell.get_or_init(|| FoldFeatures::new(&self.corpus, &request, train).map(Arc::new)).clone();
        self.trim();
        made
    }

    /// Drops the oldest features while the cache is too large; those in use live on with their users.
    fn trim(&self) {
        let mut cache = self.lock();
        let size = |cell: &Cell| cell.get().and_then(|f| f.as_ref().ok()).map_or(0, |f| f.bytes());
        let mut total: usize = cache.iter().map(|(_, cell)| size(cell)).sum();
        while total > CACHE_BYTES && cache.len() > 1 {
            let (_, cell) = cache.remove(0);
            total -= size(&cell);
        }
    }

    pub(super) fn rows(&self, class_weight: ClassWeight, train: &[usize]) -> Rows {
        let classes = self.targets.classes;
        let stride = stride(classes);
        let occurrences = self.occurrences(train);
        let mut truth = vec![0.0; occurrences.len() * stride];
        let mut sizes = vec![0.0_f32; classes];
        for (place, one) in occurrences.iter().enumerate() {
            for label in one.labels {
                truth[place * stride + *label as usize] = 1.0;
                sizes[*label as usize] += one.share;
            }
        }
        let present = sizes.iter().filter(|s| **s > 0.0).count().max(1) as f32;
        let mean = train.len() as f32 / present;
        let factor = |one: &Occurrence<'_>| match (class_weight, one.labels.first()) {
            (ClassWeight::Balanced, Some(label)) => mean / sizes[*label as usize],
            (ClassWeight::Root, Some(label)) => (mean / sizes[*label as usize]).sqrt(),
            _ => 1.0,
        };
        let weight = |one: &Occurrence<'_>| self.targets.weights[train[one.place]] * one.share * factor(one);
        let weights = occurrences.iter().map(weight).collect();
        let places =
            (occurrences.len() > train.len()).then(|| occurrences.iter().map(|one| one.place).collect());
        Rows { truth, weights, classes, stride, places }
    }

    fn occurrences(&self, train: &[usize]) -> Vec<Occurrence<'_>> {
        let targets = &self.targets;
        let mut occurrences = Vec::with_capacity(train.len());
        for (place, row) in train.iter().enumerate() {
            match targets.shares(*row) {
                [] => occurrences.push(Occurrence { place, labels: &targets.labels[*row], share: 1.0 }),
                shares => occurrences.extend(shares.iter().map(|(label, share)| Occurrence {
                    place,
                    labels: std::slice::from_ref(label),
                    share: *share,
                })),
            }
        }
        occurrences
    }

    fn fit(&self, config: &LinearConfig, features: &FoldFeatures, train: &[usize], seed: u64) -> Weights {
        let rows = self.rows(config.class_weight, train);
        let matrix: &Matrix = &rows.repeated(&features.matrix);
        let ratio = |wanted: bool| wanted.then(|| Ratio::new(matrix, &rows, features.len()));
        let mut weights = match config.solver {
            Solver::Svm { cost, bayes_ratio } => {
                svm::fit(matrix, &rows, cost, ratio(bayes_ratio).as_ref(), seed)
            }
            Solver::Logistic { cost, bayes_ratio } => {
                logistic::fit(matrix, &rows, cost, ratio(bayes_ratio).as_ref(), seed)
            }
            Solver::Softmax { cost } => softmax::fit(matrix, &rows, cost, Start::zero(matrix, &rows), seed),
            Solver::BayesSoftmax { cost, smoothing, share } => {
                let start = naive_bayes::start(matrix, &rows, features.len(), smoothing, share);
                softmax::fit(matrix, &rows, cost, start, seed)
            }
            Solver::ComplementBayes { smoothing } => {
                naive_bayes::complement(matrix, &rows, features.len(), smoothing)
            }
            Solver::MultinomialBayes { smoothing } if self.targets.multi_label => {
                naive_bayes::against_rest(matrix, &rows, features.len(), smoothing)
            }
            Solver::MultinomialBayes { smoothing } => {
                naive_bayes::multinomial(matrix, &rows, features.len(), smoothing)
            }
            Solver::Embedding { dimensions, rate, epochs } => {
                let schedule = Schedule { dimensions, rate, epochs };
                embedding::fit(matrix, &rows, features.len(), schedule, seed)
            }
        };
        weights.values.resize(features.len() * weights.stride, 0.0);
        weights
    }
}
