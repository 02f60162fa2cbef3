//! Reads resource files: every document of every file, all problems at once, references checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::conform::conform;
use crate::problem::{
    Context, DUPLICATE_NAME, INVALID_UTF8, INVALID_VALUE, MISSING_FIELD, NOT_YET_SUPPORTED, Problem,
    WRONG_TYPE, suggestion,
};
use crate::raw::Document;
use crate::raw::dataset::{self, DatasetSpec, known};
use crate::raw::endpoint::{self, EndpointSpec};
use crate::raw::model::{self, ModelSpec};
use crate::raw::training::{self, Tasks, TrainingSpec};
use crate::schema::{API_VERSION, KINDS, LATER_KINDS, schema};
use crate::yaml::{self, Content, Node, Place};
use crate::{Dataset, Endpoint, Finding, Model, Task, Training};

/// A resource file as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Where it lies, as findings name it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A value with the place of the document that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The file.
    pub path: PathBuf,
    /// Line where the document starts, from 1.
    pub line: usize,
    /// The document's YAML.
    pub text: String,
}

/// The resources of a set of files, in the order of the files and of the documents in them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// The data sets.
    pub datasets: Vec<Located<Dataset>>,
    /// The trainings; each names one of `datasets`.
    pub trainings: Vec<Located<Training>>,
    /// The models made elsewhere.
    pub models: Vec<Located<Model>>,
    /// The endpoints. Their models may be those of `trainings`, of `models` or of the registry.
    pub endpoints: Vec<Located<Endpoint>>,
}

impl SourceText {
    /// Takes the bytes of a file; a finding names the first byte that is not UTF-8.
    pub fn from_bytes(path: PathBuf, bytes: Vec<u8>) -> Result<Self, Box<Finding>> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                let problem = Problem {
                    place: Place { line, column },
                    field: None,
                    check: INVALID_UTF8,
                    message: format!("byte {valid} is not UTF-8"),
                    remedy: "save the file as UTF-8".to_owned(),
                };
                Err(Box::new(problem.into_finding(&path.display().to_string(), None)))
            }
        }
    }
}

/// Reads resource files into domain types.
///
/// # Errors
/// All problems of all files, ordered by file, line and column: syntax, unknown and missing fields, wrong types and
/// values, names used twice, references to nothing, and what is not yet supported.
pub fn parse(files: &[SourceText]) -> Result<Resources, Vec<Finding>> {
    let mut reader = Reader::new(files);
    let mut documents = Vec::new();
    for (file, source) in files.iter().enumerate() {
        documents.extend(reader.read_file(file, source));
    }
    reader.check_names(&documents);
    let resources = reader.validate(&documents);
    reader.check_defaults(&documents, &resources);
    if reader.problems.is_empty() { Ok(resources) } else { Err(reader.into_findings()) }
}

/// The documents of a resource file as they are written, in JSON and unchecked; those before a syntax error where there is one.
pub fn documents(text: &str) -> Vec<Value> {
    let (documents, _) = yaml::load(text);
    let roots = documents.into_iter().filter_map(|document| document.root);
    roots.filter(|root| !is_null(root)).map(|root| root.to_json()).collect()
}

/// A document whose kind is known.
#[derive(Debug)]
struct Read {
    file: usize,
    line: usize,
    text: String,
    root: Node,
    kind: &'static str,
    raw: Raw,
    /// Fields in which something does not conform to the schema.
    flawed: Vec<String>,
}

#[derive(Debug)]
enum Raw {
    Dataset(Box<Document<DatasetSpec>>),
    Training(Box<Document<TrainingSpec>>),
    Model(Box<Document<ModelSpec>>),
    Endpoint(Box<Document<EndpointSpec>>),
    /// Nothing of it conforms.
    Nothing,
}

#[derive(Debug)]
struct Reader<'f> {
    files: &'f [SourceText],
    schemas: &'static BTreeMap<&'static str, Value>,
    problems: Vec<(usize, Option<String>, Problem)>,
}

impl<'f> Reader<'f> {
    fn new(files: &'f [SourceText]) -> Self {
        // Generating them takes longer than reading most files.
        static SCHEMAS: LazyLock<BTreeMap<&'static str, Value>> =
            LazyLock::new(|| KINDS.iter().filter_map(|kind| Some((*kind, schema(kind)?))).collect());
        Self { files, schemas: &SCHEMAS, problems: Vec::new() }
    }

    fn read_file(&mut self, file: usize, source: &SourceText) -> Vec<Read> {
        let (documents, problems) = yaml::load(&source.text);
        self.problems.extend(problems.into_iter().map(|problem| (file, None, problem)));
        let starts: Vec<usize> = documents.iter().map(|document| document.line).collect();
        let mut read = Vec::new();
        for (index, document) in documents.into_iter().enumerate() {
            let Some(root) = document.root.filter(|root| !is_null(root)) else { continue };
            let Some(kind) = self.kind_of(file, &root) else { continue };
            let first = if index == 0 { 1 } else { document.line };
            let text = document_text(&source.text, first, starts.get(index + 1).copied());
            let (value, problems) = conform(&root, &self.schemas[kind]);
            let flawed = problems.iter().filter_map(|problem| problem.field.clone()).collect();
            let name = root.entry("metadata").and_then(|entry| entry.value.text("name"));
            self.problems
                .extend(problems.into_iter().map(|problem| (file, name.map(str::to_owned), problem)));
            let raw = self.raw(file, kind, &root, value);
            read.push(Read { file, line: document.line, text, root, kind, raw, flawed });
        }
        read
    }

