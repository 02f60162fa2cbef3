//! `tei.v1.Embed`: vectors of texts and of their tokens.

use std::sync::Arc;

use axum::Router;
use loquat_spec::Task;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::choose::{Chosen, choose, existing};
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::embedding::{Shape, vectors};
use crate::protocols::grpc::call::Context;
use crate::protocols::grpc::messages::Empty;
use crate::protocols::grpc::service::method;
use crate::protocols::grpc::tei::{metadata, stream};
use crate::protocols::grpc::tei_messages::{
    EmbedAllRequest, EmbedAllResponse, EmbedRequest, EmbedResponse, TokenEmbedding,
};

/// Adds the methods to `router`.
pub(super) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = method(router, "tei.v1.Embed/Embed", embed);
    let router = stream(router, "tei.v1.Embed/EmbedStream", embed);
    let router = method(router, "tei.v1.Embed/EmbedAll", embed_all);
    let router = stream(router, "tei.v1.Embed/EmbedAllStream", embed_all);
    let router = method(router, "tei.v1.Embed/EmbedSparse", sparse);
    stream(router, "tei.v1.Embed/EmbedSparseStream", sparse)
}

async fn embed(context: Context, request: EmbedRequest) -> Result<EmbedResponse, Problem> {
    let chosen = chosen(&context)?;
    let dimensions = request.dimensions.filter(|number| *number > 0).map(|number| number as usize);
    let shape = Shape { dimensions, unit: request.normalize, prompt: request.prompt_name };
    let characters = request.inputs.chars().count();
    let text = Value::from(request.inputs);
    let vectors = vectors(&chosen, (&text, "inputs"), &shape, &context.exchange).await?;
    let embeddings = vectors.into_iter().next().unwrap_or_default();
    Ok(EmbedResponse { embeddings, metadata: Some(metadata(&context.exchange, characters)) })
}

async fn embed_all(context: Context, request: EmbedAllRequest) -> Result<EmbedAllResponse, Problem> {
    let chosen = chosen(&context)?;
    let ask = Ask::new(&chosen.host, &chosen.pipeline, &json!(request.inputs), "inputs")?
        .prompt(request.prompt_name.as_deref(), "prompt_name")?;
    let vectors = ask.timeout(context.timeout).token_vectors(&context.exchange).await?;
    let of_tokens = vectors.into_iter().flatten();
    let token_embeddings = of_tokens.map(|embeddings| TokenEmbedding { embeddings }).collect();
    let metadata = metadata(&context.exchange, request.inputs.chars().count());
    Ok(EmbedAllResponse { token_embeddings, metadata: Some(metadata) })
}

async fn sparse(context: Context, _: Empty) -> Result<Empty, Problem> {
    Err(Problem::no_model("no loaded model makes a sparse embedding").remedy(existing(&context.app.table())))
}

fn chosen(context: &Context) -> Result<Chosen, Problem> {
    choose(&context.app.table(), &context.headers, &[Task::Embedding])
}
