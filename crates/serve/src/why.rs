//! `GET /why/{subject}`: why a request took as long as it did, or how an endpoint fares and why.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_spec::ErrorCode;
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::host::{App, Host, Table};
use crate::problem::Problem;
use crate::recent::{Answered, AnsweredBy, REMEMBERED, SLOW_REMEMBERED};
use crate::render::{Captured, captured, json};

/// Slow requests named with an endpoint.
const SLOWEST: usize = 5;
/// Share of a request's time from which a part of it is its cause.
const MOST: f64 = 0.5;

/// Answers `GET /why/{subject}`: the name of an endpoint, or the id of a request.
pub(crate) async fn why(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let subject = captured(path)?;
    let exchange = Exchange::of(&request);
    let caller = exchange.note.caller();
    let table = app.table();
    if let Some(host) = table.hosts.get(&subject) {
        caller.may_see(&subject)?;
        return Ok(json(StatusCode::OK, &of_endpoint(&app, host), 1024));
    }
    let answered = app.recent.find(&subject).ok_or_else(|| unknown(&subject))?;
    if answered.caller != caller.name() {
        caller.may_administer()?;
    }
    Ok(json(StatusCode::OK, &of_request(&table, &answered), 1024))
}

fn unknown(subject: &str) -> Problem {
    let shown: String = subject.chars().take(128).collect();
    let detail = format!("neither an endpoint nor a request that is remembered is called {shown:?}");
    Problem::new(ErrorCode::NotFound, detail).field("subject").remedy(format!(
        "the last {REMEMBERED} requests and the last {SLOW_REMEMBERED} slow or failed ones are remembered; GET /models \
         lists the endpoints"
    ))
}

fn of_request(table: &Table, answered: &Answered) -> Value {
    let mut body = json!({
        "kind": "request",
        "request_id": answered.id,
        "at": crate::resources::timestamp(answered.at),
        "method": answered.asked.0,
        "path": answered.asked.1,
        "status": answered.status,
        "caller": &*answered.caller,
        "problem": answered.problem,
        "milliseconds": { "total": milliseconds(answered.total) },
        "because": because(answered),
    });
    let Some(by) = &answered.by else { return body };
    body["endpoint"] = by.endpoint.as_str().into();
    body["model"] = by.version.0.as_str().into();
    body["version"] = by.version.1.into();
    if !by.early.is_empty() {
        let early = by.early.iter().map(|early| {
            let (model, version) = (early.pipeline.model(), early.pipeline.version());
            json!({ "model": model, "version": version, "inputs": early.inputs })
        });
        body["early"] = early.collect();
    }
    body["inputs"] = by.size.0.into();
    body["tokens"] = by.size.1.into();
    body["milliseconds"] = json!({
        "total": milliseconds(answered.total),
        "queue": milliseconds(by.times.queue),
        "tokenise": milliseconds(by.times.tokenise),
        "inference": milliseconds(by.times.inference),
        "other": milliseconds(other(answered, by)),
        "allowed": milliseconds(by.allowed),
    });
    if let Some(company) = by.company {
        body["queue"] = json!({ "requests": company.waiting, "tokens": company.waiting_tokens });
        body["batch"] = json!({
            "requests": company.batch_requests, "texts": company.batch_texts, "tokens": company.batch_tokens,
        });
    }
    if let Some(host) = table.hosts.get(&by.endpoint) {
        body["limits"] = limits(host);
    }
    body
}

/// Where most of the time went, and what would shorten it.
fn because(answered: &Answered) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(problem) = &answered.problem {
        lines.push(format!("it was refused: {problem}"));
    }
    let Some(by) = &answered.by else {
        if lines.is_empty() {
            lines.push("no model took part in it".to_owned());
        }
        return lines;
    };
    let total = answered.total.as_secs_f64().max(f64::MIN_POSITIVE);
    let is_most = |part: Duration| part.as_secs_f64() / total > MOST;
    let of_total = |part: Duration| format!("{} of {} ms", milliseconds(part), milliseconds(answered.total));
    match by.company {
        _ if is_most(by.times.queue) => {
            let company = by.company.unwrap_or_default();
            lines.push(format!(
                "it waited most of the time, {}: {} with {} tokens stood in the queue when it came",
                of_total(by.times.queue),
                count(company.waiting as u64, "request"),
                company.waiting_tokens
            ));
            lines.push("more threads (resources.threads) or another server shorten the queue".to_owned());
        }
        company if is_most(by.times.inference) => {
            lines.push(format!("the model took most of the time, {}", of_total(by.times.inference)));
            match company {
                Some(company) if by.size.1.saturating_mul(2) < company.batch_tokens => lines.push(format!(
                    "its {} tokens were computed in a batch of {} of {}; requests.maxBatchTokens bounds batches",
                    by.size.1,
                    count(company.batch_tokens, "token"),
                    count(company.batch_requests as u64, "request")
                )),
                _ => lines.push(format!(
                    "its own {} hold {}: fewer or shorter texts take less",
                    count(by.size.0, "input"),
                    count(by.size.1, "token")
                )),
            }
        }
        _ if is_most(other(answered, by)) => lines.push(format!(
            "most of the time, {}, passed outside queue and model: in reading the body, in loading the model, or in waiting \
             for a core",
            of_total(other(answered, by))
        )),
        _ => lines.push("no single part took most of the time".to_owned()),
    }
    lines
}

/// Time spent neither in the queue nor in tokenizer or model.
fn other(answered: &Answered, by: &AnsweredBy) -> Duration {
    let known = by.times.queue + by.times.tokenise + by.times.inference;
    answered.total.saturating_sub(known)
}

fn of_endpoint(app: &App, host: &Host) -> Value {
    let slowest = app.recent.slowest(&host.name, SLOWEST);
    let slowest: Vec<Value> = slowest
        .iter()
        .map(|answered| {
            json!({
                "request_id": answered.id,
                "status": answered.status,
                "milliseconds": milliseconds(answered.total),
            })
        })
        .collect();
    let metrics = &host.metrics;
    let pipeline = host.pipeline.as_deref();
    let mut because = vec![host.condition.message.clone()];
    because.extend(host.cascade_condition.as_ref().map(|condition| condition.message.clone()));
    json!({
        "kind": "endpoint",
        "endpoint": host.name,
        "reference": host.reference.to_string(),
        "ready": host.condition.holds(),
        "condition": host.condition.to_json(host.generation),
        "model": pipeline.map(|pipeline| pipeline.model()),
        "version": pipeline.map(|pipeline| pipeline.version()),
        "versions": host.versions,
        "task": pipeline.map(|pipeline| pipeline.task().as_str()),
        "resident_bytes": pipeline.map_or(0, |pipeline| pipeline.resident_bytes()),
        "queue": { "requests": host.gate.waiting(), "tokens": host.gate.waiting_tokens() },
        "limits": limits(host),
        "requests": metrics.counts(),
        "milliseconds": {
            "queue": { "p50": metrics.queue.quantile(0.5), "p99": metrics.queue.quantile(0.99) },
            "inference": { "p50": metrics.predict.quantile(0.5), "p99": metrics.predict.quantile(0.99) },
        },
        "slowest": slowest,
        "cascade": host.cascade.as_ref().map(|cascade| cascade.to_json()),
        "because": because,
    })
}

fn limits(host: &Host) -> Value {
    let limits = host.gate.limits();
    json!({
        "timeout_ms": milliseconds(host.requests.timeout),
        "max_queue": limits.requests,
        "max_batch_tokens": limits.batch_tokens,
        "threads": limits.threads,
    })
}

/// Milliseconds to three places.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
