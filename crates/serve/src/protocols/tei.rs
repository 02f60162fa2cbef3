//! The routes of text-embeddings-inference: `/predict`, `/info` and their kin. Those whose task no loaded model has say
//! so.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use loquat_infer::Pipeline;
use loquat_spec::{ErrorCode, LabelScore, Precision, Prediction, Task};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::ask::{Ask, ranked};
use crate::body::{self, Members, wrong_type};
use crate::choose::{CLASSIFICATION, Chosen, choose, existing};
use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::embedding;
use crate::protocols::rerank::is_reranker;
use crate::render::{Predictions, json};

/// Members of the body of `/predict`. The last two come with clients of the hub.
const PREDICT: [&str; 6] =
    ["inputs", "raw_scores", "truncate", "truncation_direction", "parameters", "options"];
/// What the tasks of `POST /` are, in the order in which one is looked for.
pub(crate) const ROOT: [Task; 5] = [
    Task::Embedding,
    Task::TextClassification,
    Task::TextPairClassification,
    Task::MultiLabelClassification,
    Task::LanguageIdentification,
];

/// The labels of a text, best first, or those of every text of a batch; or one vector a text.
enum Scores {
    One(Vec<LabelScore>),
    Batch(Vec<Vec<LabelScore>>),
    Vectors(Vec<Vec<f32>>),
}

impl Scores {
    fn of(predictions: Vec<Prediction>, batch: bool) -> Self {
        let mut lists = predictions.into_iter().map(ranked);
        if batch { Self::Batch(lists.collect()) } else { Self::One(lists.next().unwrap_or_default()) }
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(list) => list.serialize(serializer),
            Self::Batch(lists) => lists.serialize(serializer),
            Self::Vectors(vectors) => vectors.serialize(serializer),
        }
    }
}

/// Answers `GET /`: clients of text-embeddings-inference read the status alone, those of KServe v1 the word.
pub(crate) async fn root() -> Response<Body> {
    json(StatusCode::OK, &json!({ "status": "alive" }), 32)
}

/// Answers `POST /predict`, and `POST /` of a classifier.
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &CLASSIFICATION)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    answer(&chosen, members, &exchange).await
}

/// Answers a body of `/predict`.
pub(crate) async fn answer(
    chosen: &Chosen,
    members: Members,
    exchange: &Exchange,
) -> Result<Response<Body>, Problem> {
    let (scores, characters) = scores(chosen, members, exchange).await?;
    let mut response = json(StatusCode::OK, &scores, 256);
    stamp(response.headers_mut(), exchange, characters);
    Ok(response)
}

/// What a body asks for of the model chosen, and the characters of its texts.
async fn scores(chosen: &Chosen, members: Members, exchange: &Exchange) -> Result<(Scores, usize), Problem> {
    if chosen.pipeline.task() == Task::Embedding {
        let (vectors, characters) = embedding::tei_vectors(chosen, members, exchange).await?;
        return Ok((Scores::Vectors(vectors), characters));
    }
    let (sequences, batch) = parse(members, chosen.pipeline.task())?;
    let ask = Ask::new(&chosen.host, &chosen.pipeline, &sequences, "inputs")?.every_label();
    Ok((Scores::of(ask.predict(exchange).await?, batch), characters(&sequences)))
}

/// The texts, and whether they came as a batch.
fn parse(members: Members, task: Task) -> Result<(Value, bool), Problem> {
    let [inputs, raw_scores, truncate, direction, parameters, options] = members.take("", PREDICT)?;
    check_raw_scores(flag("raw_scores", raw_scores, false)?)?;
    check_truncation(truncate, direction)?;
    check_hub_parameters(present(parameters))?;
    match present(options) {
        None | Some(Value::Object(_)) => {}
        Some(other) => return Err(wrong_type("options", &other, "an object")),
    }
    let Some(inputs) = inputs else {
        return Err(Problem::new(ErrorCode::Invalid, "member \"inputs\" is missing")
            .field("inputs")
            .remedy("send {\"inputs\": \"a text\"}"));
    };
    sequences(inputs, task)
}

