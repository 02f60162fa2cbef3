//! `GET /v1/models` and `GET /v1/models/{model}`, where OpenAI's list of models and KServe v1 meet: one object with the
//! members of both.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::host::{App, Host};
use crate::problem::Problem;
use crate::render::{Captured, captured, json};

/// Answers `GET /v1/models`.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Response<Body> {
    let table = app.table();
    let cards: Vec<Value> = table.hosts.values().map(|host| card(host)).collect();
    let names: Vec<&String> = table.hosts.keys().collect();
    let body = json!({ "object": "list", "data": cards, "models": names });
    json(StatusCode::OK, &body, 64 + 128 * cards.len())
}

/// Answers `GET /v1/models/{model}`; 503 while the model is not ready.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    path: Captured<String>,
) -> Result<Response<Body>, Problem> {
    let table = app.table();
    let host = table.host(&captured(path)?)?;
    let status = if host.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(json(status, &card(host), 128))
}

/// `created` is 0: a version's identity is its digest, and no time is part of it.
fn card(host: &Host) -> Value {
    json!({
        "id": host.name,
        "object": "model",
        "created": 0,
        "owned_by": "loquat",
        "name": host.name,
        "ready": host.is_ready()
    })
}
