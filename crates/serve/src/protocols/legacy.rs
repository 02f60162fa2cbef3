//! The routes of the services that Loquat replaces: a zero-shot classifier and a translator.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, Uri};
use loquat_spec::{ErrorCode, Task};

use crate::choose::absent;
use crate::host::App;
use crate::problem::Problem;
use crate::protocols::libre_translate::decoded;
use crate::render::bytes_response;

/// Answers `GET /status`.
pub(crate) async fn status() -> Response<Body> {
    bytes_response(StatusCode::OK, b"alive".to_vec(), "text/plain; charset=utf-8")
}

/// Answers `POST /classify`.
pub(crate) async fn classify(State(app): State<Arc<App>>) -> Problem {
    absent(&app.table(), &[Task::ZeroShotClassification])
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
