//! `/apis/loquat.dev/v1alpha1/{plural}[/{name}]`: resources of the running server, as Kubernetes has them.
//!
//! A server hosts Endpoints; the other kinds are work that `loquat train` and `up` do in a folder.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_spec::{API_VERSION, Endpoint, ErrorCode, Finding, KINDS, LATER_KINDS, SourceText, Task};
use serde_json::{Value, json};

use super::declared::Change;
use super::manifest::{implicit, object_of};
use crate::body;
use crate::exchange::Exchange;
use crate::host::{App, Table};
use crate::problem::Problem;
use crate::render::{Captured, captured, json};

/// The kind that a server hosts, in a path.
const ENDPOINTS: &str = "endpoints";

/// Answers `GET …/{plural}`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    hosted(&captured(path)?)?;
    let exchange = Exchange::of(&request);
    exchange.note.caller().may_see_all()?;
    let table = app.table();
    let (_, declared) = app.declared.snapshot();
    let mut items: Vec<Value> = declared
        .iter()
        .map(|(name, declaration)| object_of(declaration, table.hosts.get(name).map(AsRef::as_ref)))
        .collect();
    let undeclared = table.hosts.values().filter(|host| !declared.contains_key(&host.name));
    items.extend(undeclared.filter_map(|host| Some(object_of(&implicit(host)?, Some(host.as_ref())))));
    let body = json!({ "apiVersion": API_VERSION, "kind": "EndpointList", "metadata": {}, "items": items });
    Ok(json(StatusCode::OK, &body, 512))
}

/// Answers `GET …/{plural}/{name}`.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    path: Captured<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (plural, name) = captured(path)?;
    hosted(&plural)?;
    Exchange::of(&request).note.caller().may_see_all()?;
    let table = app.table();
    let host = table.hosts.get(&name).map(AsRef::as_ref);
    let declared = app.declared.get(&name).or_else(|| host.and_then(implicit));
    let declaration = declared.ok_or_else(|| missing(&table, &name))?;
    Ok(json(StatusCode::OK, &object_of(&declaration, host), 512))
}

/// Answers `PUT …/{plural}/{name}` with the resource as it is from now on. A resource that breaks a rule changes nothing.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    path: Captured<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (plural, name) = captured(path)?;
    hosted(&plural)?;
    let exchange = Exchange::of(&request);
    exchange.note.caller().may_administer()?;
    let dry_run = dry_run(&request)?;
    let deadline = exchange.start + body::UNNAMED_TIME;
    let bytes = body::read(request, app.max_body, deadline).await?;
    let endpoint = parse(&name, bytes.to_vec())?;
    check_default(&app.table(), &endpoint)?;
    let (declaration, change) = app.declared.apply(endpoint, dry_run);
    if !dry_run {
        app.waker.look();
        tracing::info!(endpoint = name, ?change, caller = %exchange.note.caller().name(), "resource applied");
    }
    let status = if change == Change::Created { StatusCode::CREATED } else { StatusCode::OK };
    let table = app.table();
    Ok(json(status, &object_of(&declaration, table.hosts.get(&name).map(AsRef::as_ref)), 512))
}

/// Answers `DELETE …/{plural}/{name}`.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    path: Captured<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (plural, name) = captured(path)?;
    hosted(&plural)?;
    let exchange = Exchange::of(&request);
    exchange.note.caller().may_administer()?;
    let dry_run = dry_run(&request)?;
    let table = app.table();
    if app.declared.get(&name).is_none() {
        return Err(match table.hosts.get(&name) {
            Some(_) => Problem::new(
                ErrorCode::Conflict,
                format!(
                    "no resource declares endpoint {name}: it stands for the registered model of its name"
                ),
            )
            .field("name")
            .remedy(format!("remove the model with loquat models rm {name}, or apply an Endpoint over it")),
            None => missing(&table, &name),
        });
    }
    if !dry_run {
        app.declared.delete(&name);
        app.waker.look();
        tracing::info!(endpoint = name, caller = %exchange.note.caller().name(), "resource deleted");
    }
    let details = json!({ "group": "loquat.dev", "kind": ENDPOINTS, "name": name });
    let body = json!({ "apiVersion": "v1", "kind": "Status", "status": "Success", "details": details });
    Ok(json(StatusCode::OK, &body, 128))
}

