//! `POST /models/{endpoint}/predict`: Loquat's own route.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_infer::InputError;
use loquat_spec::{ErrorCode, PredictParameters, Prediction};
use serde::Serialize;
use serde_json::Value;

use crate::ask::Ask;
use crate::body::{self, Members, wrong_type};
use crate::exchange::Exchange;
use crate::host::{App, Host};
use crate::problem::Problem;
use crate::render::{Captured, captured, json};

/// Members of `parameters`.
const PARAMETERS: [&str; 7] =
    ["top_k", "explain", "labels", "template", "exclusive", "threshold", "prompt_name"];

/// Bytes of response per prediction, as a first guess.
const BYTES_PER_PREDICTION: usize = 96;

/// The body of the answer, borrowed from what made it. Model and version are those that answered every input; where several did, the
/// endpoint's own.
#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    version: u32,
    request_id: &'a str,
    predictions: &'a [Prediction],
}

/// Answers `POST /models/{endpoint}/predict`.
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    path: Captured<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let host = Arc::clone(app.table().host(&captured(path)?)?);
    let pipeline = Arc::clone(host.pipeline()?);
    let members = body::members(request, &app, &host, &exchange).await?;
    let [inputs, parameters] = members.take("", ["inputs", "parameters"])?;
    let inputs = inputs.ok_or_else(|| {
        Problem::new(ErrorCode::Invalid, "member \"inputs\" is missing")
            .field("inputs")
            .remedy("send {\"inputs\": \"a text\"} or {\"inputs\": [\"a text\", …]}")
    })?;
    let parameters = parse_parameters(parameters)?;
    let ask = Ask::new(&host, &pipeline, &inputs, "inputs")?.parameters(parameters)?;
    let predictions = ask.predict(&exchange).await?;
    let early = exchange.note.early().into_iter().find(|early| early.inputs == predictions.len());
    let pipeline = early.map_or(pipeline, |early| early.pipeline);
    let answer = Answer {
        model: pipeline.model(),
        version: pipeline.version(),
        request_id: exchange.id.as_str(),
        predictions: &predictions,
    };
    Ok(json(StatusCode::OK, &answer, 128 + predictions.len() * BYTES_PER_PREDICTION))
}

/// Refuses more inputs than the endpoint allows in one request.
pub(crate) fn check_count(host: &Host, count: usize, field: &str) -> Result<(), Problem> {
    let most = host.requests.max_inputs;
    if count <= most {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::TooLarge, format!("{count} inputs exceed the limit of {most} a request"))
        .field(field)
        .remedy("send them in several requests, or raise requests.maxInputs"))
}

/// Refuses an input longer than the endpoint allows.
pub(crate) fn check_length(host: &Host, text: &str, field: impl FnOnce() -> String) -> Result<(), Problem> {
    let Some(most) = host.requests.max_length else { return Ok(()) };
    if text.len() <= most {
        return Ok(());
    }
    let length = text.chars().count();
    if length <= most {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::TooLarge, format!("{length} characters exceed the limit of {most} an input"))
        .field(field())
        .remedy("shorten the text, or raise requests.maxLength"))
}

/// The problem of an input or parameter that the pipeline refuses.
pub(crate) fn input_problem(error: InputError) -> Problem {
    Problem::new(error.code(), format!("{} {}", error.field, error.reason))
        .field(error.field)
        .remedy(error.remedy)
}

fn parse_parameters(value: Option<Value>) -> Result<PredictParameters, Problem> {
    let object = match value {
        None => return Ok(PredictParameters::default()),
        Some(Value::Object(object)) => object,
        Some(other) => return Err(wrong_type("parameters", &other, "an object")),
    };
    let taken = Members::of(object).take("parameters", PARAMETERS)?;
    // An explicit null means the same as leaving the member out.
    let [top_k, explain, labels, template, exclusive, threshold, prompt] =
        taken.map(|value| value.filter(|value| !value.is_null()));
    Ok(PredictParameters {
        top_k: top_k.map(parse_top_k).transpose()?,
        explain: explain.map(|value| parse_flag("explain", &value)).transpose()?.unwrap_or_default(),
        labels: labels.map(|labels| parse_labels("parameters.labels", labels)).transpose()?,
        template: template.map(|value| parse_text("template", value)).transpose()?,
        exclusive: exclusive.map(|value| parse_flag("exclusive", &value)).transpose()?.unwrap_or_default(),
        threshold: threshold.map(|value| parse_threshold(&value)).transpose()?,
        prompt_name: prompt.map(|value| parse_text("prompt_name", value)).transpose()?,
    })
}

fn parse_top_k(value: Value) -> Result<usize, Problem> {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| wrong_value("parameters.top_k", &value, "a whole number from 1"))
}

fn parse_flag(name: &str, value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| wrong_type(&format!("parameters.{name}"), value, "a boolean"))
}

fn parse_text(name: &str, value: Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong_type(&format!("parameters.{name}"), &other, "a string")),
    }
}

/// Reads the candidate labels that a request calls `field`.
pub(crate) fn parse_labels(field: &str, value: Value) -> Result<Vec<String>, Problem> {
    let Value::Array(list) = value else {
        return Err(wrong_type(field, &value, "a list of strings"));
    };
    let mut labels = Vec::with_capacity(list.len());
    for (place, label) in list.into_iter().enumerate() {
        match label {
            Value::String(label) => labels.push(label),
            other => return Err(wrong_type(&format!("{field}[{place}]"), &other, "a string")),
        }
    }
    Ok(labels)
}

/// Reads a threshold; its range is the pipeline's to check.
pub(crate) fn parse_threshold(value: &Value) -> Result<f32, Problem> {
    match value.as_f64() {
        Some(number) => Ok(number as f32),
        None => Err(wrong_type("parameters.threshold", value, "a number between 0 and 1")),
    }
}

/// The problem of a number outside what is allowed, or of something that is no number.
fn wrong_value(field: &str, found: &Value, wanted: &str) -> Problem {
    if !found.is_number() {
        return wrong_type(field, found, wanted);
    }
    Problem::new(ErrorCode::Invalid, format!("{found} where {wanted} is expected"))
        .field(field)
        .remedy(format!("send {wanted}"))
}
