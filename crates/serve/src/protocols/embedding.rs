//! Vectors of texts: `/embed`, `/embed_all` and `/similarity` of text-embeddings-inference, and OpenAI's embeddings.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loquat_spec::{ErrorCode, Prediction, Task};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::body::{self, Members, wrong_type};
use crate::choose::{Chosen, choose};
use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::openai::{self, parse_model};
use crate::protocols::tei::{characters, check_truncation, flag, present, stamp};
use crate::render::json;

/// The task of these routes.
const TASKS: [Task; 1] = [Task::Embedding];
/// Bytes of a vector's value as JSON, about.
const BYTES_PER_VALUE: usize = 12;

/// The body of OpenAI's answer.
#[derive(Serialize)]
struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Item>,
    model: &'a str,
    usage: Value,
}

#[derive(Serialize)]
struct Item {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Bytes(String),
}

/// Answers `POST /embed`.
pub(crate) async fn embed(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &TASKS)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let (vectors, characters) = tei_vectors(&chosen, members, &exchange).await?;
    let mut response = json(StatusCode::OK, &vectors, capacity(&vectors));
    stamp(response.headers_mut(), &exchange, characters);
    Ok(response)
}

/// The vectors that a body of `/embed` asks for, one a text, and the characters of all texts.
pub(crate) async fn tei_vectors(
    chosen: &Chosen,
    members: Members,
    exchange: &Exchange,
) -> Result<(Vec<Vec<f32>>, usize), Problem> {
    let [inputs, normalize, truncate, direction, prompt, dimensions] = members
        .take("", ["inputs", "normalize", "truncate", "truncation_direction", "prompt_name", "dimensions"])?;
    check_truncation(truncate, direction)?;
    let shape = Shape {
        dimensions: parse_dimensions(dimensions)?,
        unit: flag("normalize", normalize, true)?,
        prompt: parse_prompt("prompt_name", prompt)?,
    };
    let texts = texts(inputs, "inputs")?;
    let vectors = vectors(chosen, (&texts, "inputs"), &shape, exchange).await?;
    Ok((vectors, characters(&texts)))
}

/// Answers `POST /embed_all`: the vector of every token of each text, special ones included, as the model makes them.
pub(crate) async fn embed_all(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &TASKS)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let [inputs, truncate, direction, prompt] =
        members.take("", ["inputs", "truncate", "truncation_direction", "prompt_name"])?;
    check_truncation(truncate, direction)?;
    let prompt = parse_prompt("prompt_name", prompt)?;
    let texts = texts(inputs, "inputs")?;
    let ask = Ask::new(&chosen.host, &chosen.pipeline, &texts, "inputs")?;
    let vectors = ask.prompt(prompt.as_deref(), "prompt_name")?.token_vectors(&exchange).await?;
    let capacity = vectors.iter().map(|of_text| capacity(of_text)).sum();
    let mut response = json(StatusCode::OK, &vectors, capacity);
    stamp(response.headers_mut(), &exchange, characters(&texts));
    Ok(response)
}

/// Answers `POST /similarity`: the cosine of one text with each of several.
pub(crate) async fn similarity(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &TASKS)?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let [inputs, parameters] = members.take("", ["inputs", "parameters"])?;
    let mut whole = Shape { dimensions: None, unit: true, prompt: None };
    if let Some(parameters) = present(parameters) {
        let Value::Object(object) = parameters else {
            return Err(wrong_type("parameters", &parameters, "an object"));
        };
        let [truncate, direction, prompt] =
            Members::of(object).take("parameters", ["truncate", "truncation_direction", "prompt_name"])?;
        check_truncation(truncate, direction)?;
        whole.prompt = parse_prompt("parameters.prompt_name", prompt)?;
    }
    let object = match inputs {
        Some(Value::Object(object)) => object,
        other => {
            let wanted = "an object with source_sentence and sentences";
            return Err(wrong_type("inputs", &other.unwrap_or(Value::Null), wanted));
        }
    };
    let [source, sentences] = Members::of(object).take("inputs", ["source_sentence", "sentences"])?;
    let source = match source {
        Some(Value::String(text)) => Value::String(text),
        other => {
            return Err(wrong_type("inputs.source_sentence", &other.unwrap_or(Value::Null), "a string"));
        }
    };
    let sentences = texts(sentences, "inputs.sentences")?;
    let first = vectors(&chosen, (&source, "inputs.source_sentence"), &whole, &exchange).await?;
    let others = vectors(&chosen, (&sentences, "inputs.sentences"), &whole, &exchange).await?;
    let first = first.into_iter().next().unwrap_or_default();
    let cosine =
        |other: Vec<f32>| -> f32 { other.iter().zip(&first).map(|(left, right)| left * right).sum() };
    let scores: Vec<f32> = others.into_iter().map(cosine).collect();
    let mut response = json(StatusCode::OK, &scores, 16 + scores.len() * BYTES_PER_VALUE);
    stamp(response.headers_mut(), &exchange, characters(&source) + characters(&sentences));
    Ok(response)
}

