//! `/apis/loquat.dev/v1alpha1[/{plural}[/{name}]]`: resources of the running server, as Kubernetes has them.
//!
//! A server hosts Endpoints and imports Models. It keeps and validates Datasets and Trainings, whose conditions say who does the
//! work.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_spec::{API_VERSION, Endpoint, ErrorCode, LATER_KINDS, ModelSource, Task};
use serde_json::{Value, json};

use super::declaration::{Change, Declaration};
use super::item::{Item, Key, Kind, plural_of};
use super::manifest::{implicit, object_of};
use crate::body;
use crate::exchange::Exchange;
use crate::host::{App, Table};
use crate::problem::Problem;
use crate::render::{Captured, captured, json};

/// Answers `GET …/{plural}`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let kind = kind_of(&captured(path)?)?;
    Exchange::of(&request).note.caller().may_see_all()?;
    let items = blocking(move || {
        let table = app.table();
        let mut all = app.declared.all(kind);
        if kind == Kind::Endpoint {
            let is_declared = |name: &str| all.iter().any(|known| known.item.key().name == name);
            let undeclared = table.hosts.values().filter(|host| !is_declared(&host.name));
            let implicit: Vec<Declaration> = undeclared.filter_map(|host| implicit(host)).collect();
            all.extend(implicit);
        }
        all.iter().map(|declaration| object_of(&app, &table, declaration)).collect::<Vec<Value>>()
    });
    let kind = format!("{}List", kind.as_str());
    let body = json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": {}, "items": items.await? });
    Ok(json(StatusCode::OK, &body, 512))
}

/// Answers `GET …/{plural}/{name}`.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    path: Captured<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let key = key_of(captured(path)?)?;
    Exchange::of(&request).note.caller().may_see_all()?;
    let table = app.table();
    let host = table.hosts.get(&key.name).filter(|_| key.kind == Kind::Endpoint);
    let declared = app.declared.get(&key).or_else(|| host.and_then(|host| implicit(host)));
    let declaration = declared.ok_or_else(|| missing(&table, &key))?;
    let object = blocking(move || object_of(&app, &app.table(), &declaration)).await?;
    Ok(json(StatusCode::OK, &object, 512))
}

/// Answers `PUT …/{plural}/{name}` with the resource as it is from now on. A resource that breaks a rule changes nothing.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    path: Captured<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let key = key_of(captured(path)?)?;
    let only = move |items: &[Item]| match items {
        [one] if one.key() == key => Ok(()),
        [one] if one.key().kind == key.kind => {
            let detail = format!("the resource is called {}, the path {}", one.key().name, key.name);
            Err(Problem::new(ErrorCode::Invalid, detail)
                .field("metadata.name")
                .remedy("put the resource to the path of its name"))
        }
        _ => {
            let detail = format!("the body must hold one {} and nothing else", key.kind.as_str());
            Err(Problem::new(ErrorCode::Invalid, detail)
                .field("body")
                .remedy("send each resource to its own path, or all to the path above"))
        }
    };
    let changed = change(app, request, only).await?;
    let (object, change) = changed.into_iter().next().ok_or_else(|| {
        // What is put is what is answered.
        Problem::new(ErrorCode::Internal, "the resource was applied and is not there")
    })?;
    let status = if change == Change::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &object, 512))
}

/// Answers `PUT …` with a list of resources of any kinds, which are applied together or not at all.
pub(crate) async fn apply(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let some = |items: &[Item]| match items {
        [] => Err(Problem::new(ErrorCode::Invalid, "the body holds no resource")
            .field("body")
            .remedy("send resources as YAML documents")),
        _ => Ok(()),
    };
    let changed = change(app, request, some).await?;
    let (items, changes): (Vec<Value>, Vec<&str>) =
        changed.into_iter().map(|(object, change)| (object, change.as_str())).unzip();
    let body = json!({ "apiVersion": API_VERSION, "kind": "List", "metadata": {}, "items": items, "changes": changes });
    Ok(json(StatusCode::OK, &body, 512))
}

/// Applies the resources of a body that `fits`, and gives them as they are from now on.
async fn change(
    app: Arc<App>,
    request: Request<Body>,
    fits: impl FnOnce(&[Item]) -> Result<(), Problem> + Send + 'static,
) -> Result<Vec<(Value, Change)>, Problem> {
    let exchange = Exchange::of(&request);
    exchange.note.caller().may_administer()?;
    let dry_run = dry_run(&request)?;
    let deadline = exchange.start + body::UNNAMED_TIME;
    let bytes = body::read(request, app.max_body, deadline).await?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|error| {
        Problem::new(ErrorCode::Invalid, error.to_string()).field("body").remedy("send UTF-8")
    })?;
    let caller = exchange.note.caller().name();
    let changed = blocking(move || {
        let items = app.declared.read(&text)?;
        fits(&items)?;
        check_defaults(&app.table(), &items)?;
        check_commands(&app, &items)?;
        let changes = app.declared.apply(&text, dry_run)?;
        if !dry_run {
            app.look_again();
            for (declaration, change) in &changes {
                tracing::info!(resource = %declaration.item.key(), ?change, %caller, "resource applied");
            }
        }
        let table = app.table();
        let object =
            |(declaration, change): (Declaration, Change)| (object_of(&app, &table, &declaration), change);
        Ok(changes.into_iter().map(object).collect())
    });
    changed.await?
}

