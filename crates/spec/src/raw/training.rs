//! `Training` as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::{Document, read_name};
use super::endpoint::read_reference;
use super::model::{is_onnx, read_source};
use crate::problem::{Context, INVALID_VALUE, NOT_YET_SUPPORTED, UNKNOWN_RESOURCE, nearest, suggestion};
use crate::resource::training::{Constraints, Family, Promote, Search, Training};
use crate::{Bytes, Metric, ModelReference, ModelSource, Name, PairData, Span, Task};

const TRAINED: &str = "supported: text-classification, multi-label-classification, language-identification, \
                       token-classification, text-pair-classification, embedding of pairs";

/// Most configurations tried where neither `trials` nor a timeout says anything.
const TRIALS_UNTIMED: usize = 40;
/// The same where a timeout ends the search: more than any search of this kind has use for.
const TRIALS_UNDER_A_TIMEOUT: usize = 1000;

/// Most backbones that one search tells apart.
const MOST_BACKBONES: usize = 8;

/// Longest duration taken: far enough for any run, near enough for clocks to count to.
const LONGEST: Duration = Duration::from_secs(3650 * 86400);

/// Task, data set, metric and budget of a search for a model.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrainingSpec {
    /// Name of the Dataset to learn from.
    #[schemars(required, length(min = 1), extend("examples" = ["tickets"]))]
    dataset: Option<String>,
    /// What the search maximises (minimises, for losses). Each task has a default and a list. Change it when another
    /// kind of error costs more, such as `accuracy` when rare classes matter less.
    metric: Option<Metric>,
    /// How the score is estimated.
    cross_validation: Option<CrossValidationSpec>,
    /// How models are searched for.
    search: Option<SearchSpec>,
    /// What encoders may start from: folders in the Hugging Face layout, here or in an object store, and models of a hub.
    /// The search tells which is best; each adds its time. Left out, encoders start from scratch: a small one, with a vocabulary
    /// of its own, is made of the texts of the training rows and of `unlabelled`. Name a backbone where one knows the languages of the
    /// data: it needs far fewer rows.
    #[schemars(extend("examples" = [["hf://sentence-transformers/all-MiniLM-L6-v2", "./my-encoder"]]))]
    backbones: Option<Vec<String>>,
    /// A Dataset whose texts, without their labels, help encoders: the first backbone is trained to fill gaps in them before
    /// anything else, and the search tells whether that helps; with a `teacher`, its answers to them are learned. Set it where
    /// there is much more text of the kind than labels.
    unlabelled: Option<String>,
    /// A registered version, `name@alias` or `name:version`, with the same labels. What is fine-tuned is then a student of a
    /// third of its backbone's layers, at least two, which learns the teacher's probabilities besides the labels. Set it to
    /// get a faster model for few points.
    teacher: Option<String>,
    /// Whether the artifact of an encoder leaves out the pieces that texts in the scripts of the Dataset's `languages` and of its
    /// rows never need. Answers to such texts stay the same; the report says of how many held-out rows. Turn it on for a
    /// smaller artifact, above all with a multilingual backbone.
    trim_vocabulary: Option<bool>,
    /// What a candidate must not exceed on this machine. Set it when the model has to fit a small machine or a deadline.
    constraints: Option<ConstraintsSpec>,
    /// Whether probabilities are calibrated on held-out rows. Turn it off only to compare raw scores.
    #[serde(default = "yes")]
    calibration: bool,
    /// What of this machine training may use.
    resources: Option<ResourcesSpec>,
    /// When the alias `champion` moves to the new version: always, when it is not worse (a paired bootstrap on the
    /// same test rows), or never. Use never to look at the report first.
    #[serde(default = "if_better")]
    promote: Promote,
}

/// How the score is estimated.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CrossValidationSpec {
    /// Parts that the training rows are cut into; each is held out once. More of them take longer and leave more
    /// rows to learn from; use more for small data.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 100))]
    folds: usize,
}

/// How models are searched for.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SearchSpec {
    /// Model families to search over.
    #[serde(default = "linear")]
    #[schemars(length(min = 1))]
    families: Vec<Family>,
    /// Most configurations tried in the final search. More find slightly better models and take longer. Left out: as
    /// many as `timeout` allows, or 40 without a `timeout`.
    #[schemars(range(min = 1, max = 100_000))]
    trials: Option<usize>,
    /// Most time for everything: nested cross-validation, search and refit; running out of it is a normal end. Left
    /// out: only `trials` bounds the search.
    #[schemars(extend("examples" = ["10m"], "pattern" = r"^\s*[0-9.]+\s*(ms|s|m|h|d)\s*$"))]
    timeout: Option<String>,
    /// Seed of every random choice. The same resource, data and seed give the same model; change it to see how much
    /// luck there is in a score.
    #[serde(default = "seventeen")]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    seed: u64,
}

