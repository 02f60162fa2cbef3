//! Open Inference Protocol v2 over REST, with the binary tensor extension and the classification extension of its
//! best-known server.
//!
//! A text model has one input, `text`, of datatype BYTES. A single-label model answers `label` (BYTES) and `score` (FP32), and on
//! request `scores` (FP32, one column a label in the order of the model). A multi-label model answers `labels` (BYTES,
//! a JSON list a text) and `scores`, zero-shot classification `labels` and `score` (of the best), a model of tokens
//! `entities` (BYTES, a JSON list a text), an embedding model `embedding` (FP32, one column a dimension).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use loquat_infer::Pipeline;
use loquat_spec::PredictParameters;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::Ask;
use crate::body;
use crate::exchange::Exchange;
use crate::host::{App, Host, Phase, unknown_version};
use crate::problem::Problem;
use crate::protocols::tensor_input::{self, InferRequest, OutputKind, Reply};
use crate::protocols::tensor_output::{Rendered, Row};
use crate::render::{Captured, captured, json};

/// Where the JSON of a body with binary tensors ends.
pub(crate) const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// What the metadata calls the form of the artifact.
pub(crate) const PLATFORM: &str = "loquat_safetensors";
/// Extensions of the protocol that this server answers.
pub(crate) const EXTENSIONS: [&str; 5] =
    ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"];

/// The model, and perhaps the version, that a path names.
#[derive(Deserialize)]
pub(crate) struct ModelPath {
    /// The endpoint.
    pub(crate) model: String,
    /// A version of its model.
    #[serde(default)]
    pub(crate) version: Option<String>,
}

/// A tensor in the metadata; −1 stands for any length.
#[derive(Serialize)]
pub(crate) struct TensorMetadata {
    /// Its name.
    pub(crate) name: &'static str,
    /// Type of its elements.
    pub(crate) datatype: &'static str,
    /// Its shape.
    pub(crate) shape: Vec<i64>,
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
    json(StatusCode::OK, &body, 160)
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
) -> Result<Response<Body>, Problem> {
    let (host, version) = place(&app, captured(path)?)?;
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

/// The output tensors of a model.
pub(crate) fn outputs(pipeline: &Pipeline) -> Vec<TensorMetadata> {
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
) -> Result<Response<Body>, Problem> {
    let (host, version) = place(&app, captured(path)?)?;
    if let Some(version) = version
        && !host.versions.contains(&version)
    {
        return Err(unknown_version(&host, &version.to_string()));
    }
    let ready = app.phase() != Phase::Draining && app.version(&host, version).await.is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(json(status, &serde_json::json!({ "name": host.name, "ready": ready }), 64))
}

/// The endpoint and the version that a path names.
pub(crate) fn place(app: &App, path: ModelPath) -> Result<(Arc<Host>, Option<u32>), Problem> {
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
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let (host, version) = place(&app, captured(path)?)?;
    let json_length = json_length(request.headers())?;
    if json_length.is_none() {
        body::check_headers(request.headers())?;
    }
    let pipeline = app.version(&host, version).await?;
    let bytes = body::read(request, app.max_body, exchange.start + host.requests.timeout).await?;
    let (head, tail) = split(&bytes, json_length)?;
    let request = InferRequest::parse(body::parse(head)?, tail, pipeline.task())?;
    let (reply, rows) = compute(&host, &pipeline, request, &exchange).await?;
    let reply = reply.render(&host.name, pipeline.version(), pipeline.labels(), &rows)?;
    Ok(respond(reply))
}

/// What is predicted for a request, and in which form it goes out.
pub(crate) async fn compute(
    host: &Arc<Host>,
    pipeline: &Arc<Pipeline>,
    request: InferRequest,
    exchange: &Exchange,
) -> Result<(Reply, Vec<Row>), Problem> {
    let (wants_scores, threshold) = (request.wants_scores(), request.threshold);
    let (timeout, priority) = (request.timeout, request.priority);
    let (texts, reply) = request.into_parts();
    let inputs = Value::Array(texts.into_iter().map(Value::String).collect());
    let parameters = PredictParameters { threshold, ..PredictParameters::default() };
    let mut ask = Ask::new(host, pipeline, &inputs, "inputs[0].data")?.parameters(parameters)?;
    if wants_scores {
        ask = ask.every_label();
    }
    let predictions = ask.timeout(timeout).priority(priority).predict(exchange).await?;
    let row = |prediction| Row::new(prediction, pipeline, threshold);
    Ok((reply, predictions.into_iter().map(row).collect()))
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
