//! `tei.v1.Rerank`: texts by how well they answer a query.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::routing::post;
use loquat_spec::ErrorCode;
use tonic::Streaming;

use crate::host::App;
use crate::predict::check_count;
use crate::problem::Problem;
use crate::protocols::grpc::call::Context;
use crate::protocols::grpc::service::method;
use crate::protocols::grpc::stream::one_answer;
use crate::protocols::grpc::tei::metadata;
use crate::protocols::grpc::tei_messages::{Rank, RerankRequest, RerankResponse, RerankStreamRequest};
use crate::protocols::rerank::{characters_of, ranking, reranker, scores};
use crate::protocols::tei::check_raw_scores;

/// Adds the methods to `router`.
pub(super) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let handler =
        |State(app): State<Arc<App>>, request: Request<Body>| one_answer(app, request, rerank_stream);
    method(router, "tei.v1.Rerank/Rerank", rerank).route("/tei.v1.Rerank/RerankStream", post(handler))
}

async fn rerank(context: Context, request: RerankRequest) -> Result<RerankResponse, Problem> {
    let chosen = reranker(&context.app.table(), &context.headers)?;
    check_raw_scores(request.raw_scores)?;
    let texts: Vec<&str> = request.texts.iter().map(String::as_str).collect();
    let scores = scores(&chosen, (&request.query, &texts), &context.exchange).await?;
    let rank = |place: usize| Rank {
        index: u32::try_from(place).unwrap_or(u32::MAX),
        text: request.return_text.then(|| request.texts[place].clone()),
        score: scores[place],
    };
    let ranks = ranking(&scores).map(rank).collect();
    let metadata = metadata(&context.exchange, characters_of(&request.query, &texts));
    Ok(RerankResponse { ranks, metadata: Some(metadata) })
}

/// The texts of all messages, ranked together.
async fn rerank_stream(
    context: Context,
    mut messages: Streaming<RerankStreamRequest>,
) -> Result<RerankResponse, Problem> {
    let chosen = reranker(&context.app.table(), &context.headers)?;
    let broken = |status: tonic::Status| {
        Problem::malformed(format!("the stream broke off: {}", status.message())).field("body")
    };
    let mut all: Option<RerankRequest> = None;
    while let Some(message) = messages.message().await.map_err(broken)? {
        let first = || RerankRequest {
            query: message.query.clone(),
            texts: Vec::new(),
            raw_scores: message.raw_scores,
            return_text: message.return_text,
        };
        let all = all.get_or_insert_with(first);
        all.texts.push(message.text);
        check_count(&chosen.host, all.texts.len(), "text")?;
    }
    let request = all.ok_or_else(|| Problem::new(ErrorCode::Invalid, "the stream holds no message"))?;
    rerank(context.part(), request).await
}
