//! The table of routes, and the router made from it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{MethodRouter, delete, get, post, put};
use loquat_spec::ErrorCode;

use crate::host::App;
use crate::problem::Problem;
use crate::protocols::{
    embedding, grpc, kserve, legacy, libre_translate, mlflow, open_inference, openai, repository, rerank,
    statistics, tei, tokenize, v1_models,
};
use crate::{health, predict, resources, why};

type Handler = fn() -> MethodRouter<Arc<App>>;

const OWN: &[(&str, &str, Handler)] = &[
    ("POST", "/models/{endpoint}/predict", || post(predict::predict)),
    ("GET", "/models", || get(health::models)),
    ("GET", "/health", || get(health::health)),
    ("GET", "/health/live", || get(health::live)),
    ("GET", "/health/ready", || get(health::ready)),
    ("GET", "/metrics", || get(health::metrics)),
    ("GET", "/openapi.json", || get(health::openapi)),
    ("PUT", "/apis/loquat.dev/v1alpha1", || put(resources::apply)),
    ("GET", "/apis/loquat.dev/v1alpha1/{kind}", || get(resources::list)),
    ("GET", "/apis/loquat.dev/v1alpha1/{kind}/{name}", || get(resources::get)),
    ("PUT", "/apis/loquat.dev/v1alpha1/{kind}/{name}", || put(resources::put)),
    ("DELETE", "/apis/loquat.dev/v1alpha1/{kind}/{name}", || delete(resources::delete)),
    ("GET", "/why/{subject}", || get(why::why)),
];

const OPEN_INFERENCE: &[(&str, &str, Handler)] = &[
    ("GET", "/v2", || get(open_inference::server)),
    ("GET", "/v2/health/live", || get(open_inference::live)),
    ("GET", "/v2/health/ready", || get(open_inference::ready)),
    ("GET", "/v2/models/{model}", || get(open_inference::model)),
    ("GET", "/v2/models/{model}/versions/{version}", || get(open_inference::model)),
    ("GET", "/v2/models/{model}/ready", || get(open_inference::model_ready)),
    ("GET", "/v2/models/{model}/versions/{version}/ready", || get(open_inference::model_ready)),
    ("POST", "/v2/models/{model}/infer", || post(open_inference::infer)),
    ("POST", "/v2/models/{model}/versions/{version}/infer", || post(open_inference::infer)),
    ("GET", "/v2/models/{model}/config", || get(statistics::config)),
    ("GET", "/v2/models/{model}/versions/{version}/config", || get(statistics::config)),
    ("GET", "/v2/models/stats", || get(statistics::all)),
    ("GET", "/v2/models/{model}/stats", || get(statistics::one)),
    ("GET", "/v2/models/{model}/versions/{version}/stats", || get(statistics::one)),
    ("POST", "/v2/repository/index", || post(repository::list)),
    ("POST", "/v2/repository/models/{model}/load", || post(repository::load)),
    ("POST", "/v2/repository/models/{model}/unload", || post(repository::unload)),
];

const V1: &[(&str, &str, Handler)] = &[
    ("GET", "/v1/models", || get(v1_models::list)),
    ("GET", "/v1/models/{model}", || get(v1_models::one)),
    ("POST", "/v1/models/{model}:predict", || post(kserve::predict)),
    ("POST", "/v1/chat/completions", || post(openai::chat)),
    ("POST", "/v1/embeddings", || post(embedding::openai)),
    ("POST", "/embeddings", || post(embedding::openai)),
];

const TEI: &[(&str, &str, Handler)] = &[
    ("GET", "/", || get(tei::root)),
    ("POST", "/", || post(tei::by_task)),
    ("POST", "/predict", || post(tei::predict)),
    ("POST", "/embed", || post(embedding::embed)),
    ("POST", "/embed_all", || post(embedding::embed_all)),
    ("POST", "/embed_sparse", || post(tei::sparse)),
    ("POST", "/similarity", || post(embedding::similarity)),
    ("POST", "/rerank", || post(rerank::rerank)),
    ("POST", "/tokenize", || post(tokenize::tokenize)),
    ("POST", "/decode", || post(tokenize::decode)),
    ("POST", "/vertex", || post(tei::vertex)),
    ("GET", "/info", || get(tei::info)),
];

const OTHERS: &[(&str, &str, Handler)] = &[
    ("POST", "/invocations", || post(mlflow::invocations)),
    ("GET", "/ping", || get(mlflow::ping)),
    ("GET", "/version", || get(mlflow::version)),
    ("POST", "/detect", || post(libre_translate::detect)),
    ("GET", "/languages", || get(libre_translate::languages)),
    ("POST", "/translate", || post(libre_translate::translate)),
    ("GET", "/translate", || get(legacy::translate)),
    ("POST", "/classify", || post(legacy::classify)),
    ("GET", "/status", || get(legacy::status)),
];

fn table() -> impl Iterator<Item = &'static (&'static str, &'static str, Handler)> {
    [OWN, OPEN_INFERENCE, V1, TEI, OTHERS].into_iter().flatten()
}

/// Method and path of every route, path parameters in braces.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    table().map(|(method, path, _)| (*method, *path))
}

/// The router of every route over `app`.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for (_, path, handler) in table() {
        // A parameter reaches to the end of its segment, so the handler splits off the verb.
        let path = path.strip_suffix(":predict").unwrap_or(path);
        router = router.route(path, handler());
    }
    grpc::router(router).method_not_allowed_fallback(wrong_method).fallback(not_found).with_state(app)
}

async fn wrong_method(request: Request<Body>) -> Problem {
    Problem::method(format!("{} does not answer {}", request.uri().path(), request.method()))
        .field("method")
        .remedy("header allow names the methods that it answers; GET /openapi.json describes every route")
}

async fn not_found(request: Request<Body>) -> Problem {
    Problem::new(ErrorCode::NotFound, format!("no route answers {}", request.uri().path()))
        .field("path")
        .remedy("GET /openapi.json describes every route")
}