/// Long texts are always cut at their end, so that what is asked for has only to be well formed.
pub(crate) fn check_truncation(truncate: Option<Value>, direction: Option<Value>) -> Result<(), Problem> {
    if let Some(truncate) = present(truncate)
        && !truncate.is_boolean()
    {
        return Err(wrong_type("truncate", &truncate, "a boolean"));
    }
    match present(direction) {
        Some(Value::String(side)) if matches!(side.as_str(), "Left" | "Right" | "left" | "right") => Ok(()),
        None => Ok(()),
        Some(other) => Err(wrong_type("truncation_direction", &other, "\"Left\" or \"Right\"")),
    }
}

/// `parameters` as clients of the hub send them: what changes nothing may stand there.
fn check_hub_parameters(parameters: Option<Value>) -> Result<(), Problem> {
    let object = match parameters {
        None => return Ok(()),
        Some(Value::Object(object)) => object,
        Some(other) => return Err(wrong_type("parameters", &other, "an object")),
    };
    let [function, top_k] = Members::of(object).take("parameters", ["function_to_apply", "top_k"])?;
    if let Some(function) = present(function) {
        return Err(wrong_type("parameters.function_to_apply", &function, "nothing: scores are calibrated"));
    }
    match present(top_k) {
        None => Ok(()),
        // Every label is answered, best first; a client that wants fewer cuts the list.
        Some(top_k) if top_k.as_u64().is_some_and(|top_k| top_k > 0) => Ok(()),
        Some(other) => Err(wrong_type("parameters.top_k", &other, "a whole number from 1")),
    }
}

/// A member that is there and not null.
pub(crate) fn present(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}

/// A boolean, or what it is where it is left out.
pub(crate) fn flag(name: &str, value: Option<Value>, usual: bool) -> Result<bool, Problem> {
    match present(value) {
        None => Ok(usual),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => Err(wrong_type(name, &other, "a boolean")),
    }
}

/// Refuses scores before their calibration.
pub(crate) fn check_raw_scores(raw: bool) -> Result<(), Problem> {
    if !raw {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Invalid, "there are no raw scores: they are calibrated probabilities")
        .field("raw_scores")
        .remedy("leave it out"))
}

/// A string, one list of one or two strings (a text, a pair), or a list of such lists (a batch).
fn sequences(inputs: Value, task: Task) -> Result<(Value, bool), Problem> {
    let Value::Array(list) = inputs else {
        let single = inputs.is_string().then(|| (inputs.clone(), false));
        return single.ok_or_else(|| wrong_type("inputs", &inputs, "a string or a list"));
    };
    if list.is_empty() {
        return Err(Problem::empty("inputs is an empty list")
            .field("inputs")
            .remedy("send at least one text"));
    }
    if !list.iter().any(Value::is_array) {
        return Ok((sequence(list, "inputs", task)?, false));
    }
    let mut batch = Vec::with_capacity(list.len());
    for (place, value) in list.into_iter().enumerate() {
        let field = format!("inputs[{place}]");
        batch.push(match value {
            Value::Array(list) => sequence(list, &field, task)?,
            other => return Err(wrong_type(&field, &other, "a list of one or two strings")),
        });
    }
    Ok((Value::Array(batch), true))
}

/// One text, or a pair for a model that takes pairs.
pub(crate) fn sequence(list: Vec<Value>, field: &str, task: Task) -> Result<Value, Problem> {
    for (place, value) in list.iter().enumerate() {
        if !value.is_string() {
            return Err(wrong_type(&format!("{field}[{place}]"), value, "a string"));
        }
    }
    let count = list.len();
    let takes_pairs = task == Task::TextPairClassification;
    let mut texts = list.into_iter();
    match (texts.next(), texts.next(), texts.next()) {
        (Some(text), None, _) if !takes_pairs => Ok(text),
        (Some(premise), Some(hypothesis), None) if takes_pairs => {
            Ok(json!({ "premise": premise, "hypothesis": hypothesis }))
        }
        _ => {
            let wanted = if takes_pairs { "a pair of texts" } else { "one text" };
            let detail = format!("a list of {count} strings where the model takes {wanted}");
            Err(Problem::new(ErrorCode::Invalid, detail)
                .field(field)
                .remedy("a flat list is one text or one pair; send a batch as [[\"a\"], [\"b\"]]"))
        }
    }
}

