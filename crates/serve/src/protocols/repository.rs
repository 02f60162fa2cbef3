//! Triton's model repository extension.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_spec::ErrorCode;
use serde_json::{Value, json};

use crate::body::{self, wrong_type};
use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::Problem;
use crate::render::{Captured, captured, json};

/// One entry of the index.
pub(crate) struct Entry {
    /// The endpoint.
    pub(crate) name: String,
    /// The version that answers; empty while none does.
    pub(crate) version: String,
    /// `READY` or `UNAVAILABLE`.
    pub(crate) state: &'static str,
    /// Why it is not ready.
    pub(crate) reason: String,
}

/// Every endpoint, or those that are ready.
pub(crate) fn index(app: &App, ready_only: bool) -> Vec<Entry> {
    let table = app.table();
    let entries = table.hosts.values().map(|host| match &host.pipeline {
        Some(pipeline) => Entry {
            name: host.name.clone(),
            version: pipeline.version().to_string(),
            state: "READY",
            reason: String::new(),
        },
        None => Entry {
            name: host.name.clone(),
            version: String::new(),
            state: "UNAVAILABLE",
            reason: host.condition.message.clone(),
        },
    });
    entries.filter(|entry| !ready_only || entry.state == "READY").collect()
}

/// Answers `POST /v2/repository/index`, whose body may be empty or ask for ready models only.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    body::check_headers(request.headers())?;
    let bytes = body::read(request, app.max_body, exchange.start + body::UNNAMED_TIME).await?;
    let ready_only = if bytes.trim_ascii().is_empty() {
        false
    } else {
        let [ready] = body::parse(&bytes)?.take("", ["ready"])?;
        match ready {
            None | Some(Value::Null) => false,
            Some(Value::Bool(ready)) => ready,
            Some(other) => return Err(wrong_type("ready", &other, "a boolean")),
        }
    };
    let entries: Vec<Value> = index(&app, ready_only)
        .into_iter()
        .map(|entry| {
            json!({ "name": entry.name, "version": entry.version, "state": entry.state, "reason": entry.reason })
        })
        .collect();
    Ok(json(StatusCode::OK, &entries, 128))
}

/// Answers `POST /v2/repository/models/{model}/unload`.
pub(crate) async fn unload(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    unload_model(&app, &Exchange::of(&request), &captured(path)?)?;
    Ok(json(StatusCode::OK, &json!({}), 2))
}

/// Unloads the model of an endpoint until it is to be loaded again.
pub(crate) fn unload_model(app: &App, exchange: &Exchange, name: &str) -> Result<(), Problem> {
    exchange.note.caller().may_administer()?;
    app.table().host(name)?;
    app.waker.unload(name).map_err(|reason| Problem::new(ErrorCode::Unavailable, reason))
}

/// Answers `POST /v2/repository/models/{model}/load`.
pub(crate) async fn load(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    load_model(&app, &Exchange::of(&request), &captured(path)?)?;
    Ok(json(StatusCode::OK, &json!({}), 2))
}

/// Loads the model of an endpoint that was unloaded on request or is asleep; which version is its alias's to say.
pub(crate) fn load_model(app: &App, exchange: &Exchange, name: &str) -> Result<(), Problem> {
    exchange.note.caller().may_administer()?;
    app.table().host(name)?;
    let loaded = app.waker.load(name);
    loaded.map(drop).map_err(|reason| {
        Problem::new(ErrorCode::Unavailable, format!("endpoint {name} can't answer: {reason}"))
    })
}