    /// The kind of a document; reports what is no resource of ours.
    fn kind_of(&mut self, file: usize, root: &Node) -> Option<&'static str> {
        if !matches!(root.content, Content::Map(_)) {
            let message = format!("a resource is a mapping; found {}", root.kind());
            self.report(
                file,
                root.place,
                None,
                (WRONG_TYPE, message, "start with apiVersion, kind, metadata and spec".into()),
            );
            return None;
        }
        if let Some(found) = root.text("apiVersion").filter(|found| *found != API_VERSION) {
            let message = format!("apiVersion {found:?} is not known; allowed: {API_VERSION}");
            let remedy = format!("write apiVersion: {API_VERSION}, or move the file to another folder");
            self.report(
                file,
                root.value_place("apiVersion"),
                Some("apiVersion"),
                (INVALID_VALUE, message, remedy),
            );
            return None;
        }
        let place = root.value_place("kind");
        let Some(found) = root.text("kind") else {
            let (check, message) = match root.entry("kind") {
                Some(entry) => (WRONG_TYPE, format!("kind is {}, not text", entry.value.kind())),
                None => (MISSING_FIELD, "the resource lacks kind".to_owned()),
            };
            let remedy = format!("add kind: one of {}", KINDS.join(", "));
            self.report(file, place, Some("kind"), (check, message, remedy));
            return None;
        };
        if let Some(kind) = KINDS.iter().find(|kind| **kind == found) {
            return Some(kind);
        }
        if LATER_KINDS.contains(&found) {
            let message = format!("kind {found} is not yet supported");
            let remedy = format!("remove the resource; supported: {}", KINDS.join(", "));
            self.report(file, place, Some("kind"), (NOT_YET_SUPPORTED, message, remedy));
        } else {
            let message = format!("kind {found:?} is not known; allowed: {}", KINDS.join(", "));
            self.report(file, place, Some("kind"), (INVALID_VALUE, message, suggestion(found, KINDS)));
        }
        None
    }

    fn raw(&mut self, file: usize, kind: &str, root: &Node, value: Option<Value>) -> Raw {
        let Some(value) = value else { return Raw::Nothing };
        let raw = match kind {
            "Dataset" => from_value(value).map(Raw::Dataset),
            "Training" => from_value(value).map(Raw::Training),
            "Model" => from_value(value).map(Raw::Model),
            _ => from_value(value).map(Raw::Endpoint),
        };
        raw.unwrap_or_else(|error| {
            let message = format!("the resource does not read: {error}");
            self.report(
                file,
                root.place,
                None,
                (WRONG_TYPE, message, "compare it with `loquat schema`".into()),
            );
            Raw::Nothing
        })
    }

    fn check_names(&mut self, documents: &[Read]) {
        let mut first: BTreeMap<(&str, &str), &Read> = BTreeMap::new();
        for read in documents {
            let Some(name) = read.name() else { continue };
            // Both become versions of the name in the registry.
            let space = if read.kind == "Model" { "Training" } else { read.kind };
            let Some(earlier) = first.get(&(space, name)) else {
                first.insert((space, name), read);
                continue;
            };
            let message = format!(
                "a {} is named {name:?} already, in {}:{}",
                earlier.kind,
                self.files[earlier.file].path.display(),
                earlier.root.value_place("metadata.name").line
            );
            let place = read.root.value_place("metadata.name");
            let remedy = "rename or remove one of the two".to_owned();
            self.report(read.file, place, Some("metadata.name"), (DUPLICATE_NAME, message, remedy));
        }
    }

    fn validate(&mut self, documents: &[Read]) -> Resources {
        let tasks = tasks(documents);
        let mut resources = Resources::default();
        for read in documents {
            let mut context = Context::new(&read.root);
            match &read.raw {
                Raw::Dataset(raw) => {
                    let value = dataset::validate(&mut context, raw);
                    resources.datasets.extend(value.map(|value| self.locate(read, value)));
                }
                Raw::Training(raw) => {
                    self.narrow_metric(read, raw, &tasks);
                    let value = training::validate(&mut context, raw, &tasks);
                    resources.trainings.extend(value.map(|value| self.locate(read, value)));
                }
                Raw::Model(raw) => {
                    let value = model::validate(&mut context, raw, &tasks);
                    resources.models.extend(value.map(|value| self.locate(read, value)));
                }
                Raw::Endpoint(raw) => {
                    let value = endpoint::validate(&mut context, raw);
                    resources.endpoints.extend(value.map(|value| self.locate(read, value)));
                }
                Raw::Nothing => {}
            }
            // What a flawed field lacks or says together with others follows from the flaw, which is reported.
            let problems = context.into_problems().into_iter().filter(|problem| !read.is_flawed(problem));
            let name = read.name().map(str::to_owned);
            self.problems.extend(problems.map(|problem| (read.file, name.clone(), problem)));
        }
        resources
    }

    /// A word that is no metric at all was found before the task was known; this names the metrics of the task.
    fn narrow_metric(&mut self, read: &Read, raw: &Document<TrainingSpec>, tasks: &Tasks) {
        let dataset = raw.spec.as_ref().and_then(TrainingSpec::dataset_name);
        let known = dataset.and_then(|name| tasks.get(name).copied().flatten());
        let metric = read.root.entry("spec").and_then(|spec| spec.value.text("metric"));
        let (Some(known), Some(metric)) = (known, metric) else { return };
        let place = read.root.value_place("spec.metric");
        for (file, _, problem) in &mut self.problems {
            if *file == read.file && problem.place == place && problem.check == INVALID_VALUE {
                (problem.message, problem.remedy) = training::unfit_metric(metric, known);
            }
        }
    }

    /// At most one endpoint may be the default of a task, as far as the tasks are known here.
    fn check_defaults(&mut self, documents: &[Read], resources: &Resources) {
        let tasks = tasks(documents);
        let trained = resources.trainings.iter().filter_map(|training| {
            let known = tasks.get(training.value.dataset.as_str()).copied().flatten()?;
            Some((training.value.name.as_str(), known.task))
        });
        let imported = resources.models.iter().map(|model| (model.value.name.as_str(), model.value.task));
        let task_of_model: BTreeMap<&str, Task> = trained.chain(imported).collect();
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for endpoint in resources.endpoints.iter().filter(|endpoint| endpoint.value.default) {
            let of_model = task_of_model.get(endpoint.value.model.name.as_str()).copied();
            let zero_shot = endpoint.value.zero_shot.as_ref().map(|_| Task::ZeroShotClassification);
            let Some(task) = zero_shot.or(of_model) else { continue };
            let name = endpoint.value.name.as_str();
            let Some(other) = first.insert(task.as_str(), name) else { continue };
            let same = |read: &&Read| {
                read.kind == "Endpoint" && read.name() == Some(name) && read.line == endpoint.line
            };
            let Some(read) = documents.iter().find(same) else { continue };
            let message = format!("endpoint {other} is the default of {} already", task.as_str());
            let place = read.root.value_place("spec.default");
            let remedy = "set default on one endpoint of a task".to_owned();
            self.report(read.file, place, Some("spec.default"), (INVALID_VALUE, message, remedy));
        }
    }

    fn locate<T>(&self, read: &Read, value: T) -> Located<T> {
        Located { value, path: self.files[read.file].path.clone(), line: read.line, text: read.text.clone() }
    }

    fn report(
        &mut self,
        file: usize,
        place: Place,
        field: Option<&str>,
        (check, message, remedy): (&'static str, String, String),
    ) {
        let problem = Problem { place, field: field.map(str::to_owned), check, message, remedy };
        self.problems.push((file, None, problem));
    }

    fn into_findings(mut self) -> Vec<Finding> {
        self.problems.sort_by(|(file, _, problem), (other_file, _, other)| {
            (file, problem.place, &problem.field).cmp(&(other_file, other.place, &other.field))
        });
        self.problems
            .into_iter()
            .map(|(file, name, problem)| {
                problem.into_finding(&self.files[file].path.display().to_string(), name.as_deref())
            })
            .collect()
    }
}