/// What a candidate must not exceed on this machine.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConstraintsSpec {
    /// Largest size of the model on disk.
    #[schemars(extend("examples" = ["20MB"], "pattern" = r"^\s*[0-9.]+\s*(B|kB|MB|GB|KiB|MiB|GiB)?\s*$"))]
    artifact: Option<String>,
    /// Most memory of the loaded model.
    #[schemars(extend("examples" = ["200MB"], "pattern" = r"^\s*[0-9.]+\s*(B|kB|MB|GB|KiB|MiB|GiB)?\s*$"))]
    memory: Option<String>,
    /// Longest time of one prediction.
    #[schemars(extend("examples" = ["5ms"], "pattern" = r"^\s*[0-9.]+\s*(ms|s|m|h|d)\s*$"))]
    latency: Option<String>,
}

/// What of this machine training may use.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "TrainingResources")]
struct ResourcesSpec {
    /// Threads; all of the machine when left out. The result does not depend on it.
    #[schemars(range(min = 1, max = 4096))]
    threads: Option<usize>,
    /// GPUs that encoders are trained on, in a loquat built with `--features gpu`. More than 1 is not yet supported.
    gpu: Option<u32>,
}

/// What is known of a data set before it is validated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) task: Task,
    /// What rows of texts to embed say of pairs.
    pub(crate) pairs: Option<PairData>,
}

/// The data sets of the resources read, each with what is known of it where its task could be read.
pub(crate) type Tasks = BTreeMap<String, Option<Known>>;

impl Known {
    /// The metrics that score a model on the data, the default first.
    fn metrics(self) -> &'static [Metric] {
        self.pairs.map_or(self.task.metrics(), PairData::metrics)
    }
}

fn yes() -> bool {
    true
}

fn if_better() -> Promote {
    Promote::IfBetter
}

fn five() -> usize {
    5
}

fn seventeen() -> u64 {
    17
}

fn linear() -> Vec<Family> {
    vec![Family::Linear]
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self { families: linear(), trials: None, timeout: None, seed: seventeen() }
    }
}

/// Validates a `Training` against the data sets; `None` when what it lacks leaves no training.
pub(crate) fn validate(
    context: &mut Context<'_>,
    document: &Document<TrainingSpec>,
    tasks: &Tasks,
) -> Option<Training> {
    let name = document.name(context);
    let spec = document.spec.as_ref()?;
    let dataset = spec.dataset.as_deref();
    let dataset = dataset.and_then(|text| read_dataset(context, "spec.dataset", text, tasks));
    let known = dataset.as_ref().and_then(|name| tasks.get(name.as_str()).copied().flatten());
    let metric = known.and_then(|known| spec.metric(context, known));
    let search = spec.search.clone().unwrap_or_default().validate(context);
    if known.is_some_and(|known| known.task == Task::Embedding) && search.families != [Family::Encoder] {
        let message = "an embedding is learned by encoders alone";
        context.key("spec.search.families", INVALID_VALUE, message, "write search: { families: [encoder] }");
    }
    let backbones = spec.backbones(context, &search);
    let unlabelled = spec.unlabelled(context, &search, tasks);
    let teacher = spec.teacher(context, &search, known.map(|known| known.task));
    spec.check_trimming(context, &search);
    if known.is_some_and(|known| known.task == Task::Embedding) {
        spec.refuse_for_embeddings(context, &search);
    }
    let gpu = spec.gpu(context, &search);
    let constraints = spec.constraints.as_ref().map(|raw| raw.validate(context)).unwrap_or_default();
    Some(Training {
        name: name?,
        dataset: dataset?,
        metric: metric?,
        folds: spec.cross_validation.as_ref().map_or_else(five, |raw| raw.folds),
        search,
        backbones,
        unlabelled,
        teacher,
        trim_vocabulary: spec.trim_vocabulary == Some(true),
        constraints,
        calibration: spec.calibration,
        threads: spec.resources.as_ref().and_then(|raw| raw.threads),
        gpu,
        promote: spec.promote,
    })
}

impl TrainingSpec {
    fn metric(&self, context: &mut Context<'_>, known: Known) -> Option<Metric> {
        const FIELD: &str = "spec.metric";
        let task = known.task;
        if !matches!(
            task,
            Task::TextClassification
                | Task::MultiLabelClassification
                | Task::LanguageIdentification
                | Task::TokenClassification
                | Task::TextPairClassification
                | Task::Embedding
        ) {
            let message =
                format!("training on the task {} of its data set is not yet supported", task.as_str());
            context.value("spec.dataset", NOT_YET_SUPPORTED, message, TRAINED);
        }
        if task == Task::Embedding && known.pairs.is_none() {
            let message = "an embedding is learned from pairs of texts, and the data set has texts alone";
            let remedy =
                "name the columns text_a and text_b, with score where there is one, or query and positive";
            context.value("spec.dataset", INVALID_VALUE, message, remedy);
        }
        let allowed = known.metrics();
        match self.metric {
            None => allowed.first().copied(),
            Some(metric) if allowed.contains(&metric) => Some(metric),
            Some(metric) => {
                let (message, remedy) = unfit_metric(metric.as_str(), known);
                context.value(FIELD, INVALID_VALUE, message, remedy);
                None
            }
        }
    }