/// Characters of all texts.
pub(crate) fn characters(sequences: &Value) -> usize {
    match sequences {
        Value::String(text) => text.chars().count(),
        Value::Array(list) => list.iter().map(characters).sum(),
        Value::Object(object) => object.values().map(characters).sum(),
        _ => 0,
    }
}

/// The headers that say what was computed and where the time went, in milliseconds.
pub(crate) fn stamp(headers: &mut HeaderMap, exchange: &Exchange, characters: usize) {
    let times = exchange.note.times();
    let total = exchange.start.elapsed().as_millis();
    let numbers = [
        ("x-compute-time", total),
        ("x-total-time", total),
        ("x-compute-characters", characters as u128),
        ("x-compute-tokens", u128::from(exchange.note.tokens())),
        ("x-tokenization-time", times.tokenise.as_millis()),
        ("x-queue-time", times.queue.as_millis()),
        ("x-inference-time", times.inference.as_millis()),
    ];
    headers.insert(HeaderName::from_static("x-compute-type"), HeaderValue::from_static("cpu"));
    for (name, number) in numbers {
        // A number is a valid header.
        if let Ok(value) = HeaderValue::from_str(&number.to_string()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Answers `POST /`: by the Endpoint marked default, embedding before classification.
pub(crate) async fn by_task(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &ROOT)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    answer(&chosen, members, &exchange).await
}

/// Answers `POST /vertex`: `{"instances": [a body of /predict, …]}`.
pub(crate) async fn vertex(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &ROOT)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let [instances, parameters] = members.take("", ["instances", "parameters"])?;
    if let Some(parameters) = present(parameters) {
        return Err(wrong_type("parameters", &parameters, "nothing"));
    }
    let instances = match instances {
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) => return Err(Problem::empty("instances is an empty list").field("instances")),
        other => return Err(wrong_type("instances", &other.unwrap_or(Value::Null), "a list of bodies")),
    };
    crate::predict::check_count(&chosen.host, instances.len(), "instances")?;
    let mut predictions = Vec::with_capacity(instances.len());
    for (place, instance) in instances.into_iter().enumerate() {
        let Value::Object(object) = instance else {
            return Err(wrong_type(&format!("instances[{place}]"), &instance, "an object"));
        };
        predictions.push(scores(&chosen, Members::of(object), &exchange).await?.0);
    }
    Ok(json(StatusCode::OK, &Predictions { predictions }, 256))
}

/// Answers `POST /embed_sparse`.
pub(crate) async fn sparse(State(app): State<Arc<App>>) -> Problem {
    Problem::no_model("no loaded model makes a sparse embedding").remedy(existing(&app.table()))
}

/// How a model keeps its weights; linear ones do so in eight bits.
pub(crate) fn dtype(pipeline: &Pipeline) -> &'static str {
    match pipeline.manifest().precision {
        Some(Precision::F32) => "float32",
        Some(Precision::Int8) | None => "int8",
    }
}

/// Answers `GET /info`.
pub(crate) async fn info(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    let Chosen { host, pipeline } = choose(&app.table(), &headers, &ROOT)?;
    let labels = pipeline.labels();
    let id2label: Map<String, Value> =
        labels.iter().enumerate().map(|(id, label)| (id.to_string(), json!(label))).collect();
    let label2id: Map<String, Value> =
        labels.iter().enumerate().map(|(id, label)| (label.clone(), json!(id))).collect();
    let model_type = match pipeline.task() {
        Task::Embedding => json!({ "embedding": {} }),
        _ if is_reranker(&host) => json!({ "reranker": { "id2label": id2label, "label2id": label2id } }),
        _ => json!({ "classifier": { "id2label": id2label, "label2id": label2id } }),
    };
    let body = json!({
        "model_id": pipeline.model(),
        "model_sha": pipeline.digest(),
        "model_dtype": dtype(&pipeline),
        "served_model_name": host.name,
        "model_type": model_type,
        "max_concurrent_requests": host.requests.max_queue,
        "max_input_length": host.requests.max_length.unwrap_or(app.max_body),
        "max_batch_tokens": app.max_body,
        "max_batch_requests": host.requests.max_inputs,
        "max_client_batch_size": host.requests.max_inputs,
        "auto_truncate": false,
        "tokenization_workers": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "sha": null,
        "docker_label": null
    });
    Ok(json(StatusCode::OK, &body, 1024))
}