/// Refuses kinds that a server does not host.
fn hosted(plural: &str) -> Result<(), Problem> {
    if plural == ENDPOINTS {
        return Ok(());
    }
    let known = KINDS.iter().chain(LATER_KINDS).find(|kind| plural_of(kind) == plural);
    Err(match known {
        Some(kind) => Problem::new(
            ErrorCode::Unsupported,
            format!("{kind} resources of a running server are not yet supported"),
        )
        .field("path")
        .remedy("a server hosts endpoints; loquat up DIR works on the other kinds"),
        None => Problem::new(ErrorCode::NotFound, "no such kind of resource")
            .field("path")
            .remedy("ask for endpoints"),
    })
}

/// A kind as it stands in a path.
fn plural_of(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.strip_suffix("ch") {
        Some(stem) => format!("{stem}ches"),
        None => format!("{lower}s"),
    }
}

fn missing(table: &Table, name: &str) -> Problem {
    match table.host(name) {
        Err(problem) => problem.field("name"),
        Ok(_) => Problem::new(ErrorCode::NotFound, "no such endpoint").field("name"),
    }
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

/// The one Endpoint that a body of YAML or JSON declares.
fn parse(name: &str, bytes: Vec<u8>) -> Result<Endpoint, Problem> {
    let text = SourceText::from_bytes("body".into(), bytes).map_err(|finding| problem_of(&[*finding]))?;
    let resources = loquat_spec::parse(&[text]).map_err(|findings| problem_of(&findings))?;
    let others = resources.datasets.len() + resources.trainings.len() + resources.models.len();
    let mut endpoints = resources.endpoints.into_iter();
    let (Some(endpoint), None, 0) = (endpoints.next(), endpoints.next(), others) else {
        return Err(Problem::new(ErrorCode::Invalid, "the body must hold one Endpoint and nothing else")
            .field("body")
            .remedy("send each resource to its own path"));
    };
    if endpoint.value.name.as_str() != name {
        let detail = format!("the resource is called {}, the path {name}", endpoint.value.name);
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .field("metadata.name")
            .remedy("put the resource to the path of its name"));
    }
    Ok(endpoint.value)
}

/// All findings in one problem, which stands at the first.
fn problem_of(findings: &[Finding]) -> Problem {
    let line = |finding: &Finding| {
        let place = finding.line.map(|line| format!("line {line}")).unwrap_or_default();
        let field = finding.field.as_deref().unwrap_or("body");
        format!("{place}, {field}: {} ({})", finding.message, finding.remedy)
    };
    let detail: Vec<String> = findings.iter().map(line).collect();
    let field = findings.first().and_then(|finding| finding.field.clone());
    Problem::new(ErrorCode::Invalid, detail.join("; "))
        .field(field.unwrap_or_else(|| "body".to_owned()))
        .remedy("mend the resource; nothing was changed")
}

/// Refuses a second default of a task, as far as the tasks of models are known.
fn check_default(table: &Table, endpoint: &Endpoint) -> Result<(), Problem> {
    if !endpoint.default {
        return Ok(());
    }
    let of_model = || {
        let alike = table.hosts.values().find(|host| host.reference.name == endpoint.model.name);
        alike.filter(|host| host.zero_shot.is_none()).and_then(|host| host.task)
    };
    let task = endpoint.zero_shot.as_ref().map(|_| Task::ZeroShotClassification).or_else(of_model);
    let other = table.hosts.values().find(|host| {
        host.default && host.name != endpoint.name.as_str() && task.is_some() && host.task == task
    });
    let (Some(other), Some(task)) = (other, task) else { return Ok(()) };
    let detail = format!("endpoint {} is the default of {} already", other.name, task.as_str());
    Err(Problem::new(ErrorCode::Invalid, detail)
        .field("spec.default")
        .remedy("set default on one endpoint of a task"))
}
