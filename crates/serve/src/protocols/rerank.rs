//! `/rerank` of text-embeddings-inference: texts by how well they answer a query, scored by a model of pairs with one label.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use loquat_spec::{ErrorCode, Prediction, Task};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::body::{self, wrong_type};
use crate::choose::{Chosen, choose_where, existing};
use crate::exchange::Exchange;
use crate::host::{App, Host, Table};
use crate::problem::Problem;
use crate::protocols::tei::{check_raw_scores, check_truncation, flag, stamp};
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
    let chosen = reranker(&app.table(), request.headers())?;
    let members = body::members(request, &app, &chosen.host, &exchange).await?;
    let [query, texts, raw_scores, return_text, truncate, direction] = members
        .take("", ["query", "texts", "raw_scores", "return_text", "truncate", "truncation_direction"])?;
    check_truncation(truncate, direction)?;
    check_raw_scores(flag("raw_scores", raw_scores, false)?)?;
    let return_text = flag("return_text", return_text, false)?;
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
    let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
    let scores = scores(&chosen, (&query, &texts), &exchange).await?;
    let ranked: Vec<Ranked<'_>> = ranking(&scores)
        .map(|index| Ranked { index, score: scores[index], text: return_text.then_some(texts[index]) })
        .collect();
    let mut response = json(StatusCode::OK, &ranked, 16 + ranked.len() * 48);
    stamp(response.headers_mut(), &exchange, characters_of(&query, &texts));
    Ok(response)
}

/// The model that ranks texts.
pub(crate) fn reranker(table: &Table, headers: &HeaderMap) -> Result<Chosen, Problem> {
    choose_where(table, headers, is_reranker, || {
        Problem::no_model("no loaded model is a reranker: one for text pairs with a single label")
            .remedy(existing(table))
    })
}

/// How well each text answers the query, in order.
pub(crate) async fn scores(
    chosen: &Chosen,
    (query, texts): (&str, &[&str]),
    exchange: &Exchange,
) -> Result<Vec<f32>, Problem> {
    let pair = |text: &&str| json!({ "premise": query, "hypothesis": text });
    let pairs = Value::Array(texts.iter().map(pair).collect());
    let ask = Ask::new(&chosen.host, &chosen.pipeline, &pairs, "texts")?;
    let score = |prediction| match prediction {
        Prediction::Label { score, .. } => Ok(score),
        _ => Err(Problem::new(ErrorCode::Internal, "the reranker answered no score")),
    };
    ask.predict(exchange).await?.into_iter().map(score).collect()
}

/// Places by score, best first; equal ones as they came.
pub(crate) fn ranking(scores: &[f32]) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]));
    order.into_iter()
}

/// Characters of all pairs.
pub(crate) fn characters_of(query: &str, texts: &[&str]) -> usize {
    let query = query.chars().count();
    texts.iter().map(|text| query + text.chars().count()).sum()
}