    /// Whether a GPU trains.
    fn gpu(&self, context: &mut Context<'_>, search: &Search) -> bool {
        const FIELD: &str = "spec.resources.gpu";
        let gpu = self.resources.as_ref().and_then(|raw| raw.gpu).unwrap_or(0);
        if gpu > 1 {
            let remedy = "write 1, or 0 to train on the processor";
            context.later_value(FIELD, format!("training on {gpu} GPUs"), remedy);
        } else if gpu == 1 {
            needs_encoders(context, FIELD, search, "no family of the search trains on a GPU");
        }
        gpu > 0
    }
}

impl TrainingSpec {
    /// What encoders start from; none for encoders from scratch. Where the search has no encoders, there is nothing that could
    /// start.
    fn backbones(&self, context: &mut Context<'_>, search: &Search) -> Vec<ModelSource> {
        const FIELD: &str = "spec.backbones";
        let named = self.backbones.as_deref().unwrap_or_default();
        let wanted = search.families.contains(&Family::Encoder);
        if !wanted && !named.is_empty() {
            let remedy = "add encoder to spec.search.families, or remove the field";
            context.key(FIELD, INVALID_VALUE, "no family of the search starts from a backbone", remedy);
        }
        if named.len() > MOST_BACKBONES {
            let message = format!("found {} backbones; allowed: at most {MOST_BACKBONES}", named.len());
            context.key(FIELD, INVALID_VALUE, message, "keep those that fit the languages of the data");
        }
        let mut sources = Vec::new();
        for (index, text) in named.iter().enumerate() {
            let field = format!("{FIELD}[{index}]");
            if named[..index].contains(text) {
                context.value(&field, INVALID_VALUE, "a backbone is listed twice", "keep one of the two");
            }
            if is_onnx(text) {
                let remedy = "name a folder with config.json, tokenizer.json and model.safetensors";
                context.later_value(&field, "training from an ONNX file", remedy);
                continue;
            }
            sources.extend(read_source(context, &field, text));
        }
        sources
    }
}

impl TrainingSpec {
    fn unlabelled(&self, context: &mut Context<'_>, search: &Search, tasks: &Tasks) -> Option<Name> {
        const FIELD: &str = "spec.unlabelled";
        let name = read_dataset(context, FIELD, self.unlabelled.as_deref()?, tasks)?;
        needs_encoders(context, FIELD, search, "no family of the search learns from unlabelled texts");
        if self.dataset.as_deref() == Some(name.as_str()) {
            let message = "these texts are those of spec.dataset";
            context.value(FIELD, INVALID_VALUE, message, "name another Dataset, or remove the field");
        }
        let named = self.backbones.as_ref().map_or(0, Vec::len);
        if self.teacher.is_none() && named == MOST_BACKBONES {
            let message = format!("the adapted backbone is one too many beside {named} others");
            context.value(FIELD, INVALID_VALUE, message, "remove a backbone, or the field");
        }
        Some(name)
    }

    fn teacher(
        &self,
        context: &mut Context<'_>,
        search: &Search,
        task: Option<Task>,
    ) -> Option<ModelReference> {
        const FIELD: &str = "spec.teacher";
        let teacher = read_reference(context, FIELD, self.teacher.as_deref()?)?;
        needs_encoders(context, FIELD, search, "no family of the search has students");
        let labels_texts = [
            Task::TextClassification,
            Task::MultiLabelClassification,
            Task::LanguageIdentification,
            Task::TextPairClassification,
        ];
        if let Some(other) = task.filter(|task| !labels_texts.contains(task)) {
            let found = format!("a teacher for {}", other.as_str());
            context.later_value(FIELD, found, "remove it; students label whole texts");
        }
        Some(teacher)
    }

    /// Refuses what models that embed do not learn from yet.
    fn refuse_for_embeddings(&self, context: &mut Context<'_>, search: &Search) {
        let named = self.backbones.as_deref().unwrap_or_default();
        if search.families.contains(&Family::Encoder) && named.is_empty() {
            let message = "training an embedding from scratch is not yet supported";
            let remedy =
                "name what it starts from: backbones: [\"hf://sentence-transformers/all-MiniLM-L6-v2\"]";
            context.key("spec.backbones", NOT_YET_SUPPORTED, message, remedy);
        }
        let fields = [
            ("spec.unlabelled", self.unlabelled.is_some()),
            ("spec.trimVocabulary", self.trim_vocabulary == Some(true)),
        ];
        for (field, _) in fields.iter().filter(|(_, given)| *given) {
            context.later_field(
                field,
                "remove it; embeddings are learned from pairs, with the whole vocabulary",
            );
        }
    }