impl Read {
    fn name(&self) -> Option<&str> {
        self.root.entry("metadata")?.value.text("name")
    }

    fn is_flawed(&self, problem: &Problem) -> bool {
        let Some(field) = &problem.field else { return false };
        self.flawed.iter().any(|flawed| {
            flawed
                .strip_prefix(field.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

fn tasks(documents: &[Read]) -> Tasks {
    let mut tasks = Tasks::new();
    for read in documents.iter().filter(|read| read.kind == "Dataset") {
        let known = match &read.raw {
            Raw::Dataset(raw) => known(raw),
            _ => None,
        };
        if let Some(name) = read.name() {
            tasks.entry(name.to_owned()).or_insert(known);
        }
    }
    tasks
}

fn from_value<S: DeserializeOwned>(value: Value) -> Result<Box<Document<S>>, serde_json::Error> {
    serde_json::from_value(value).map(Box::new)
}

fn is_null(node: &Node) -> bool {
    matches!(node.content, Content::Scalar(Value::Null))
}

/// The lines of a document that starts on line `first`, without its `---`.
fn document_text(text: &str, first: usize, next: Option<usize>) -> String {
    let end = next.unwrap_or(usize::MAX);
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let lines = lines.filter(|(number, line)| {
        *number >= first && (*number < end || first == end) && !matches!(line.trim_end(), "---" | "...")
    });
    let mut own = String::new();
    for (_, line) in lines {
        own.push_str(line);
        own.push('\n');
    }
    own
}
