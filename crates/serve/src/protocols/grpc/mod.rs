//! gRPC on the port of HTTP: the Open Inference Protocol v2, and text-embeddings-inference.

mod call;
mod codec;
mod infer;
mod messages;
mod service;
mod stream;
mod tei;
mod tei_embed;
mod tei_messages;
mod tei_rerank;
mod tei_tokenize;

use std::sync::Arc;

use axum::Router;

use crate::host::App;

pub(crate) use call::refuse;

/// Adds the methods of both to `router`.
pub(crate) fn router(router: Router<Arc<App>>) -> Router<Arc<App>> {
    tei::router(service::router(router))
}