    fn check_trimming(&self, context: &mut Context<'_>, search: &Search) {
        if self.trim_vocabulary == Some(true) {
            needs_encoders(
                context,
                "spec.trimVocabulary",
                search,
                "no family of the search has a vocabulary of pieces",
            );
        }
    }
}

/// Reports a field that says something of encoders where the search has none.
fn needs_encoders(context: &mut Context<'_>, field: &str, search: &Search, message: &str) {
    if !search.families.contains(&Family::Encoder) {
        context.key(
            field,
            INVALID_VALUE,
            message,
            "add encoder to spec.search.families, or remove the field",
        );
    }
}

impl SearchSpec {
    fn validate(self, context: &mut Context<'_>) -> Search {
        for (index, family) in self.families.iter().enumerate() {
            let field = format!("spec.search.families[{index}]");
            if self.families[..index].contains(family) {
                context.value(&field, INVALID_VALUE, "a family is listed twice", "keep one of the two");
            }
        }
        let timeout = span(context, "spec.search.timeout", self.timeout.as_deref());
        let trials =
            self.trials.unwrap_or(if timeout.is_some() { TRIALS_UNDER_A_TIMEOUT } else { TRIALS_UNTIMED });
        Search { families: self.families, trials, timeout, seed: self.seed }
    }
}

impl ConstraintsSpec {
    fn validate(&self, context: &mut Context<'_>) -> Constraints {
        Constraints {
            artifact: bytes(context, "spec.constraints.artifact", self.artifact.as_deref()),
            memory: bytes(context, "spec.constraints.memory", self.memory.as_deref()),
            latency: span(context, "spec.constraints.latency", self.latency.as_deref()),
        }
    }
}

/// Why `found` can't be the metric of data that is `known`, and what to write.
pub(crate) fn unfit_metric(found: &str, known: Known) -> (String, String) {
    let words: Vec<&str> = known.metrics().iter().map(|metric| metric.as_str()).collect();
    let of = match known.pairs {
        Some(PairData::Scored) => "embedding on pairs with scores",
        Some(PairData::Together) => "embedding on pairs without scores",
        None => known.task.as_str(),
    };
    let message = format!("{found:?} is no metric of {of}; allowed: {}", words.join(", "));
    (message, suggestion(found, &words))
}

impl TrainingSpec {
    /// Name of the data set as it is written.
    pub(crate) fn dataset_name(&self) -> Option<&str> {
        self.dataset.as_deref()
    }
}

/// Reads the name of a data set that must be there.
pub(crate) fn read_dataset(
    context: &mut Context<'_>,
    field: &str,
    text: &str,
    tasks: &Tasks,
) -> Option<Name> {
    let name = read_name(context, field, text)?;
    if tasks.contains_key(name.as_str()) {
        return Some(name);
    }
    let known: Vec<&str> = tasks.keys().map(String::as_str).collect();
    let message = if known.is_empty() {
        format!("no Dataset is named {:?}; the resources hold no Dataset", name.as_str())
    } else {
        format!("no Dataset is named {:?}; there are: {}", name.as_str(), known.join(", "))
    };
    let remedy = match nearest(name.as_str(), known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "add a Dataset of that name, or name one that exists".to_owned(),
    };
    context.value(field, UNKNOWN_RESOURCE, message, remedy);
    None
}

/// Reads a duration longer than nothing.
pub(crate) fn span(context: &mut Context<'_>, field: &str, text: Option<&str>) -> Option<Duration> {
    let text = text?;
    let Span(duration) = context.read(field, Span::parse(text), "write for example 30s")?;
    if duration.is_zero() {
        context.value(
            field,
            INVALID_VALUE,
            format!("{text:?} is no time at all"),
            "write a duration above 0",
        );
        return None;
    }
    if duration > LONGEST {
        let message = format!("found {text:?}; allowed: at most 3650d");
        context.value(field, INVALID_VALUE, message, "write a shorter duration, or remove it");
        return None;
    }
    Some(duration)
}

fn bytes(context: &mut Context<'_>, field: &str, text: Option<&str>) -> Option<Bytes> {
    let text = text?;
    let size = context.read(field, Bytes::parse(text), "write for example 20MB")?;
    if size.0 == 0 {
        context.value(
            field,
            INVALID_VALUE,
            format!("{text:?} leaves no room at all"),
            "write a size above 0",
        );
        return None;
    }
    Some(size)
}
