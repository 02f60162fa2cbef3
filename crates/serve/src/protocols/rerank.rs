//! `/rerank` of text-embeddings-inference: texts by how well they answer a query, scored by a model of pairs with one label.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use loquat_spec::{ErrorCode, Prediction, Task};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::body::{self, wrong_type};
use crate::choose::{Chosen, choose_where, existing};
use crate::exchange::Exchange;
use crate::host::{App, Host};
use crate::problem::Problem;
use crate::protocols::tei::{characters, check_raw_scores, check_truncation, present, stamp};
use crate::render::json;

/// A text with its place in the request.
#[derive(Serialize)]
struct Ranked<'a> {
    index: usize,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// Whether the endpoint's model is a reranker: its one label says how well two texts go together.
pub(crate) fn is_reranker(host: &Host) -> bool {
    host.pipeline.as_ref().is_some_and(|pipeline| {
        pipeline.task() == Task::TextPairClassification && pipeline.labels().len() == 1
    })
}

/// Answers `POST /rerank`.
pub(crate) async fn rerank(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let exchange = Exchange::of(&request);
    let table = app.table();
    let Chosen { host, pipeline } = choose_where(&table, request.headers(), is_reranker, || {
        Problem::no_model("no loaded model is a reranker: one for text pairs with a single label")
            .remedy(existing(&table))
    })?;
    let members = body::members(request, &app, &host, &exchange).await?;
    let [query, texts, raw_scores, return_text, truncate, direction] = members
        .take("", ["query", "texts", "raw_scores", "return_text", "truncate", "truncation_direction"])?;
    check_truncation(truncate, direction)?;
    check_raw_scores(flag("raw_scores", raw_scores)?)?;
    let return_text = flag("return_text", return_text)?;
    let query = match query {
        Some(Value::String(query)) => query,
        other => return Err(wrong_type("query", &other.unwrap_or(Value::Null), "a string")),
    };
    let texts = match texts {
        Some(Value::Array(list)) => list,
        other => return Err(wrong_type("texts", &other.unwrap_or(Value::Null), "a list of strings")),
    };
    if let Some(place) = texts.iter().position(|text| !text.is_string()) {
        return Err(wrong_type(&format!("texts[{place}]"), &texts[place], "a string"));
    }
    let pairs: Vec<Value> =
        texts.iter().map(|text| json!({ "premise": query, "hypothesis": text })).collect();
    let pairs = Value::Array(pairs);
    let predictions = Ask::new(&host, &pipeline, &pairs, "texts")?.predict(&exchange).await?;
    let mut ranked = Vec::with_capacity(texts.len());
    for (index, (prediction, text)) in predictions.into_iter().zip(&texts).enumerate() {
        let Prediction::Label { score, .. } = prediction else {
            return Err(Problem::new(ErrorCode::Internal, "the reranker answered no score"));
        };
        ranked.push(Ranked { index, score, text: text.as_str().filter(|_| return_text) });
    }
    ranked.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.index.cmp(&right.index)));
    let mut response = json(StatusCode::OK, &ranked, 16 + ranked.len() * 48);
    stamp(response.headers_mut(), &exchange, characters(&pairs));
    Ok(response)
}

/// A boolean that is false where it is left out.
fn flag(name: &str, value: Option<Value>) -> Result<bool, Problem> {
    match present(value) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => Err(wrong_type(name, &other, "a boolean")),
    }
}
