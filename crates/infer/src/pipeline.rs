//! The pipeline: a model that passed its self-test, answering in the wire's form.

use std::path::Path;
use std::sync::Arc;

use loquat_connect::servers::{ModelServers, ServerError};
use loquat_models::{Manifest, PackedPlace};
use loquat_spec::{ModelReference, PredictParameters, Prediction, Task, ZeroShot};
use loquat_store::Store;
use loquat_text::Tokenizer;
use rayon::prelude::*;

use crate::compute::{Compute, Device, Kernels};
use crate::engine::{Artifact, Engine};
use crate::error::{InferError, InputError};
use crate::input::{self, Input};
use crate::parameters::{self, Taken};
use crate::ranking;
use crate::self_test;
use crate::zero_shot::Scorer;

/// A loaded model that answered its golden inputs as it should. Shared freely between threads; a clone shares the model.
#[derive(Debug, Clone)]
pub struct Pipeline {
    engine: Arc<Engine>,
    task: Task,
    zero_shot: ZeroShot,
    scorer: Option<Scorer>,
    name: String,
    version: u32,
    digest: String,
    device: Device,
}

impl Pipeline {
    /// Loads the artifact in `dir` and replays its golden inputs. Its name is the folder's, its version 0, its digest empty.
    pub fn load(dir: &Path) -> Result<Self, InferError> {
        Self::load_on(dir, Kernels::detect())
    }

