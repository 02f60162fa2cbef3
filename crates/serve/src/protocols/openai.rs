//! OpenAI: chat completions that answer with the label of the last message.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use loquat_spec::{ErrorCode, Task};
use serde_json::{Value, json};

use crate::ask::{Ask, in_words};
use crate::body::{self, Members, wrong_type};
use crate::choose::{CLASSIFICATION, Chosen, choose, named};
use crate::exchange::Exchange;
use crate::host::{App, Table};
use crate::problem::Problem;
use crate::protocols::tei::flag;
use crate::render::{bytes_response, json};

/// Members that steer how a text is generated, or that name its user: a label is the same with any of them.
const WITHOUT_EFFECT: [&str; 20] = [
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "metadata",
    "store",
    "service_tier",
    "response_format",
    "logit_bias",
    "reasoning_effort",
    "verbosity",
    "prediction",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
];

/// Answers `POST /v1/chat/completions`.
pub(crate) async fn chat(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let headers = request.headers().clone();
    let members = body::members_within(request, &app, exchange.start + body::UNNAMED_TIME).await?;
    let asked = Chat::parse(members)?;
    let table = app.table();
    let Chosen { host, pipeline } = model(&table, &headers, asked.model.as_deref(), &CLASSIFICATION)?;
    let text = Value::String(asked.text);
    let predictions = Ask::new(&host, &pipeline, &text, &asked.field)?.predict(&exchange).await?;
    let content = predictions.first().map(in_words).unwrap_or_default();
    let (prompt, completion) = (words(&text), content.split_whitespace().count());
    let usage = json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
    let about = json!({
        "id": format!("chatcmpl-{}", exchange.id.as_str()),
        "created": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs()),
        "model": host.name,
        "system_fingerprint": format!("{}:{}", pipeline.model(), pipeline.version()),
    });
    if asked.stream {
        return Ok(streamed(about, &content, asked.usage.then_some(usage)));
    }
    let mut body = about;
    body["object"] = "chat.completion".into();
    body["choices"] = json!([{
        "index": 0,
        "message": { "role": "assistant", "content": content, "refusal": null },
        "logprobs": null,
        "finish_reason": "stop"
    }]);
    body["usage"] = usage;
    Ok(json(StatusCode::OK, &body, 512))
}

/// The answer as server-sent events: the whole content in one piece, for it is there at once.
fn streamed(mut about: Value, content: &str, usage: Option<Value>) -> Response<Body> {
    about["object"] = "chat.completion.chunk".into();
    let choice =
        |delta: Value, reason: Value| json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
    let mut chunks = vec![
        (choice(json!({ "role": "assistant", "content": "" }), Value::Null), Value::Null),
        (choice(json!({ "content": content }), Value::Null), Value::Null),
        (choice(json!({}), "stop".into()), Value::Null),
    ];
    chunks.extend(usage.map(|usage| (json!([]), usage)));
    let mut events = String::with_capacity(1024);
    for (choices, usage) in chunks {
        about["choices"] = choices;
        about["usage"] = usage;
        events.push_str(&format!("data: {about}\n\n"));
    }
    events.push_str("data: [DONE]\n\n");
    bytes_response(StatusCode::OK, events.into_bytes(), "text/event-stream")
}

/// The endpoint that member `model` names, else the default.
pub(crate) fn model(
    table: &Table,
    headers: &HeaderMap,
    name: Option<&str>,
    tasks: &[Task],
) -> Result<Chosen, Problem> {
    match name {
        Some(name) => named(table, name, tasks).map_err(|problem| problem.field("model")),
        None => choose(table, headers, tasks),
    }
}

/// What a chat request asks.
struct Chat {
    model: Option<String>,
    /// The last message of the user.
    text: String,
    /// Where it stands.
    field: String,
    /// Whether the answer is to come as events.
    stream: bool,
    /// Whether the last event is to hold the usage.
    usage: bool,
}

