//! The routes of the services that Loquat replaces: a zero-shot classifier and a translator.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, Uri};
use loquat_spec::{ErrorCode, PredictParameters, Prediction, Task};
use serde::Serialize;
use serde_json::Value;

use crate::ask::{Ask, ranked};
use crate::body::{self, Members, join};
use crate::choose::{Chosen, absent, choose};
use crate::exchange::Exchange;
use crate::host::App;
use crate::predict::parse_labels;
use crate::problem::Problem;
use crate::protocols::libre_translate::decoded;
use crate::render::{bytes_response, json};

/// The labels of a text, best first, with their scores.
#[derive(Serialize)]
pub(crate) struct Classified {
    sequence: String,
    labels: Vec<String>,
    scores: Vec<f32>,
}

/// The answer to one text, or to each of a list.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answers {
    /// To a text alone.
    One(Classified),
    /// To a list.
    Several(Vec<Classified>),
}

/// Answers `GET /status`.
pub(crate) async fn status() -> Response<Body> {
    bytes_response(StatusCode::OK, b"alive".to_vec(), "text/plain; charset=utf-8")
}

/// Answers `POST /classify`: every label scored on its own, best first; a list of such answers for a list of texts.
pub(crate) async fn classify(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let chosen = choose(&app.table(), request.headers(), &[Task::ZeroShotClassification])?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    Ok(json(StatusCode::OK, &classified(&chosen, members, "", &exchange).await?, 256))
}

/// What `{"sequence", "labels"}` is answered with; `path` is where it stands in the body.
pub(crate) async fn classified(
    chosen: &Chosen,
    members: Members,
    path: &str,
    exchange: &Exchange,
) -> Result<Answers, Problem> {
    let [sequence, labels] = members.take(path, ["sequence", "labels"])?;
    let field = join(path, "sequence");
    let Some(sequence) = sequence else {
        return Err(Problem::new(ErrorCode::Invalid, "member \"sequence\" is missing")
            .field(field)
            .remedy("send {\"sequence\": \"a text\", \"labels\": [\"a label\", …]}"));
    };
    let labels = labels.filter(|labels| !labels.is_null());
    let labels = labels.map(|labels| parse_labels(&join(path, "labels"), labels)).transpose()?;
    let parameters = PredictParameters { labels, ..PredictParameters::default() };
    let ask = Ask::new(&chosen.host, &chosen.pipeline, &sequence, &field)?.parameters(parameters)?;
    let predictions = ask.predict(exchange).await?;
    let texts = if let Value::Array(list) = &sequence { &list[..] } else { std::slice::from_ref(&sequence) };
    let answer = |(text, prediction): (&Value, Prediction)| {
        let (labels, scores): (Vec<String>, Vec<f32>) =
            ranked(prediction).into_iter().map(|scored| (scored.label, scored.score)).unzip();
        let text = text.as_str().or_else(|| text.get("text")?.as_str()).unwrap_or_default();
        Classified { sequence: text.to_owned(), labels, scores }
    };
    let mut answers: Vec<Classified> = texts.iter().zip(predictions).map(answer).collect();
    let single = if sequence.is_array() { None } else { answers.pop() };
    Ok(single.map_or(Answers::Several(answers), Answers::One))
}

/// Answers `GET /translate?q=TEXT`; an empty text is the client's fault whatever is loaded.
pub(crate) async fn translate(State(app): State<Arc<App>>, uri: Uri) -> Result<Response<Body>, Problem> {
    let query = uri.query().unwrap_or_default();
    let q = query.split('&').find_map(|pair| pair.strip_prefix("q=")).unwrap_or_default();
    if decoded(q)?.trim().is_empty() {
        return Err(Problem::new(ErrorCode::Invalid, "parameter \"q\" is missing or empty")
            .field("q")
            .remedy("send GET /translate?q=TEXT"));
    }
    Err(absent(&app.table(), &[Task::Translation]))
}