    /// [`Pipeline::load`], computing with what is given: kernels alone, or a library and a device too.
    pub fn load_on(dir: &Path, compute: impl Into<Compute>) -> Result<Self, InferError> {
        let compute = compute.into();
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| dir.display().to_string());
        let shown = dir.display().to_string();
        let engine = Engine::load(Artifact { folder: dir, packed: None }, compute)?;
        Self::of(engine, &shown, (name, 0, String::new()), compute.device)
    }

    /// Loads a registered version, its artifact compared with what was registered, and replays its golden inputs.
    pub fn from_store(store: &Store, reference: &ModelReference) -> Result<Self, InferError> {
        Self::from_store_on(store, reference, Kernels::detect())
    }

    /// [`Pipeline::from_store`], computing with what is given: kernels alone, or a library and a device too.
    pub fn from_store_on(
        store: &Store,
        reference: &ModelReference,
        compute: impl Into<Compute>,
    ) -> Result<Self, InferError> {
        Self::registered(store, reference, compute.into(), |artifact, compute, _| {
            Engine::load(artifact, compute)
        })
    }

    /// [`Pipeline::from_store_on`], where models that a server answers for find it among `servers`.
    pub fn from_store_with(
        store: &Store,
        reference: &ModelReference,
        compute: impl Into<Compute>,
        servers: &ModelServers,
    ) -> Result<Self, InferError> {
        Self::registered(store, reference, compute.into(), |artifact, compute, name| {
            Engine::load_with(artifact, compute, (name, servers))
        })
    }

    fn registered(
        store: &Store,
        reference: &ModelReference,
        compute: Compute,
        load: impl FnOnce(Artifact<'_>, Compute, &str) -> Result<Engine, InferError>,
    ) -> Result<Self, InferError> {
        let resolved = store.verify(reference)?;
        let record = resolved.record;
        let shown = format!("{}:{}", record.name, record.version);
        let packed = PackedPlace::new(store.packed_folder(), &record.digest);
        let artifact = Artifact { folder: &resolved.path, packed: Some(&packed) };
        let engine = load(artifact, compute, &record.name)?;
        Self::of(engine, &shown, (record.name, record.version, record.digest), compute.device)
    }

    fn of(
        engine: Engine,
        shown: &str,
        (name, version, digest): (String, u32, String),
        device: Device,
    ) -> Result<Self, InferError> {
        let manifest = engine.manifest();
        let task = manifest.task;
        if !engine.does(task) {
            return Err(InferError::UnsupportedTask { model: shown.to_owned(), task });
        }
        self_test::check_manifest(manifest)
            .map_err(|problem| InferError::Manifest { model: shown.to_owned(), problem })?;
        self_test::replay(&engine, shown)?;
        let scorer = Scorer::of(manifest);
        let (engine, zero_shot) = (Arc::new(engine), ZeroShot::default());
        Ok(Self { engine, task, zero_shot, scorer, name, version, digest, device })
    }

    /// The same model, answering zero-shot classification as an endpoint declares it; without a declaration, its own task.
    ///
    /// # Errors
    /// When the model is none for entailment or embedding.
    pub fn answering(&self, zero_shot: Option<&ZeroShot>) -> Result<Self, InferError> {
        let task = if zero_shot.is_some() { Task::ZeroShotClassification } else { self.manifest().task };
        if zero_shot.is_some() && self.scorer.is_none() {
            return Err(InferError::NoScorer {
                model: self.shown(),
                task: self.manifest().task,
                labels: self.labels().join(", "),
            });
        }
        Ok(Self { task, zero_shot: zero_shot.cloned().unwrap_or_default(), ..self.clone() })
    }

    /// Whether this is what [`Pipeline::answering`] gives for `zero_shot`.
    pub fn answers_as(&self, zero_shot: Option<&ZeroShot>) -> bool {
        let task = if zero_shot.is_some() { Task::ZeroShotClassification } else { self.manifest().task };
        self.task == task
            && zero_shot.map_or(self.zero_shot == ZeroShot::default(), |told| self.zero_shot == *told)
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

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Bytes of its weights that lie in mapped files, which all pipelines of the version and all processes of the machine
    /// share; the rest of [`Pipeline::resident_bytes`] is its own.
    pub fn shared_bytes(&self) -> u64 {
        self.engine.shared_bytes()
    }

    /// What it answers: what the model does, unless an endpoint says otherwise.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The model's labels, in the order of [`Pipeline::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.manifest().labels
    }

    /// Everything that travels with the weights.
    pub fn manifest(&self) -> &Manifest {
        self.engine.manifest()
    }

    /// Bytes of the loaded model; of an encoder those of its weights on disk.
    pub fn resident_bytes(&self) -> u64 {
        self.engine.resident_bytes()
    }

    /// Reads the `inputs` of a request: one input or a list, each a string or an object with the task's columns.
    pub fn parse_inputs(&self, inputs: &serde_json::Value) -> Result<Vec<Input>, InputError> {
        input::parse(inputs, self.task)
    }

    /// Checks the `parameters` of a request against the task.
    pub fn check_parameters(&self, parameters: &PredictParameters) -> Result<(), InputError> {
        let needs_labels = self.zero_shot.labels.is_empty();
        let taken = Taken { task: self.task, explains: self.engine.explains(), needs_labels };
        parameters::check(parameters, taken)?;
        self.prompt(parameters.prompt_name.as_deref()).map(drop)
    }

    /// What stands before a text that is embedded: the prompt of that name, else the model's default, which may be empty.
    pub fn prompt(&self, name: Option<&str>) -> Result<&str, InputError> {
        parameters::prompt(self.engine.prompts(), name)
    }

    /// Number of sequences that predicting `inputs` inputs puts through an encoder; `None` for models that take microseconds an
    /// input.
    pub fn sequences(&self, inputs: usize, parameters: &PredictParameters) -> Option<usize> {
        if matches!(*self.engine, Engine::Linear(_)) {
            return None;
        }
        let pairs =
            self.task == Task::ZeroShotClassification && !matches!(self.scorer, Some(Scorer::Likeness(_)));
        Some(if pairs { inputs * self.candidates(parameters).len() } else { inputs })
    }

    /// Why it can't answer now, where it can't: its server is down.
    pub fn down(&self) -> Option<ServerError> {
        self.engine.down()
    }

    /// Whether a server answers for it, so that answering is waiting.
    pub fn is_remote(&self) -> bool {
        matches!(*self.engine, Engine::Remote(_))
    }

    /// One prediction per input, in order. With one thread, on the caller's own; with more, on threads of its own or the
    /// rayon pool that the caller runs in. The answer does not depend on `threads`, nor on which inputs come together.
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
        match (&*self.engine, self.task) {
            (_, Task::ZeroShotClassification) => self.score_labels(inputs, parameters, threads),
            (Engine::Encoder(encoder), Task::TokenClassification) => {
                let (found, probabilities) = encoder.entities(inputs, threads)?;
                self.refuse_unsound(&probabilities, 1)?;
                Ok(found.into_iter().map(|entities| Prediction::Entities { entities }).collect())
            }
            (Engine::Tagger(tagger), Task::TokenClassification) => {
                let (found, probabilities) = tagger.entities(inputs, threads);
                self.refuse_unsound(&probabilities, 1)?;
                Ok(found.into_iter().map(|entities| Prediction::Entities { entities }).collect())
            }
            (_, Task::Embedding) => {
                let prompt = self.prompt(parameters.prompt_name.as_deref())?;
                let (vectors, owners) = self.engine.vectors(inputs, prompt, threads)?;
                self.refuse_unsound(&vectors, 1)?;
                Ok(owners.into_iter().map(|owned| vector_prediction(&vectors[owned])).collect())
            }
            _ => self.classify(inputs, parameters, threads),
        }
    }

    /// The last state of every token of each text, special ones included, `[inputs][tokens][hidden]`; of models for embedding.
    ///
    /// # Errors
    /// When the model is none for embedding, or its tokenizer refuses a text.
    pub fn token_vectors(
        &self,
        inputs: &[Input],
        parameters: &PredictParameters,
        threads: usize,
    ) -> Result<Vec<Vec<Vec<f32>>>, InferError> {
        self.check_parameters(parameters)?;
        let (Engine::Encoder(encoder), Task::Embedding) = (&*self.engine, self.task) else {
            return Err(InferError::UnsupportedTask { model: self.shown(), task: Task::Embedding });
        };
        let prompt = self.prompt(parameters.prompt_name.as_deref())?;
        let states = encoder.token_vectors(inputs, prompt, threads)?;
        for (input, rows) in states.iter().enumerate() {
            if rows.iter().flatten().any(|value| !value.is_finite()) {
                return Err(InferError::NotANumber { model: self.shown(), input });
            }
        }
        Ok(states)
    }

    /// The tokenizer of an encoder; linear models have none.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        match &*self.engine {
            Engine::Encoder(encoder) => Some(encoder.tokenizer()),
            Engine::Linear(_) | Engine::Tagger(_) | Engine::Remote(_) => None,
        }
    }

    fn classify(
        &self,
        inputs: &[Input],
        parameters: &PredictParameters,
        threads: usize,
    ) -> Result<Vec<Prediction>, InferError> {
        Ok(self.answers(inputs, self.scores(inputs, threads)?, parameters, threads))
    }

    /// Probability per label of each input.
    pub(crate) fn scores(&self, inputs: &[Input], threads: usize) -> Result<Vec<Vec<f32>>, InferError> {
        let probabilities = self.engine.outputs(inputs, threads)?;
        self.refuse_unsound(&probabilities, 1)?;
        Ok(probabilities)
    }

    /// The predictions that probabilities per label stand for.
    pub(crate) fn answers(
        &self,
        inputs: &[Input],
        probabilities: Vec<Vec<f32>>,
        parameters: &PredictParameters,
        threads: usize,
    ) -> Vec<Prediction> {
        let answer = |(input, scores): (&Input, Vec<f32>)| self.answer(&input.text, &scores, parameters);
        // Explaining costs more than predicting; all else is too little to share out.
        if parameters.explain && threads > 1 {
            return inputs.par_iter().zip(probabilities).map(answer).collect();
        }
        inputs.iter().zip(probabilities).map(answer).collect()
    }

    /// Probability per label of each text, `[texts][labels]`, calibrated, labels in the order of [`Pipeline::labels`]; for
    /// models that classify whole texts.
    ///
    /// # Errors
    /// When the tokenizer of an encoder refuses a text.
    pub fn probabilities(&self, texts: &[&str], threads: usize) -> Result<Vec<Vec<f32>>, InferError> {
        let inputs: Vec<Input> = texts.iter().map(|text| Input::new(*text)).collect();
        self.outputs(&inputs, threads)
    }

    /// What golden examples record of each input: the probability per label, of each word or token where labels belong to them,
    /// or a vector.
    ///
    /// # Errors
    /// When the tokenizer of an encoder refuses a text.
    pub fn outputs(&self, inputs: &[Input], threads: usize) -> Result<Vec<Vec<f32>>, InferError> {
        self.engine.outputs(inputs, threads)
    }

    fn answer(&self, text: &str, scores: &[f32], parameters: &PredictParameters) -> Prediction {
        let labels = self.labels();
        let most = parameters.top_k.unwrap_or(labels.len());
        if self.task == Task::MultiLabelClassification {
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
            explanation: parameters.explain.then(|| self.engine.explain(text, best)),
        }
    }

    /// Labels and template of zero-shot classification as an endpoint declares them; empty where none does.
    pub fn declared(&self) -> &ZeroShot {
        &self.zero_shot
    }

    /// How it scores labels that it was not trained on.
    pub(crate) fn scorer(&self) -> Option<&Scorer> {
        self.scorer.as_ref()
    }

    /// The logits of every input with every second text, `[inputs * seconds][labels]`.
    pub(crate) fn pair_logits(
        &self,
        inputs: &[Input],
        seconds: &[String],
        threads: usize,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        let logits = self.engine.pair_logits(inputs, seconds, threads)?;
        self.refuse_unsound(&logits, seconds.len())?;
        Ok(logits)
    }

    /// The vector of each input's first text, after the default prompt.
    pub(crate) fn first_vectors(
        &self,
        inputs: &[Input],
        threads: usize,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        let texts: Vec<Input> = inputs.iter().map(|input| Input::new(input.text.as_str())).collect();
        let (vectors, _) = self.engine.vectors(&texts, self.prompt(None)?, threads)?;
        self.refuse_unsound(&vectors, 1)?;
        Ok(vectors)
    }

    /// Refuses numbers that are none; `per_input` rows belong to one input.
    fn refuse_unsound(&self, rows: &[Vec<f32>], per_input: usize) -> Result<(), InferError> {
        let unsound = rows.iter().position(|scores| scores.iter().any(|score| !score.is_finite()));
        match unsound {
            None => Ok(()),
            Some(row) => Err(InferError::NotANumber { model: self.shown(), input: row / per_input.max(1) }),
        }
    }

    /// `name:version`, or its folder.
    pub(crate) fn shown(&self) -> String {
        if self.version == 0 { self.name.clone() } else { format!("{}:{}", self.name, self.version) }
    }
}

/// Whether models for `task` read two texts.
pub(crate) fn reads_pairs(task: Task) -> bool {
    matches!(task, Task::TextPairClassification | Task::ZeroShotClassification)
}

/// One vector as it is; of two, how alike they are.
fn vector_prediction(vectors: &[Vec<f32>]) -> Prediction {
    match vectors {
        [first, second] => Prediction::Similarity { score: cosine(first, second) },
        _ => Prediction::Embedding { embedding: vectors.concat() },
    }
}

/// The cosine of two vectors; 0 where one of them has no length.
pub(crate) fn cosine(left: &[f32], right: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = (dot(left, left) * dot(right, right)).sqrt();
    if lengths > 0.0 { (dot(left, right) / lengths) as f32 } else { 0.0 }
}
