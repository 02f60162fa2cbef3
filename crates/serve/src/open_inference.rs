//! Open Inference Protocol v2 over REST, with the binary tensor extension and the classification extension of its
//! best-known server.
//!
//! A text model has one input, `text`, of datatype BYTES. A single-label model answers `label` (BYTES) and `score` (FP32), and on
//! request `scores` (FP32, one column a label in the order of the model). A multi-label model answers `labels` (BYTES,
//! a JSON list a text) and `scores`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use loquat_infer::{InferError, Input, Pipeline};
use loquat_spec::{PredictParameters, Prediction};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body;
use crate::exchange::Exchange;
use crate::gate;
use crate::host::{App, Host, Phase, unknown_version};
use crate::predict::{check_count, check_length, effort, input_problem};
use crate::problem::{Form, Problem};
use crate::render::{Captured, captured, json};
use crate::tensor_input::{self, InferRequest, OutputKind};
use crate::tensor_output::{Rendered, Row};

/// Where the JSON of a body with binary tensors ends.
pub(crate) const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// What the metadata calls the form of the artifact.
const PLATFORM: &str = "loquat_safetensors";
/// Extensions of the protocol that this server answers.
const EXTENSIONS: [&str; 2] = ["binary_tensor_data", "classification"];

/// The model, and perhaps the version, that a path names.
#[derive(Deserialize)]
pub(crate) struct ModelPath {
    model: String,
    #[serde(default)]
    version: Option<String>,
}

/// A tensor in the metadata; −1 stands for any length.
#[derive(Serialize)]
struct TensorMetadata {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<i64>,
}

/// The body of the model metadata.
#[derive(Serialize)]
struct ModelMetadata<'a> {
    name: &'a str,
    versions: Vec<String>,
    platform: &'static str,
    inputs: [TensorMetadata; 1],
    outputs: Vec<TensorMetadata>,
}

/// Answers `GET /v2`.
pub(crate) async fn server() -> Response<Body> {
    let body = serde_json::json!({ "name": "loquat", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS });
    json(StatusCode::OK, &body, 96)
}

/// Answers `GET /v2/health/live`.
pub(crate) async fn live(State(app): State<Arc<App>>) -> Response<Body> {
    json(StatusCode::OK, &serde_json::json!({ "live": true, "ready": app.is_ready() }), 32)
}

/// Answers `GET /v2/health/ready`. The specification's text calls the member `live`, its users read `ready`.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response<Body> {
    let ready = app.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &serde_json::json!({ "live": ready, "ready": ready }), 32)
}

/// Answers `GET /v2/models/{model}[/versions/{version}]`.
pub(crate) async fn model(
    State(app): State<Arc<App>>,
    path: Captured<ModelPath>,
    request: Request<Body>,
) -> Response<Body> {
    let exchange = Exchange::of(&request);
    match metadata(&app, path).await {
        Ok(response) => response,
        Err(problem) => problem.response(Form::OpenInference, exchange.id.as_str()),
    }
}

async fn metadata(app: &Arc<App>, path: Captured<ModelPath>) -> Result<Response<Body>, Problem> {
    let (host, version) = place(app, path)?;
    let pipeline = app.version(&host, version).await?;
    let metadata = ModelMetadata {
        name: &host.name,
        versions: host.versions.iter().map(u32::to_string).collect(),
        platform: PLATFORM,
        inputs: [TensorMetadata { name: tensor_input::INPUT, datatype: "BYTES", shape: vec![-1] }],
        outputs: outputs(&pipeline),
    };
    Ok(json(StatusCode::OK, &metadata, 512))
}

fn outputs(pipeline: &Pipeline) -> Vec<TensorMetadata> {
    let labels = pipeline.labels().len() as i64;
    let tensor = |kind: &OutputKind| {
        let (datatype, shape) = match kind {
            OutputKind::Label | OutputKind::Labels | OutputKind::Entities => ("BYTES", vec![-1]),
            OutputKind::Score => ("FP32", vec![-1]),
            OutputKind::Scores => ("FP32", vec![-1, labels]),
            OutputKind::Embedding => ("FP32", vec![-1, -1]),
        };
        TensorMetadata { name: kind.name(), datatype, shape }
    };
    OutputKind::of(pipeline.task()).iter().map(tensor).collect()
}

/// Answers `GET /v2/models/{model}[/versions/{version}]/ready`.
pub(crate) async fn model_ready(
    State(app): State<Arc<App>>,
    path: Captured<ModelPath>,
    request: Request<Body>,
) -> Response<Body> {
    let exchange = Exchange::of(&request);
    let (host, version) = match place(&app, path) {
        Ok(place) => place,
        Err(problem) => return problem.response(Form::OpenInference, exchange.id.as_str()),
    };
    if let Some(version) = version
        && !host.versions.contains(&version)
    {
        return unknown_version(&host, &version.to_string())
            .response(Form::OpenInference, exchange.id.as_str());
    }
    let ready = app.phase() != Phase::Draining && app.version(&host, version).await.is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &serde_json::json!({ "name": host.name, "ready": ready }), 64)
}

/// The endpoint and the version that a path names.
fn place(app: &App, path: Captured<ModelPath>) -> Result<(Arc<Host>, Option<u32>), Problem> {
    let path = captured(path)?;
    let host = Arc::clone(app.table().host(&path.model)?);
    let Some(found) = path.version else { return Ok((host, None)) };
    match found.parse() {
        Ok(version) => Ok((host, Some(version))),
        Err(_) => Err(unknown_version(&host, &found)),
    }
}

