//! What all parts of one run share.

use std::sync::OnceLock;
use std::time::Instant;

use loquat_nn::Gpu;
use loquat_spec::Training;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cuts::Cuts;
use crate::encoder::Backbone;
use crate::error::TrainError;
use crate::folds::Folds;
use crate::journal::{Journal, Past};
use crate::problem::Problem;
use crate::random::mix;
use crate::request::Request;

/// Index that names the choice of the folds of the final search.
const FOLDS: u64 = 0xF01D;
/// Name of the journal in the run's folder.
pub(crate) const JOURNAL: &str = "journal.jsonl";

/// A run: its request, its data, what earlier attempts finished, and its clock.
pub(crate) struct Run<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) problem: Problem<'r>,
    pub(crate) journal: Journal,
    pub(crate) past: Past,
    pub(crate) pool: ThreadPool,
    /// Where encoders are trained, when not on the processor.
    pub(crate) gpu: Option<Gpu>,
    /// Decisions of the run to repeat, when one is.
    pub(crate) replay: Option<Cuts>,
    /// Hash of everything that the model depends on.
    pub(crate) inputs: String,
    /// What encoders start from, once it is there.
    pub(crate) starts: OnceLock<Vec<Backbone>>,
    /// Seconds after which what they start from was there.
    pub(crate) spent: OnceLock<f64>,
    /// Texts in which a backbone filled gaps, repetitions included.
    pub(crate) adapted: OnceLock<usize>,
    started: Instant,
}

impl<'r> Run<'r> {
    /// Opens the journal, continuing what it holds.
    pub(crate) fn begin(request: &'r Request<'r>) -> Result<Self, TrainError> {
        let started = Instant::now();
        let gpu = gpu(request.training)?;
        let problem = Problem::new(request.training, request.table)?;
        std::fs::create_dir_all(&request.run_dir).map_err(TrainError::file("create", &request.run_dir))?;
        let inputs = request.inputs();
        let (journal, past) = Journal::open(&request.run_dir.join(JOURNAL), &inputs)?;
        Ok(Self {
            request,
            problem,
            journal,
            past,
            pool: pool(request.threads)?,
            gpu,
            replay: None,
            inputs,
            starts: OnceLock::new(),
            spent: OnceLock::new(),
            adapted: OnceLock::new(),
            started,
        })
    }

    /// A run that repeats `cuts` and keeps no journal.
    pub(crate) fn repeat(request: &'r Request<'r>, cuts: Cuts) -> Result<Self, TrainError> {
        Ok(Self {
            request,
            problem: Problem::new(request.training, request.table)?,
            journal: Journal::none(),
            past: Past::default(),
            pool: pool(request.threads)?,
            gpu: gpu(request.training)?,
            replay: Some(cuts),
            inputs: request.inputs(),
            starts: OnceLock::new(),
            spent: OnceLock::new(),
            adapted: OnceLock::new(),
            started: Instant::now(),
        })
    }

    /// The folds of the final search.
    pub(crate) fn final_folds(&self) -> Result<Folds, TrainError> {
        self.problem.folds(&self.problem.pool, self.request.training.folds, mix(self.seed(), &[FOLDS]))
    }

    pub(crate) fn seed(&self) -> u64 {
        self.request.training.search.seed
    }

    /// Seconds spent, earlier attempts included.
    pub(crate) fn elapsed(&self) -> f64 {
        self.past.elapsed + self.started.elapsed().as_secs_f64()
    }

    /// Seconds spent on making backbones, which no share of the time allowed counts.
    pub(crate) fn spent(&self) -> f64 {
        self.spent.get().copied().unwrap_or(0.0)
    }

    /// What encoders of the number `place` start from.
    pub(crate) fn start(&self, place: usize) -> Result<&Backbone, TrainError> {
        let (named, given) = (self.request.training.backbones.len(), self.request.backbones.len());
        let found = self.starts.get().and_then(|starts| starts.get(place));
        found.ok_or(TrainError::Backbones { named, given })
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.request.cancel.level() > 0
    }
}

/// The GPU that a training asks for; an error where it asks for one and there is none.
pub(crate) fn gpu(training: &Training) -> Result<Option<Gpu>, TrainError> {
    Ok(if training.gpu { Some(Gpu::find()?) } else { None })
}

pub(crate) fn pool(threads: usize) -> Result<ThreadPool, TrainError> {
    let threads = threads.max(1);
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("train-{index}"))
        .build()
        .map_err(|source| TrainError::Threads { threads, source })
}
