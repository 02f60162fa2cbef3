//! Which endpoint answers a route that names none: the one that header `x-loquat-model` names, else the one marked
//! default for the task, else the only one that has it.

use std::sync::Arc;

use axum::http::HeaderMap;
use loquat_infer::Pipeline;
use loquat_spec::{ErrorCode, Task};

use crate::host::{Host, Table};
use crate::problem::Problem;

/// Overrides the choice.
pub(crate) const MODEL: &str = "x-loquat-model";

/// The tasks that answer with labels for a text, in the order in which a default is looked for.
pub(crate) const CLASSIFICATION: [Task; 4] = [
    Task::TextClassification,
    Task::TextPairClassification,
    Task::MultiLabelClassification,
    Task::LanguageIdentification,
];

/// An endpoint and the version of it that answers this request.
#[derive(Clone)]
pub(crate) struct Chosen {
    /// The endpoint.
    pub(crate) host: Arc<Host>,
    /// The version.
    pub(crate) pipeline: Arc<Pipeline>,
}

/// The endpoint for one of `tasks`.
pub(crate) fn choose(table: &Table, headers: &HeaderMap, tasks: &[Task]) -> Result<Chosen, Problem> {
    if let Some(name) = headers.get(MODEL) {
        return named(table, &String::from_utf8_lossy(name.as_bytes()), tasks)
            .map_err(|problem| problem.field(MODEL));
    }
    let candidates: Vec<&Arc<Host>> =
        table.hosts.values().filter(|host| task_of(host).is_some_and(|task| tasks.contains(&task))).collect();
    let default = tasks
        .iter()
        .find_map(|task| candidates.iter().find(|host| host.default && task_of(host) == Some(*task)));
    match (default, candidates.as_slice()) {
        (Some(host), _) | (None, [host]) => of(host),
        (None, []) => Err(absent(table, tasks)),
        (None, several) => Err(ambiguous(several)),
    }
}

/// The endpoint that header `x-loquat-model` names, else the one marked default of those that are `fit`, else the only one.
pub(crate) fn choose_where(
    table: &Table,
    headers: &HeaderMap,
    fit: impl Fn(&Host) -> bool,
    absent: impl Fn() -> Problem,
) -> Result<Chosen, Problem> {
    if let Some(name) = headers.get(MODEL) {
        let host = table.host(&String::from_utf8_lossy(name.as_bytes()));
        let host = host.map_err(|problem| problem.field(MODEL))?;
        return if fit(host) { of(host) } else { Err(absent().field(MODEL)) };
    }
    let candidates: Vec<&Arc<Host>> = table.hosts.values().filter(|host| fit(host)).collect();
    match (candidates.iter().find(|host| host.default), candidates.as_slice()) {
        (Some(host), _) | (None, [host]) => of(host),
        (None, []) => Err(absent()),
        (None, several) => Err(ambiguous(several)),
    }
}

/// The endpoint called `name`, which must have one of `tasks`.
pub(crate) fn named(table: &Table, name: &str, tasks: &[Task]) -> Result<Chosen, Problem> {
    let chosen = of(table.host(name)?)?;
    let task = chosen.pipeline.task();
    if tasks.contains(&task) {
        return Ok(chosen);
    }
    let detail = format!("endpoint {name} is for {}, not for {}", task.as_str(), words(tasks));
    Err(Problem::no_model(detail).remedy(existing(table)))
}

/// The problem of a route whose task no loaded model has.
pub(crate) fn absent(table: &Table, tasks: &[Task]) -> Problem {
    let detail = format!("no loaded model has the task {}", words(tasks));
    Problem::no_model(detail).remedy(existing(table))
}

fn of(host: &Arc<Host>) -> Result<Chosen, Problem> {
    Ok(Chosen { host: Arc::clone(host), pipeline: Arc::clone(host.pipeline()?) })
}

fn task_of(host: &Host) -> Option<Task> {
    host.task
}

fn ambiguous(candidates: &[&Arc<Host>]) -> Problem {
    let names: Vec<&str> = candidates.iter().map(|host| host.name.as_str()).collect();
    let detail = format!("several endpoints could answer: {}", names.join(", "));
    Problem::new(ErrorCode::Unsupported, detail)
        .field(MODEL)
        .remedy("name one in header x-loquat-model, or mark one with default: true")
}

fn words(tasks: &[Task]) -> String {
    tasks.iter().map(|task| task.as_str()).collect::<Vec<_>>().join(" or ")
}

/// The models that exist, with their tasks.
pub(crate) fn existing(table: &Table) -> String {
    let mut models: Vec<String> = Vec::new();
    for (name, host) in table.hosts.iter().take(20) {
        models.push(match task_of(host) {
            Some(task) => format!("{name} ({})", task.as_str()),
            None => format!("{name} (not loaded)"),
        });
    }
    if models.is_empty() {
        return "no model is loaded; train one with loquat train".to_owned();
    }
    format!("models that exist: {}", models.join(", "))
}
