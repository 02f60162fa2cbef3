//! Health, readiness, the list of endpoints, metrics and the OpenAPI document.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use serde::Serialize;

use crate::host::{App, Host, Phase, Table};
use crate::render::{bytes_response, json};

/// One endpoint in the answer of `/health/ready`.
#[derive(Serialize)]
struct EndpointState<'a> {
    name: &'a str,
    ready: bool,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
}

/// One endpoint in the answer of `/models`.
#[derive(Serialize)]
struct EndpointCard<'a> {
    name: &'a str,
    model: &'a str,
    reference: String,
    ready: bool,
    default: bool,
    implicit: bool,
    versions: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    languages: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// The word for where the server stands.
fn status_word(app: &App, table: &Table) -> &'static str {
    match app.phase() {
        Phase::Starting => "starting",
        Phase::Draining => "draining",
        Phase::Serving if table.is_ready() => "ready",
        Phase::Serving => "not-ready",
    }
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Answers `GET /health`: for programs that know one path only.
pub(crate) async fn health(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let table = app.table();
    let word = status_word(&app, &table);
    let good = word == "ready";
    if prefers_text(&headers) {
        let text: &[u8] = if good { b"OK" } else { b"ERROR" };
        return bytes_response(status(good), text.to_vec(), "text/plain; charset=utf-8");
    }
    let word = if good { "ok" } else { word };
    json(status(good), &serde_json::json!({ "status": word }), 32)
}

/// Whether `text/plain` stands before JSON, by weight and then by order; a bare `*/*` means JSON.
fn prefers_text(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()) else {
        return false;
    };
    let mut best = ("", 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        if weight > best.1 {
            best = (media, weight);
        }
    }
    best.0.eq_ignore_ascii_case("text/plain") || best.0.eq_ignore_ascii_case("text/*")
}

/// Answers `GET /health/live`: the process serves requests at all.
pub(crate) async fn live() -> Response<Body> {
    json(StatusCode::OK, &serde_json::json!({ "live": true }), 16)
}

/// Answers `GET /health/ready`: every endpoint has a version that answers and the server is not draining.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response<Body> {
    let table = app.table();
    let word = status_word(&app, &table);
    let endpoints: Vec<EndpointState<'_>> = table.hosts.values().map(|host| state(host)).collect();
    let good = word == "ready";
    let mut body = serde_json::json!({ "ready": good, "status": word, "endpoints": endpoints });
    if let Some(detail) = &table.detail {
        body["detail"] = detail.as_str().into();
    }
    json(status(good), &body, 64 + 96 * table.hosts.len())
}

fn state(host: &Host) -> EndpointState<'_> {
    EndpointState {
        name: &host.name,
        ready: host.is_ready(),
        model: host.reference.to_string(),
        version: host.pipeline.as_ref().map(|pipeline| pipeline.version()),
        detail: match host.down() {
            Some(reason) => Some(Cow::Owned(reason)),
            None => host.failure.as_ref().map(|failure| Cow::Borrowed(failure.message.as_str())),
        },
    }
}

/// Answers `GET /models`: every endpoint and what answers it.
pub(crate) async fn models(State(app): State<Arc<App>>) -> Response<Body> {
    let table = app.table();
    let cards: Vec<EndpointCard<'_>> = table.hosts.values().map(|host| card(host)).collect();
    json(StatusCode::OK, &serde_json::json!({ "models": cards }), 64 + 512 * table.hosts.len())
}

fn card(host: &Host) -> EndpointCard<'_> {
    let pipeline = host.pipeline.as_deref();
    EndpointCard {
        name: &host.name,
        model: host.reference.name.as_str(),
        reference: host.reference.to_string(),
        ready: pipeline.is_some() && host.down().is_none(),
        default: host.default,
        implicit: host.implicit,
        versions: &host.versions,
        version: pipeline.map(|pipeline| pipeline.version()),
        digest: pipeline.map(|pipeline| pipeline.digest()),
        task: pipeline.map(|pipeline| pipeline.task().as_str()),
        labels: pipeline.map(|pipeline| pipeline.labels()),
        languages: pipeline.map(|pipeline| pipeline.manifest().languages.as_slice()),
        detail: host.failure.as_ref().map(|failure| failure.message.as_str()),
    }
}

/// Answers `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response<Body> {
    let text = app.metrics.render(&app.table(), app.traces.as_ref());
    bytes_response(StatusCode::OK, text.into_bytes(), "text/plain; version=0.0.4; charset=utf-8")
}

/// Answers `GET /openapi.json`.
pub(crate) async fn openapi() -> Response<Body> {
    static DOCUMENT: LazyLock<Vec<u8>> =
        LazyLock::new(|| serde_json::to_vec(&crate::openapi::openapi()).unwrap_or_default());
    bytes_response(StatusCode::OK, DOCUMENT.clone(), "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_sent_to_those_who_prefer_it() {
        for (accept, text) in [
            ("text/plain", true),
            ("text/plain, application/json", true),
            ("application/json, text/plain", false),
            ("application/json;q=0.5, text/plain", true),
            ("*/*", false),
            ("text/plain;q=0.1, */*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header"));
            assert_eq!(prefers_text(&headers), text, "{accept}");
        }
    }
}