/// Answers `DELETE …/{plural}/{name}`.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    path: Captured<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let key = key_of(captured(path)?)?;
    let exchange = Exchange::of(&request);
    exchange.note.caller().may_administer()?;
    let dry_run = dry_run(&request)?;
    let details = json!({ "group": "loquat.dev", "kind": plural_of(key.kind.as_str()), "name": key.name });
    let caller = exchange.note.caller().name();
    let deleted = blocking(move || {
        if !app.declared.delete(&key, dry_run)? {
            return Err(undeletable(&app.table(), &key));
        }
        if !dry_run {
            app.look_again();
            tracing::info!(resource = %key, %caller, "resource deleted");
        }
        Ok(())
    });
    deleted.await??;
    let body = json!({ "apiVersion": "v1", "kind": "Status", "status": "Success", "details": details });
    Ok(json(StatusCode::OK, &body, 128))
}

/// Runs what reads or writes files, or waits for a process to end.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a change of resources panicked");
        Problem::new(ErrorCode::Internal, "the resources could not be worked on")
    })
}

fn key_of((plural, name): (String, String)) -> Result<Key, Problem> {
    Ok(Key { kind: kind_of(&plural)?, name })
}

/// The kind of a path, or a problem that says which there are.
fn kind_of(plural: &str) -> Result<Kind, Problem> {
    let later = LATER_KINDS.iter().find(|kind| plural_of(kind) == plural);
    Kind::of_plural(plural).ok_or_else(|| match later {
        Some(kind) => Problem::new(ErrorCode::Unsupported, format!("{kind} resources are not yet supported"))
            .field("path")
            .remedy("ask for endpoints, models, trainings or datasets"),
        None => Problem::new(ErrorCode::NotFound, "no such kind of resource")
            .field("path")
            .remedy("ask for endpoints, models, trainings or datasets"),
    })
}

fn missing(table: &Table, key: &Key) -> Problem {
    if key.kind == Kind::Endpoint
        && let Err(problem) = table.host(&key.name)
    {
        return problem.field("name");
    }
    let shown: String = key.name.chars().take(80).collect();
    let plural = plural_of(key.kind.as_str());
    Problem::new(ErrorCode::NotFound, format!("no {} is called {shown:?}", key.kind.as_str()))
        .field("name")
        .remedy(format!("loquat get {plural} lists what is declared"))
}

/// Why what no resource declares can't be deleted.
fn undeletable(table: &Table, key: &Key) -> Problem {
    // One that was deleted a moment ago may still stand in the table.
    let stands_for_model = table.hosts.get(&key.name).is_some_and(|host| host.implicit);
    if key.kind != Kind::Endpoint || !stands_for_model {
        return missing(table, key);
    }
    let name = &key.name;
    let detail =
        format!("no resource declares endpoint {name}: it stands for the registered model of its name");
    Problem::new(ErrorCode::Conflict, detail)
        .field("name")
        .remedy(format!("remove the model with loquat models rm {name}, or apply an Endpoint over it"))
}

fn dry_run(request: &Request<Body>) -> Result<bool, Problem> {
    let query = request.uri().query().unwrap_or_default();
    match query.split('&').find_map(|pair| pair.strip_prefix("dryRun=")) {
        None => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(Problem::new(ErrorCode::Invalid, format!("{other:?} is no dry run"))
            .field("dryRun")
            .remedy("write dryRun=All")),
    }
}

/// Refuses a command from somebody who may be anybody: what reaches a server without keys could run programs with it.
fn check_commands(app: &App, items: &[Item]) -> Result<(), Problem> {
    let starts = |item: &&Item| {
        matches!(item, Item::Model(located)
            if matches!(&located.value.source, ModelSource::Server(server) if server.command.is_some()))
    };
    match items.iter().find(starts) {
        Some(item) if !app.doorman.asks() => {
            let detail = format!("{} names a command, and this server asks no one who they are", item.key());
            Err(Problem::forbidden(detail)
                .field("spec.server.command")
                .remedy("put the Model into the server's own folder, or start the server with --keys"))
        }
        _ => Ok(()),
    }
}

/// Refuses a second default of a task, as far as the tasks of models are known.
fn check_defaults(table: &Table, items: &[Item]) -> Result<(), Problem> {
    let endpoints = || {
        items.iter().filter_map(|item| match item {
            Item::Endpoint(located) => Some(&located.value),
            _ => None,
        })
    };
    let steps_back =
        |name: &str| endpoints().any(|endpoint| endpoint.name.as_str() == name && !endpoint.default);
    for endpoint in endpoints().filter(|endpoint| endpoint.default) {
        let Some(task) = task_of(table, endpoint) else { continue };
        let other = table.hosts.values().find(|host| {
            host.default
                && host.name != endpoint.name.as_str()
                && host.task == Some(task)
                && !steps_back(&host.name)
        });
        if let Some(other) = other {
            let detail = format!("endpoint {} is the default of {} already", other.name, task.as_str());
            return Err(Problem::new(ErrorCode::Invalid, detail)
                .field("spec.default")
                .remedy("set default on one endpoint of a task"));
        }
    }
    Ok(())
}

/// The task of an endpoint, where it or one of the same model was loaded once.
fn task_of(table: &Table, endpoint: &Endpoint) -> Option<Task> {
    if endpoint.zero_shot.is_some() {
        return Some(Task::ZeroShotClassification);
    }
    let alike = table.hosts.values().find(|host| host.reference.name == endpoint.model.name);
    alike.filter(|host| host.zero_shot.is_none()).and_then(|host| host.task)
}