impl Chat {
    fn parse(members: Members) -> Result<Self, Problem> {
        let (mut model, mut messages) = (None, None);
        let (mut stream, mut usage) = (false, false);
        for (name, value) in members.0 {
            match name.as_str() {
                "model" => model = parse_model(value)?,
                "messages" => messages = Some(value),
                "n" => only(&name, &value, &json!(1))?,
                "stream" => stream = flag("stream", Some(value), false)?,
                "stream_options" => usage = include_usage(value)?,
                "logprobs" => only(&name, &value, &json!(false))?,
                "tools" | "functions" => only(&name, &value, &json!([]))?,
                "tool_choice" | "top_logprobs" => only(&name, &value, &Value::Null)?,
                known if WITHOUT_EFFECT.contains(&known) => {}
                _ => {
                    return Err(body::unknown(
                        "",
                        &name,
                        &["model", "messages", "temperature", "max_tokens"],
                    ));
                }
            }
        }
        let messages = match messages {
            Some(Value::Array(messages)) => messages,
            Some(other) => return Err(wrong_type("messages", &other, "a list of messages")),
            None => return Err(missing("messages", "send [{\"role\": \"user\", \"content\": \"a text\"}]")),
        };
        let (text, field) = last_of_the_user(messages)?;
        Ok(Self { model, text, field, stream, usage })
    }
}

/// The name of an endpoint.
pub(crate) fn parse_model(value: Value) -> Result<Option<String>, Problem> {
    match value {
        Value::String(name) => Ok(Some(name)),
        Value::Null => Ok(None),
        other => Err(wrong_type("model", &other, "a string")),
    }
}

/// Whether `stream_options` ask for the usage.
fn include_usage(value: Value) -> Result<bool, Problem> {
    let object = match value {
        Value::Null => return Ok(false),
        Value::Object(object) => object,
        other => return Err(wrong_type("stream_options", &other, "an object")),
    };
    let known = ["include_usage", "include_obfuscation"];
    let [usage, _obfuscation] = Members::of(object).take("stream_options", known)?;
    flag("stream_options.include_usage", usage, false)
}

/// Refuses every value but null and `allowed`.
fn only(field: &str, value: &Value, allowed: &Value) -> Result<(), Problem> {
    if value.is_null() || value == allowed {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Invalid, format!("{field} is not supported: the answer is one label"))
        .field(field)
        .remedy("leave it out"))
}

fn missing(field: &str, remedy: &str) -> Problem {
    let name = field.rsplit('.').next().unwrap_or(field);
    Problem::new(ErrorCode::Invalid, format!("member {name:?} is missing")).field(field).remedy(remedy)
}

/// The text to label: system prompts and earlier turns do not change it.
fn last_of_the_user(messages: Vec<Value>) -> Result<(String, String), Problem> {
    let mut last = None;
    for (place, message) in messages.into_iter().enumerate() {
        let path = format!("messages[{place}]");
        let Value::Object(mut message) = message else {
            return Err(wrong_type(&path, &message, "an object with role and content"));
        };
        match message.get("role") {
            Some(Value::String(role)) if role == "user" => last = Some((message.remove("content"), path)),
            Some(Value::String(_)) => {}
            Some(other) => return Err(wrong_type(&format!("{path}.role"), other, "a string")),
            None => return Err(missing(&format!("{path}.role"), "send role user, system or assistant")),
        }
    }
    let Some((content, path)) = last else {
        return Err(Problem::empty("no message has the role user")
            .field("messages")
            .remedy("send the text as a message of role user"));
    };
    let field = format!("{path}.content");
    match content {
        Some(Value::String(text)) => Ok((text, field)),
        Some(Value::Array(parts)) => Ok((joined(parts, &field)?, field)),
        Some(other) => Err(wrong_type(&field, &other, "a string or a list of text parts")),
        None => Err(missing(&field, "send the text")),
    }
}

/// The text of a message in parts.
fn joined(parts: Vec<Value>, field: &str) -> Result<String, Problem> {
    let mut text = String::new();
    for (place, part) in parts.iter().enumerate() {
        match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(piece)) => text.push_str(piece),
            _ => return Err(wrong_type(&format!("{field}[{place}]"), part, "a part of type text")),
        }
    }
    Ok(text)
}

/// Words stand for tokens: a linear model has no tokenizer.
fn words(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.split_whitespace().count())
}