/// Answers `POST /v2/models/{model}[/versions/{version}]/infer`.
pub(crate) async fn infer(
    State(app): State<Arc<App>>,
    path: Captured<ModelPath>,
    request: Request<Body>,
) -> Response<Body> {
    let exchange = Exchange::of(&request);
    match answer(&app, path, request, &exchange).await {
        Ok(response) => response,
        Err(problem) => problem.response(Form::OpenInference, exchange.id.as_str()),
    }
}

async fn answer(
    app: &Arc<App>,
    path: Captured<ModelPath>,
    request: Request<Body>,
    exchange: &Exchange,
) -> Result<Response<Body>, Problem> {
    let (host, version) = place(app, path)?;
    let json_length = json_length(request.headers())?;
    if json_length.is_none() {
        body::check_headers(request.headers())?;
    }
    let pipeline = app.version(&host, version).await?;
    let bytes = body::read(request, app.max_body, exchange.start + host.requests.timeout).await?;
    let (head, tail) = split(&bytes, json_length)?;
    let request = InferRequest::parse(body::parse(head)?, tail, pipeline.task())?;
    let parameters = parameters(&pipeline, &request)?;
    check_count(&host, request.texts.len(), "inputs[0].data")?;
    for (place, text) in request.texts.iter().enumerate() {
        check_length(&host, text, || format!("inputs[0].data[{place}]"))?;
    }
    let wants_scores = request.wants_scores();
    let timeout = request.timeout;
    let (texts, reply) = request.into_parts();
    let inputs = parse_texts(&pipeline, texts)?;
    let effort = effort(&pipeline, inputs.len(), &parameters);
    let worker = Arc::clone(&pipeline);
    let work =
        move |inputs: &[Input], threads: usize| rows(&worker, inputs, &parameters, (threads, wants_scores));
    let rows = gate::run(&host, (inputs, effort), exchange.start, timeout, work).await?;
    let reply = reply.render(&host.name, pipeline.version(), pipeline.labels(), &rows)?;
    Ok(respond(reply))
}

fn parameters(pipeline: &Pipeline, request: &InferRequest) -> Result<PredictParameters, Problem> {
    let parameters = PredictParameters { threshold: request.threshold, ..PredictParameters::default() };
    pipeline.check_parameters(&parameters).map_err(input_problem)?;
    Ok(parameters)
}

/// The pipeline's own check of every text, its places translated into the tensor's.
fn parse_texts(pipeline: &Pipeline, texts: Vec<String>) -> Result<Vec<Input>, Problem> {
    let list = Value::Array(texts.into_iter().map(Value::String).collect());
    pipeline.parse_inputs(&list).map_err(|mut error| {
        error.field = error.field.replacen("inputs", "inputs[0].data", 1);
        input_problem(error)
    })
}

fn rows(
    pipeline: &Pipeline,
    inputs: &[Input],
    parameters: &PredictParameters,
    (threads, wants_scores): (usize, bool),
) -> Result<Vec<Row>, InferError> {
    let predictions = pipeline.predict(inputs, parameters, threads)?;
    let mut scores = if wants_scores {
        let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).collect();
        pipeline.probabilities(&texts, threads)?
    } else {
        Vec::new()
    }
    .into_iter();
    let row = |prediction| {
        let scores = scores.next().unwrap_or_default();
        match prediction {
            Prediction::Label { label, score, .. } => Row { label, score, scores },
            Prediction::Entities { entities } => {
                Row { label: serde_json::to_string(&entities).unwrap_or_default(), score: 0.0, scores }
            }
            Prediction::Embedding { embedding } => {
                Row { label: String::new(), score: 0.0, scores: embedding }
            }
            Prediction::Similarity { score } => Row { label: String::new(), score, scores },
            Prediction::Labels { labels } => {
                let names: Vec<&str> = labels.iter().map(|scored| scored.label.as_str()).collect();
                let label = serde_json::to_string(&names).unwrap_or_default();
                Row { label, score: labels.first().map_or(0.0, |scored| scored.score), scores }
            }
        }
    };
    Ok(predictions.into_iter().map(row).collect())
}

fn json_length(headers: &HeaderMap) -> Result<Option<usize>, Problem> {
    let Some(value) = headers.get(JSON_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| {
        Problem::malformed("the header is not a number of bytes")
            .field(JSON_LENGTH.as_str())
            .remedy("send the length of the JSON part of the body")
    })
}

/// The JSON of a body and the binary tensors after it.
fn split(bytes: &[u8], json_length: Option<usize>) -> Result<(&[u8], &[u8]), Problem> {
    let Some(length) = json_length else { return Ok((bytes, &[])) };
    bytes.split_at_checked(length).ok_or_else(|| {
        Problem::malformed(format!("the body of {} bytes is shorter than its JSON of {length}", bytes.len()))
            .field(JSON_LENGTH.as_str())
            .remedy("send the length of the JSON part of the body")
    })
}

fn respond(rendered: Rendered) -> Response<Body> {
    let mut response = Response::new(Body::from(rendered.bytes));
    let media = if rendered.json_length.is_some() { "application/octet-stream" } else { "application/json" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    if let Some(length) = rendered.json_length {
        response.headers_mut().insert(JSON_LENGTH, HeaderValue::from(length));
    }
    response
}
