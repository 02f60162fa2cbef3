//! The pipeline: a model that passed its self-test, answering in the wire's form.

use std::path::Path;

use loquat_models::{Manifest, Model};
use loquat_spec::{ModelReference, PredictParameters, Prediction, Task};
use loquat_store::Store;
use rayon::prelude::*;

use crate::error::{InferError, InputError};
use crate::input::{self, Input};
use crate::parameters;
use crate::ranking;
use crate::self_test;

/// Most pieces of a text that an explanation names.
const EXPLAINED: usize = 10;

/// A loaded model that answered its golden inputs as it should. Shared freely between threads.
#[derive(Debug, Clone)]
pub struct Pipeline {
    model: Model,
    name: String,
    version: u32,
    digest: String,
}

impl Pipeline {
    /// Loads the artifact in `dir` and replays its golden inputs. Its name is the folder's, its version 0, its digest empty.
    pub fn load(dir: &Path) -> Result<Self, InferError> {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| dir.display().to_string());
        Self::load_as(dir, &dir.display().to_string(), (name, 0, String::new()))
    }

    /// Loads a registered version, its artifact compared with what was registered, and replays its golden inputs.
    pub fn from_store(store: &Store, reference: &ModelReference) -> Result<Self, InferError> {
        let resolved = store.verify(reference)?;
        let record = resolved.record;
        let shown = format!("{}:{}", record.name, record.version);
        Self::load_as(&resolved.path, &shown, (record.name, record.version, record.digest))
    }

    fn load_as(
        dir: &Path,
        shown: &str,
        (name, version, digest): (String, u32, String),
    ) -> Result<Self, InferError> {
        let model = Model::load(dir)?;
        let task = model.manifest().task;
        if !is_supported(task) {
            return Err(InferError::UnsupportedTask { model: shown.to_owned(), task });
        }
        self_test::check_manifest(model.manifest())
            .map_err(|problem| InferError::Manifest { model: shown.to_owned(), problem })?;
        self_test::replay(&model, shown)?;
        Ok(Self { model, name, version, digest })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.name
    }

    /// The version's number; 0 when it was loaded from a folder.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Digest of the artifact; empty when it was loaded from a folder.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the model does.
    pub fn task(&self) -> Task {
        self.manifest().task
    }

    /// Its labels, in the order of [`Pipeline::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.manifest().labels
    }

    /// Everything that travels with the weights.
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// Bytes of the loaded model.
    pub fn resident_bytes(&self) -> u64 {
        self.model.resident_bytes()
    }

    /// Reads the `inputs` of a request: one input or a list, each a string or an object with the task's columns.
    pub fn parse_inputs(&self, inputs: &serde_json::Value) -> Result<Vec<Input>, InputError> {
        input::parse(inputs)
    }

    /// Checks the `parameters` of a request against the task.
    pub fn check_parameters(&self, parameters: &PredictParameters) -> Result<(), InputError> {
        parameters::check(parameters, self.task())
    }

    /// One prediction per input, in order. With one thread, on the caller's own; with more, on the rayon pool that the caller runs
    /// in, else the global one. The answer does not depend on `threads`, nor on which inputs come together.
    ///
    /// With `top_k`, single-label tasks add the best k labels, and multi-label tasks answer at most k of those that reach
    /// their thresholds.
    pub fn predict(
        &self,
        inputs: &[Input],
        parameters: &PredictParameters,
        threads: usize,
    ) -> Result<Vec<Prediction>, InferError> {
        self.check_parameters(parameters)?;
        let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).collect();
        let probabilities = self.probabilities(&texts, threads);
        if let Some(input) =
            probabilities.iter().position(|scores| scores.iter().any(|score| !score.is_finite()))
        {
            return Err(InferError::NotANumber { model: self.shown(), input });
        }
        let answer = |(text, scores): (&&str, Vec<f32>)| self.answer(text, &scores, parameters);
        // Explaining costs more than predicting; all else is too little to share out.
        if parameters.explain && threads > 1 {
            return Ok(texts.par_iter().zip(probabilities).map(answer).collect());
        }
        Ok(texts.iter().zip(probabilities).map(answer).collect())
    }

    /// Probability per label of each text, `[texts][labels]`, calibrated, labels in the order of [`Pipeline::labels`].
    pub fn probabilities(&self, texts: &[&str], threads: usize) -> Vec<Vec<f32>> {
        self.model.probabilities(texts, threads)
    }

    fn answer(&self, text: &str, scores: &[f32], parameters: &PredictParameters) -> Prediction {
        let labels = self.labels();
        let most = parameters.top_k.unwrap_or(labels.len());
        if self.task() == Task::MultiLabelClassification {
            let thresholds = self.manifest().thresholds.as_deref().unwrap_or_default();
            let reached = |label: usize, score: f32| {
                let threshold = parameters.threshold.or_else(|| thresholds.get(label).copied());
                threshold.is_some_and(|threshold| score >= threshold)
            };
            return Prediction::Labels { labels: ranking::ranked(labels, scores, most, reached) };
        }
        let best = ranking::best(scores).expect("a manifest without labels is refused on load");
        Prediction::Label {
            label: labels[best].clone(),
            score: scores[best],
            scores: parameters.top_k.map(|most| ranking::ranked(labels, scores, most, |_, _| true)),
            explanation: parameters.explain.then(|| self.model.explain(text, best, EXPLAINED)),
        }
    }

    fn shown(&self) -> String {
        if self.version == 0 { self.name.clone() } else { format!("{}:{}", self.name, self.version) }
    }
}

/// Whether models for `task` can be loaded.
pub(crate) fn is_supported(task: Task) -> bool {
    matches!(task, Task::TextClassification | Task::MultiLabelClassification | Task::LanguageIdentification)
}