/// Answers `POST /v1/embeddings` and `POST /embeddings`.
pub(crate) async fn openai(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let headers = request.headers().clone();
    let members = body::members_within(request, &app, exchange.start + body::UNNAMED_TIME).await?;
    let [input, model, format, dimensions, _user] =
        members.take("", ["input", "model", "encoding_format", "dimensions", "user"])?;
    let model = model.map(parse_model).transpose()?.flatten();
    let chosen = openai::model(&app.table(), &headers, model.as_deref(), &TASKS)?;
    let shape = Shape { dimensions: parse_dimensions(dimensions)?, unit: true, prompt: None };
    let as_bytes = match present(format) {
        None => false,
        Some(Value::String(format)) if format == "float" => false,
        Some(Value::String(format)) if format == "base64" => true,
        Some(other) => return Err(wrong_type("encoding_format", &other, "\"float\" or \"base64\"")),
    };
    let texts = texts(input, "input")?;
    let vectors = vectors(&chosen, (&texts, "input"), &shape, &exchange).await?;
    let capacity = capacity(&vectors);
    let item = |(index, vector): (usize, Vec<f32>)| {
        let embedding = if as_bytes { Vector::Bytes(encoded(&vector)) } else { Vector::Floats(vector) };
        Item { object: "embedding", index, embedding }
    };
    let data = vectors.into_iter().enumerate().map(item).collect();
    let tokens = exchange.note.tokens();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    let body = Embeddings { object: "list", data, model: &chosen.host.name, usage };
    Ok(json(StatusCode::OK, &body, 128 + capacity))
}

/// In which form vectors are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// How many of their first values; all where it is none.
    pub(crate) dimensions: Option<usize>,
    /// Whether at length 1.
    pub(crate) unit: bool,
    /// The name of the prompt before each text; none: the model's default.
    pub(crate) prompt: Option<String>,
}

impl Shape {
    fn of(&self, mut vector: Vec<f32>) -> Vec<f32> {
        vector.truncate(self.dimensions.unwrap_or(usize::MAX));
        if self.unit { unit_length(vector) } else { vector }
    }
}

fn parse_dimensions(value: Option<Value>) -> Result<Option<usize>, Problem> {
    let Some(value) = present(value) else { return Ok(None) };
    let number = value.as_u64().filter(|number| *number > 0).and_then(|number| usize::try_from(number).ok());
    number.map(Some).ok_or_else(|| wrong_type("dimensions", &value, "a whole number from 1"))
}

/// Reads the name of a prompt, which the protocol calls `field`.
pub(crate) fn parse_prompt(field: &str, value: Option<Value>) -> Result<Option<String>, Problem> {
    match present(value) {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(other) => Err(wrong_type(field, &other, "the name of a prompt")),
    }
}

/// One text or a list of texts.
pub(crate) fn texts(inputs: Option<Value>, field: &str) -> Result<Value, Problem> {
    match inputs {
        Some(text @ Value::String(_)) => Ok(text),
        Some(Value::Array(list)) => match list.iter().position(|text| !text.is_string()) {
            None => Ok(Value::Array(list)),
            Some(place) => Err(wrong_type(&format!("{field}[{place}]"), &list[place], "a string")),
        },
        Some(other) => Err(wrong_type(field, &other, "a string or a list of strings")),
        None => {
            let name = field.rsplit('.').next().unwrap_or(field);
            Err(Problem::new(ErrorCode::Invalid, format!("member {name:?} is missing"))
                .field(field)
                .remedy("send a text or a list of texts"))
        }
    }
}

/// One vector a text, in the form asked for. `field` is where the texts stand.
pub(crate) async fn vectors(
    chosen: &Chosen,
    (texts, field): (&Value, &str),
    shape: &Shape,
    exchange: &Exchange,
) -> Result<Vec<Vec<f32>>, Problem> {
    let ask = Ask::new(&chosen.host, &chosen.pipeline, texts, field)?;
    let predictions = ask.prompt(shape.prompt.as_deref(), "prompt_name")?.predict(exchange).await?;
    let vector = |prediction| match prediction {
        Prediction::Embedding { embedding } => Some(embedding),
        // Texts alone have no other answer.
        _ => None,
    };
    let vectors: Vec<Vec<f32>> = predictions.into_iter().filter_map(vector).collect();
    let length = vectors.first().map_or(usize::MAX, Vec::len);
    if shape.dimensions.is_some_and(|dimensions| dimensions > length) {
        let detail = format!("the model's vectors have {length} dimensions");
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .field("dimensions")
            .remedy(format!("ask for at most {length}")));
    }
    Ok(vectors.into_iter().map(|vector| shape.of(vector)).collect())
}

/// The vector at length 1; one without a length stays as it is.
fn unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
    vector
}

/// The values as little-endian 32-bit numbers in base 64.
fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

fn capacity(vectors: &[Vec<f32>]) -> usize {
    64 + vectors.iter().map(|vector| 64 + vector.len() * BYTES_PER_VALUE).sum::<usize>()
}
