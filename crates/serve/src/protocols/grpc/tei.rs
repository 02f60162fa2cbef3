//! The methods of package `tei.v1`, the gRPC side of text-embeddings-inference: what the model is, and labels.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::routing::post;
use loquat_spec::Task;
use prost::Message;
use serde_json::{Value, json};

use crate::ask::{Ask, ranked};
use crate::choose::{CLASSIFICATION, Chosen, choose};
use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::grpc::call::Context;
use crate::protocols::grpc::messages::Empty;
use crate::protocols::grpc::service::method;
use crate::protocols::grpc::stream::both_ways;
use crate::protocols::grpc::tei_messages::{
    InfoResponse, Metadata, PredictPairRequest, PredictRequest, PredictResponse, Scored,
};
use crate::protocols::grpc::{tei_embed, tei_rerank, tei_tokenize};
use crate::protocols::rerank::is_reranker;
use crate::protocols::tei;

/// The type of a model in `Info`.
const EMBEDDING: i32 = 0;
const CLASSIFIER: i32 = 1;
const RERANKER: i32 = 2;

/// Adds the methods to `router`.
pub(crate) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = method(router, "tei.v1.Info/Info", info);
    let router = method(router, "tei.v1.Predict/Predict", predict);
    let router = method(router, "tei.v1.Predict/PredictPair", predict_pair);
    let router = stream(router, "tei.v1.Predict/PredictStream", predict);
    let router = stream(router, "tei.v1.Predict/PredictPairStream", predict_pair);
    tei_tokenize::router(tei_rerank::router(tei_embed::router(router)))
}

/// Adds the method with streams both ways called `name`.
pub(super) fn stream<Q, A, W, F>(router: Router<Arc<App>>, name: &str, work: W) -> Router<Arc<App>>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    W: Fn(Context, Q) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<A, Problem>> + Send + 'static,
{
    let handler = move |State(app): State<Arc<App>>, request: Request<Body>| both_ways(app, request, work);
    router.route(&format!("/{name}"), post(handler))
}

async fn info(context: Context, _: Empty) -> Result<InfoResponse, Problem> {
    let Chosen { host, pipeline } = choose(&context.app.table(), &context.headers, &tei::ROOT)?;
    let model_type = match pipeline.task() {
        Task::Embedding => EMBEDDING,
        _ if is_reranker(&host) => RERANKER,
        _ => CLASSIFIER,
    };
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(InfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model_id: pipeline.model().to_owned(),
        model_sha: Some(pipeline.digest().to_owned()),
        model_dtype: tei::dtype(&pipeline).to_owned(),
        model_type,
        max_concurrent_requests: small(host.requests.max_queue),
        max_input_length: small(host.requests.max_length.unwrap_or(context.app.max_body)),
        max_batch_tokens: small(context.app.max_body),
        max_client_batch_size: small(host.requests.max_inputs),
        tokenization_workers: 1,
    })
}

async fn predict(context: Context, request: PredictRequest) -> Result<PredictResponse, Problem> {
    let chosen = choose(&context.app.table(), &context.headers, &CLASSIFICATION)?;
    tei::check_raw_scores(request.raw_scores)?;
    let inputs = tei::sequence(vec![Value::String(request.inputs)], "inputs", chosen.pipeline.task())?;
    answer(&context, &chosen, &inputs).await
}

async fn predict_pair(context: Context, request: PredictPairRequest) -> Result<PredictResponse, Problem> {
    let chosen = choose(&context.app.table(), &context.headers, &CLASSIFICATION)?;
    tei::check_raw_scores(request.raw_scores)?;
    let texts = request.inputs.into_iter().map(Value::String).collect();
    let inputs = tei::sequence(texts, "inputs", chosen.pipeline.task())?;
    answer(&context, &chosen, &inputs).await
}

async fn answer(context: &Context, chosen: &Chosen, inputs: &Value) -> Result<PredictResponse, Problem> {
    // A list of one, so that an object of two texts is one input.
    let ask = Ask::new(&chosen.host, &chosen.pipeline, &json!([inputs]), "inputs")?.every_label();
    let predictions = ask.timeout(context.timeout).predict(&context.exchange).await?;
    let scored = predictions.into_iter().flat_map(ranked);
    let predictions = scored.map(|scored| Scored { score: scored.score, label: scored.label }).collect();
    let metadata = metadata(&context.exchange, tei::characters(inputs));
    Ok(PredictResponse { predictions, metadata: Some(metadata) })
}

/// What was computed of `characters`, and where the time went.
pub(super) fn metadata(exchange: &Exchange, characters: usize) -> Metadata {
    let times = exchange.note.times();
    let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Metadata {
        compute_chars: small(characters as u64),
        compute_tokens: small(exchange.note.tokens()),
        total_time_ns: nanoseconds(exchange.start.elapsed()),
        tokenization_time_ns: nanoseconds(times.tokenise),
        queue_time_ns: nanoseconds(times.queue),
        inference_time_ns: nanoseconds(times.inference),
    }
}
