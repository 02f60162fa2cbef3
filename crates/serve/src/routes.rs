//! The table of routes, and the router made from it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::{MethodRouter, get, post};
use loquat_spec::ErrorCode;

use crate::exchange::Exchange;
use crate::host::App;
use crate::problem::{Form, Problem};
use crate::{health, open_inference, predict};

type Handler = fn() -> MethodRouter<Arc<App>>;

const ROUTES: [(&str, &str, Handler); 16] = [
    ("POST", "/models/{endpoint}/predict", || post(predict::predict)),
    ("GET", "/models", || get(health::models)),
    ("GET", "/health", || get(health::health)),
    ("GET", "/health/live", || get(health::live)),
    ("GET", "/health/ready", || get(health::ready)),
    ("GET", "/metrics", || get(health::metrics)),
    ("GET", "/openapi.json", || get(health::openapi)),
    ("GET", "/v2", || get(open_inference::server)),
    ("GET", "/v2/health/live", || get(open_inference::live)),
    ("GET", "/v2/health/ready", || get(open_inference::ready)),
    ("GET", "/v2/models/{model}", || get(open_inference::model)),
    ("GET", "/v2/models/{model}/versions/{version}", || get(open_inference::model)),
    ("GET", "/v2/models/{model}/ready", || get(open_inference::model_ready)),
    ("GET", "/v2/models/{model}/versions/{version}/ready", || get(open_inference::model_ready)),
    ("POST", "/v2/models/{model}/infer", || post(open_inference::infer)),
    ("POST", "/v2/models/{model}/versions/{version}/infer", || post(open_inference::infer)),
];

/// Method and path of every route, path parameters in braces.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.into_iter().map(|(method, path, _)| (method, path))
}

/// The router of every route over `app`.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for (_, path, handler) in ROUTES {
        router = router.route(path, handler());
    }
    router.method_not_allowed_fallback(wrong_method).fallback(not_found).with_state(app)
}

async fn wrong_method(request: Request<Body>) -> Response<Body> {
    let exchange = Exchange::of(&request);
    let path = request.uri().path();
    Problem::method(format!("{path} does not answer {}", request.method()))
        .field("method")
        .remedy("header allow names the methods that it answers; GET /openapi.json describes every route")
        .response(Form::of(path), exchange.id.as_str())
}

async fn not_found(request: Request<Body>) -> Response<Body> {
    let exchange = Exchange::of(&request);
    let path = request.uri().path();
    Problem::new(ErrorCode::NotFound, format!("no route answers {path}"))
        .field("path")
        .remedy("GET /openapi.json describes every route")
        .response(Form::of(path), exchange.id.as_str())
}
