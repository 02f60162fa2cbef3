//! The unary methods of package `tei.v1`, the gRPC side of text-embeddings-inference.

use std::sync::Arc;

use axum::Router;
use loquat_spec::{ErrorCode, Task};
use serde_json::{Value, json};

use crate::ask::{Ask, ranked};
use crate::choose::{CLASSIFICATION, Chosen, choose, choose_where, existing};
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::grpc::call::Context;
use crate::protocols::grpc::messages::Empty;
use crate::protocols::grpc::service::method;
use crate::protocols::grpc::tei_messages::{
    CLASSIFIER, InfoResponse, Metadata, PredictPairRequest, PredictRequest, PredictResponse, Scored,
};
use crate::protocols::rerank::is_reranker;
use crate::protocols::tei;

/// Adds the methods to `router`.
pub(crate) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = method(router, "tei.v1.Info/Info", info);
    let router = method(router, "tei.v1.Predict/Predict", predict);
    let router = method(router, "tei.v1.Predict/PredictPair", predict_pair);
    let router = method(router, "tei.v1.Embed/Embed", embed);
    let router = method(router, "tei.v1.Embed/EmbedAll", embed);
    let router = method(router, "tei.v1.Embed/EmbedSparse", embed);
    let router = method(router, "tei.v1.Rerank/Rerank", rerank);
    let router = method(router, "tei.v1.Tokenize/Tokenize", tokenize);
    method(router, "tei.v1.Tokenize/Decode", tokenize)
}

async fn info(context: Context, _: Empty) -> Result<InfoResponse, Problem> {
    let Chosen { host, pipeline } = choose(&context.app.table(), &context.headers, &CLASSIFICATION)?;
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(InfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model_id: pipeline.model().to_owned(),
        model_sha: Some(pipeline.digest().to_owned()),
        model_dtype: tei::dtype(&pipeline).to_owned(),
        model_type: CLASSIFIER,
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
    let times = context.exchange.note.times();
    let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let metadata = Metadata {
        compute_chars: small(tei::characters(inputs) as u64),
        compute_tokens: small(context.exchange.note.tokens()),
        total_time_ns: nanoseconds(context.exchange.start.elapsed()),
        tokenization_time_ns: nanoseconds(times.tokenise),
        queue_time_ns: nanoseconds(times.queue),
        inference_time_ns: nanoseconds(times.inference),
    };
    Ok(PredictResponse { predictions, metadata: Some(metadata) })
}

async fn embed(context: Context, _: Empty) -> Result<Empty, Problem> {
    choose(&context.app.table(), &context.headers, &[Task::Embedding])?;
    Err(Problem::new(ErrorCode::Unsupported, "embeddings over gRPC are not yet supported")
        .remedy("send POST /embed, or call ModelInfer"))
}

async fn rerank(context: Context, _: Empty) -> Result<Empty, Problem> {
    let table = context.app.table();
    let absent = || Problem::no_model("no loaded model is a reranker").remedy(existing(&table));
    choose_where(&table, &context.headers, is_reranker, absent)?;
    Err(Problem::new(ErrorCode::Unsupported, "reranking over gRPC is not yet supported")
        .remedy("send POST /rerank"))
}

async fn tokenize(context: Context, _: Empty) -> Result<Empty, Problem> {
    Err(Problem::no_model("no loaded model shows its tokenizer").remedy(existing(&context.app.table())))
}
