//! LibreTranslate: language detection; translation says that no model has the task.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use loquat_spec::{ErrorCode, Prediction, Task};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::body::{self, Members, wrong_type};
use crate::choose::{Chosen, absent, choose};
use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::{NO_MODEL, Problem};
use crate::render::json;

/// Answers `POST /detect`: by the default Endpoint for language identification, else by the built-in detector.
pub(crate) async fn detect(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = match choose(&app.table(), request.headers(), &[Task::LanguageIdentification]) {
        Ok(chosen) => Some(chosen),
        Err(problem) if problem.parts().kind == NO_MODEL && problem.parts().field.is_none() => None,
        Err(problem) => return Err(problem),
    };
    let time = chosen.as_ref().map_or(body::UNNAMED_TIME, |chosen| chosen.host.requests.timeout);
    let form = is_form(request.headers());
    let bytes = read(request, &app, exchange.start + time, form).await?;
    let [q, _api_key] = members(&bytes, form)?.take("", ["q", "api_key"])?;
    let text = match q {
        Some(Value::String(text)) if !text.trim().is_empty() => text,
        Some(Value::String(_)) => return Err(Problem::empty("q is empty").field("q").remedy("send a text")),
        Some(other) => return Err(wrong_type("q", &other, "a string")),
        None => {
            return Err(Problem::new(ErrorCode::Invalid, "member \"q\" is missing")
                .field("q")
                .remedy("send the text as q"));
        }
    };
    let found = match chosen {
        Some(chosen) => by_model(&chosen, text, &exchange).await?,
        None => built_in(&text),
    };
    let found: Vec<Value> = found
        .into_iter()
        .map(|(language, score)| json!({ "confidence": confidence(score), "language": language }))
        .collect();
    Ok(json(StatusCode::OK, &found, 64))
}

async fn by_model(chosen: &Chosen, text: String, exchange: &Exchange) -> Result<Vec<(String, f32)>, Problem> {
    let Chosen { host, pipeline } = chosen;
    let predictions = Ask::new(host, pipeline, &Value::String(text), "q")?.predict(exchange).await?;
    Ok(predictions
        .into_iter()
        .filter_map(|prediction| match prediction {
            Prediction::Label { label, score, .. } => Some((label, score)),
            _ => None,
        })
        .collect())
}

fn built_in(text: &str) -> Vec<(String, f32)> {
    loquat_text::detect_language(text)
        .map(|found| (found.language.to_owned(), found.confidence as f32))
        .into_iter()
        .collect()
}

/// A score as a percentage with one digit.
fn confidence(score: f32) -> f64 {
    (f64::from(score) * 1000.0).round() / 10.0
}

/// Answers `GET /languages`: the pairs of loaded translation models.
pub(crate) async fn languages() -> Response<Body> {
    json(StatusCode::OK, &json!([]), 2)
}

/// Answers `POST /translate`.
pub(crate) async fn translate(State(app): State<Arc<App>>) -> Problem {
    absent(&app.table(), &[Task::Translation])
}

/// Whether the body is a form, which is what `curl -d` announces of JSON too.
fn is_form(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |media| media.as_bytes());
    media.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
}

async fn read(
    request: Request<Body>,
    app: &App,
    deadline: std::time::Instant,
    form: bool,
) -> Result<axum::body::Bytes, Problem> {
    if !form {
        body::check_headers(request.headers())?;
    }
    body::read(request, app.max_body, deadline).await
}

fn members(bytes: &[u8], form: bool) -> Result<Members, Problem> {
    if !form || bytes.trim_ascii_start().starts_with(b"{") {
        return body::parse(bytes);
    }
    let pairs = body::utf8(bytes)?.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(name)?, Value::String(decoded(value)?)))
    });
    Ok(Members(pairs.collect::<Result<_, Problem>>()?))
}

/// A name or a value of a form or of a query: `+` is a blank, `%XX` a byte of UTF-8.
pub(crate) fn decoded(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let byte = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte.ok_or_else(|| not_encoded("a % without two hexadecimal digits"))?);
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| not_encoded("bytes that are not UTF-8"))
}

fn not_encoded(what: &str) -> Problem {
    Problem::malformed(format!("the form holds {what}")).field("body").remedy("percent-encode it as UTF-8")
}
